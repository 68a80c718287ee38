"""One person's chain, read from the log."""

from __future__ import annotations

from consent_stream.console.search import Sought, Tell
from consent_stream.inspection.why import Notices
from consent_stream.inspection.whychain import Chain
from consent_stream.inspection.whyread import check_keys, read_why
from consent_stream.settings import Settings
from consent_stream.wire.keys import Keyring

SETTLE_S = 5.0  # how long the workers may take to work off what is accepted by now


def look_up(settings: Settings, keyring: Keyring, notices: Notices | None, sought: Sought, tell: Tell) -> Chain:
    """The chain for who is sought. notices: of the policy file, None without one.

    Errors: NoKey when the topics are written with other keys; Unread.
    """
    check_keys(settings, keyring)
    return read_why(
        settings,
        sought.case,
        at=sought.at,
        known_at=sought.known_at,
        notices=notices,
        cautions=sought.cautions,
        seconds=SETTLE_S,
        tell=tell,
    )
