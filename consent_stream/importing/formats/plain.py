"""CSV (or JSON, or JSON lines) with columns of our own names: email or phone, contact, status, date, scope, method,
origin, notice (`id@version`), region.

Other names are given with `--column email=E-Mail`. status: subscribed, unsubscribed, bounced or complained; where there
is no such column, `--status` says what every row is. Nothing is guessed: a word that is none of the four is reported.
"""

from __future__ import annotations

from consent_stream.importing.rows import FIELDS, STATUSES, Fields, Format, Present

_ALSO = {"email": ("email", "email_address", "e-mail"), "phone": ("phone", "phone_number", "mobile")}


def _kind(name: str, present: Present) -> str | None:
    return "" if "status" in present else None


def _status(fields: Fields, kind: str) -> str:
    status = kind or fields.get("status", "").lower()
    return status if status in STATUSES else ""


FORMAT = Format(
    name="csv",
    columns={each: _ALSO.get(each, (each,)) for each in FIELDS},
    kind=_kind,
    status=_status,
    lists=("rows",),
    channels=("email", "sms"),
)
