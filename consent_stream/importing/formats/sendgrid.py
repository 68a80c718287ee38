"""Twilio SendGrid: suppressions, as exported from the console or listed by the API v3.

| what | columns | file of the console | source |
|---|---|---|---|
| bounces | status, reason, email, created | `suppression_bounces.csv` | GET /v3/suppression/bounces |
| blocks | status, reason, email, created | `suppression_blocks.csv` | GET /v3/suppression/blocks |
| invalid emails | reason, email, created | `suppression_invalid_emails.csv` | GET /v3/suppression/invalid_emails |
| spam reports | ip, email, created | `suppression_spam_reports.csv` | GET /v3/suppression/spam_reports |
| global unsubscribes | email, created | `suppression_unsubscribes.csv` | GET /v3/suppression/unsubscribes |
| group unsubscribes | email, group_id, created_at | `asm_groups_<id>_suppressions.csv` | GET /v3/asm/suppressions |

`created` is in seconds since the epoch. The lists look alike, so the file's name says which one it is, else the
columns, else --status. Blocks pass (a full mailbox, a refused message) and SendGrid sends again: they are skipped. A
bounce is one whatever its code: SendGrid lists those that it no longer sends to. The scope of a group is `--scope`, or
`--column scope=group_id`; without either a group's no is one to all.
"""

from __future__ import annotations

from consent_stream.importing.rows import SKIPPED, Fields, Format, Present

_FILES = (
    ("invalid", "bounced"),
    ("bounce", "bounced"),
    ("block", SKIPPED),
    ("spam", "complained"),
    ("unsubscribe", "unsubscribed"),
    ("asm_groups", "unsubscribed"),
)


def _kind(name: str, present: Present) -> str | None:
    if "group" in present:
        return "unsubscribed"
    by_name = next((status for word, status in _FILES if word in name), None)
    if by_name is not None:
        return by_name
    if "ip" in present:
        return "complained"
    if "reason" in present and "code" not in present:
        return "bounced"
    return None  # bounces or blocks; global unsubscribes or a group's


def _status(fields: Fields, kind: str) -> str:
    return kind


FORMAT = Format(
    name="sendgrid",
    columns={
        "email": ("email",),
        "date": ("created", "created_at"),
        "code": ("status",),
        "reason": ("reason",),
        "ip": ("ip",),
        "group": ("group_id",),
    },
    kind=_kind,
    status=_status,
    lists=("suppressions", "result"),
)
