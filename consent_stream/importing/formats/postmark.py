"""Postmark: the suppressions of a message stream.

| what | shape | source |
|---|---|---|
| dump | `{"Suppressions": [entry, …]}` | Suppressions API, GET /message-streams/{stream}/suppressions/dump |
| CSV | the names of an entry as columns | the export of the stream's page |

An entry has EmailAddress, SuppressionReason, Origin, CreatedAt. SuppressionReason is HardBounce, SpamComplaint or
ManualSuppression; Origin (Recipient, Customer, Admin) says who did it, and a no is one whoever did. Another reason is
read as unsubscribed.
"""

from __future__ import annotations

from consent_stream.importing.rows import Fields, Format, Present

_REASONS = {"hardbounce": "bounced", "spamcomplaint": "complained", "manualsuppression": "unsubscribed"}


def _kind(name: str, present: Present) -> str | None:
    return "" if "reason" in present else None


def _status(fields: Fields, kind: str) -> str:
    return kind or _REASONS.get(fields.get("reason", "").lower().replace(" ", ""), "unsubscribed")


FORMAT = Format(
    name="postmark",
    columns={
        "email": ("EmailAddress", "Email"),
        "reason": ("SuppressionReason", "Reason"),
        "date": ("CreatedAt", "Created"),
    },
    kind=_kind,
    status=_status,
    lists=("Suppressions",),
)
