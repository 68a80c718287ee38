"""What is said back to a STOP, START or HELP: one text, short, in the language of the word.

The answer is not sent here. It goes to the topic `sms.replies`, with the provider's reference of the text in place of
its number: who sends texts asks the provider whom it came from (Twilio: `GET …/Messages/SID`, `from`), so that plain
numbers stay in `consent.events`.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from consent_stream.domain.policy import Words
from consent_stream.domain.words import asks_for_help, meaning
from consent_stream.edge.events import instant

WITHIN_US = 300 * 1_000_000  # of the text's own time (47 CFR 64.1200(a)(12): one confirmation, within five minutes)
_LANGUAGES = {
    "arret": "fr", "alto": "es", "baja": "es", "stopp": "de",
}  # fmt: skip
SAYINGS = {
    ("stop", "en"): "{brand}: You are unsubscribed and will get no more texts from us. Reply START to undo.",
    ("stop", "fr"): "{brand} : vous êtes désabonné(e) et ne recevrez plus de SMS. Répondez START pour annuler.",
    ("stop", "es"): "{brand}: se ha dado de baja y no recibirá más SMS. Responda START para anularlo.",
    ("stop", "de"): "{brand}: Sie sind abgemeldet und erhalten keine SMS mehr. Mit START machen Sie das rückgängig.",
    ("start", "en"): "{brand}: We got your START. Reply STOP to end, HELP for help.",
    ("start", "fr"): "{brand} : nous avons reçu votre START. Répondez STOP pour arrêter, HELP pour de l'aide.",
    ("start", "es"): "{brand}: hemos recibido su START. Responda STOP para terminar, HELP para ayuda.",
    ("start", "de"): "{brand}: Wir haben Ihr START erhalten. STOP beendet es, HELP hilft.",
    ("help", "en"): "{brand}: Reply STOP to get no more texts from us.",
    ("help", "fr"): "{brand} : répondez STOP pour ne plus recevoir de SMS.",
    ("help", "es"): "{brand}: responda STOP para no recibir más SMS.",
    ("help", "de"): "{brand}: Mit STOP erhalten Sie keine SMS mehr.",
}


class Answer(NamedTuple):
    """key: 19 bytes, of the number. ident: the same for the same (tenant, number, kind) of the same text."""

    key: bytes
    kind: str
    ident: str
    record: dict[str, Any]


def kind_of(text: str, words: Words) -> str:
    """`stop`, `start`, `help`, or empty: what may be a STOP is reviewed by people and not answered."""
    found = meaning(text, words)
    if found:
        return found if found in ("stop", "start") else ""
    return "help" if asks_for_help(text, words) else ""


def language_of(text: str, default: str) -> str:
    """Of the word, where it is of one language."""
    folded = text.casefold().replace("ê", "e")
    return next((code for word, code in _LANGUAGES.items() if word in folded.split()), default)


def answer(key: bytes, tenant: str, kind: str, language: str, brand: str, endpoint: str, reference: str, at: int
) -> Answer:  # fmt: skip
    """The record, as JSON. at: µs, of the text."""
    ident = hashlib.sha256(b"\0".join((key, kind.encode(), reference.encode()))).hexdigest()[:32]
    record = {
        "id": ident,
        "tenant": tenant,
        "endpoint": endpoint,
        "reference": reference,
        "kind": kind,
        "language": language,
        "text": SAYINGS[kind, language].format(brand=brand),
        "send_before": instant(at + WITHIN_US),
    }
    return Answer(key, kind, ident, record)
