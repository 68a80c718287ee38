"""Amazon SES: the account-level suppression list.

| what | shape | source |
|---|---|---|
| `aws sesv2 list-suppressed-destinations` | `{"SuppressedDestinationSummaries": [summary, …]}` | [1] |
| the same as JSON lines (`jq -c`) | `{"EmailAddress", "Reason", "LastUpdateTime"}` a line | [1] |
| import job, JSON | `{"emailAddress", "reason"}` a line | [2] |
| import job, CSV | `address,REASON` without a header | [2] |

[1] SES API v2, ListSuppressedDestinations; the time is RFC 3339 or seconds since the epoch, by the command's version.
[2] SES developer guide, "Using the account-level suppression list", adding addresses in bulk.

Reason is BOUNCE or COMPLAINT. Another one would be a suppression of a kind that SES did not have yet: unsubscribed.
"""

from __future__ import annotations

from collections.abc import Sequence

from consent_stream.importing.rows import Fields, Format, Present

_REASONS = {"BOUNCE": "bounced", "COMPLAINT": "complained"}


def _kind(name: str, present: Present) -> str | None:
    return "" if "reason" in present else None


def _status(fields: Fields, kind: str) -> str:
    return kind or _REASONS.get(fields.get("reason", "").upper(), "unsubscribed")


def _headerless(first: Sequence[str]) -> Sequence[str] | None:
    if first and "@" in first[0]:
        return ("EmailAddress", "Reason", "LastUpdateTime")[: max(2, min(len(first), 3))]
    return None


FORMAT = Format(
    name="ses",
    columns={"email": ("EmailAddress", "Email"), "reason": ("Reason",), "date": ("LastUpdateTime", "LastUpdatedTime")},
    kind=_kind,
    status=_status,
    lists=("SuppressedDestinationSummaries",),
    headerless=_headerless,
)
