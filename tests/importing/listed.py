"""The sample exports, and how each is imported. People are fictional, domains are RFC 2606's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from consent_stream.importing.events import Batch
from consent_stream.importing.formats import FORMATS
from consent_stream.importing.rows import Reading
from consent_stream.importing.survey import Item, items

SAMPLES = Path(__file__).parent / "samples"
DIGEST = "ab" * 32
GOLDEN = Path(__file__).parent / "golden.json"

# sample → (format, options of the batch)
PROOF = {"method": "form", "origin": "www.example.com/join", "notice": "n1@3"}
LISTS: dict[str, tuple[str, dict[str, str]]] = {
    "ses-list.json": ("ses", {}),
    "ses-summaries.jsonl": ("ses", {}),
    "ses-import-job.csv": ("ses", {}),
    "suppression_bounces.csv": ("sendgrid", {}),
    "suppression_blocks.csv": ("sendgrid", {}),
    "suppression_spam_reports.csv": ("sendgrid", {}),
    "suppression_invalid_emails.csv": ("sendgrid", {}),
    "suppression_unsubscribes.csv": ("sendgrid", {}),
    "asm_groups_3893_suppressions.csv": ("sendgrid", {"scope": "weekly"}),
    "sendgrid-groups.json": ("sendgrid", {}),
    "sendgrid-spam.json": ("sendgrid", {}),
    "subscribed_members_export_3f2a9c.csv": ("mailchimp", {"scope": "news", **PROOF}),
    "unsubscribed_members_export_3f2a9c.csv": ("mailchimp", {"scope": "news", **PROOF}),
    "cleaned_members_export_3f2a9c.csv": ("mailchimp", {"scope": "news", **PROOF}),
    "nonsubscribed_members_export_3f2a9c.csv": ("mailchimp", {"scope": "news", **PROOF}),
    "postmark-dump.json": ("postmark", {}),
    "postmark.csv": ("postmark", {}),
    "crm.csv": ("csv", {}),
    "texts.csv": ("csv", {"channel": "sms", "region": "US", **PROOF}),
}


def read_as(form: str, path: Path, **options: Any) -> list[Item]:
    """All items of a file in one batch; `reading`: options of how it is read."""
    reading = options.pop("reading", {})
    batch = Batch(tenant="acme", source=f"/import/{form}", id="b1", digest=DIGEST, **options)
    return list(items(path, Reading(FORMATS[form], batch.channel, **reading), batch))


def read_sample(name: str) -> list[Item]:
    form, options = LISTS[name]
    return read_as(form, SAMPLES / name, **options)


def told(found: list[Item]) -> list[list[Any]]:
    """(line, fate, event or None) of each item, as JSON has it."""
    return [
        [item.row.line, item.told.fate, orjson.loads(item.told.value) if item.told.value else None] for item in found
    ]


def golden() -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(GOLDEN.read_bytes())
    return found
