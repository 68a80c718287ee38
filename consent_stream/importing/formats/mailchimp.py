"""Mailchimp: the export of an audience, a zip of one CSV for each kind of contact, or those files by themselves.

| file | rows are | date | source |
|---|---|---|---|
| `subscribed_…_export_….csv` | subscribed | OPTIN_TIME | Mailchimp help, "View or export contacts" |
| `unsubscribed_…` | unsubscribed, or complained | UNSUB_TIME, else LAST_CHANGED | the same |
| `cleaned_…` | bounced | CLEAN_TIME, else LAST_CHANGED | the same |
| `nonsubscribed_…` | skipped: never asked, or only bought something | | the same |

Complained: UNSUB_REASON or UNSUB_REASON_OTHER speaks of spam or abuse.
Columns: Email Address, the audience's own fields, OPTIN_TIME, OPTIN_IP, CONFIRM_TIME, CONFIRM_IP, LAST_CHANGED, LEID,
EUID, …; times are UTC. CONFIRM_TIME alone proves nothing: of contacts that were uploaded it is the time of the upload.
UNSUB_TIME and CLEAN_TIME tell the files apart where they were renamed. LEID or EUID is the contact's id only when asked
for: `--column contact=LEID`.
"""

from __future__ import annotations

import re

from consent_stream.importing.rows import SKIPPED, Fields, Format, Present

_COMPLAINS = re.compile(r"spam|abuse", re.IGNORECASE)
_WORDS = {
    "subscribed": "subscribed",
    "unsubscribed": "unsubscribed",
    "cleaned": "bounced",
    "nonsubscribed": SKIPPED,
    "pending": SKIPPED,
}


def _kind(name: str, present: Present) -> str | None:
    if "unsubscribed_at" in present or "unsubscribed_" in name:
        return "unsubscribed"
    if "cleaned_at" in present or "cleaned_" in name:
        return "bounced"
    if "nonsubscribed_" in name or "non_subscribed_" in name:
        return SKIPPED
    if "status" in present:
        return ""
    return "subscribed" if "subscribed_" in name else None


def _status(fields: Fields, kind: str) -> str:
    status = kind or _WORDS.get(fields.get("status", "").lower().replace("-", "").replace(" ", ""), "")
    why = f"{fields.get('reason', '')} {fields.get('reason_other', '')}"
    return "complained" if status == "unsubscribed" and _COMPLAINS.search(why) else status


def _time(fields: Fields, status: str) -> str:
    if status == "subscribed":
        return fields.get("opted_in_at", "")
    return fields.get("unsubscribed_at") or fields.get("cleaned_at") or fields.get("date", "")


FORMAT = Format(
    name="mailchimp",
    columns={
        "email": ("Email Address", "Email"),
        "status": ("Status", "Email Marketing Status"),
        "opted_in_at": ("OPTIN_TIME",),
        "unsubscribed_at": ("UNSUB_TIME",),
        "cleaned_at": ("CLEAN_TIME",),
        "date": ("LAST_CHANGED",),
        "reason": ("UNSUB_REASON",),
        "reason_other": ("UNSUB_REASON_OTHER",),
    },
    kind=_kind,
    status=_status,
    time=_time,
)
