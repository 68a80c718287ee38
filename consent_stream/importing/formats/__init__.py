"""The adapters, one a vendor, by the name that `--format` takes."""

from __future__ import annotations

from collections.abc import Mapping

from consent_stream.importing.formats import mailchimp, plain, postmark, sendgrid, ses
from consent_stream.importing.rows import Format

FORMATS: Mapping[str, Format] = {
    each.name: each for each in (ses.FORMAT, sendgrid.FORMAT, mailchimp.FORMAT, postmark.FORMAT, plain.FORMAT)
}
