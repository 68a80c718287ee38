"""The pages of one-click: a button, done, no such link, try again. Plain HTML in four languages, nothing to fetch."""

from __future__ import annotations

from functools import cache
from typing import Literal, NamedTuple

from aiohttp import web

from consent_stream.edge.pages.catalogue import choose

Page = Literal["ask", "done", "unknown", "away"]
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Language",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
SHELL = """<!DOCTYPE html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title></head><body><main><h1>{title}</h1>{rest}</main></body></html>
"""
FORM = '<form method="post"><p><button name="List-Unsubscribe" value="One-Click">{0}</button></p></form>'


class Words(NamedTuple):
    """Titles and sentences of one language."""

    ask: str
    press: str
    done: str
    soon: str
    unknown: str
    use: str
    away: str
    later: str
    more: str


WORDS = {
    "en": Words(
        "Unsubscribe from these messages?", "Unsubscribe",
        "You are unsubscribed", "It may take a few seconds until every sender knows.",
        "This link is not known", "Please use the link of the message as it was sent.",
        "Please try again", "Your choice could not be stored just now. Nothing has changed.",
        "All your choices",
    ),
    "fr": Words(
        "Se désabonner de ces messages ?", "Se désabonner",
        "Vous êtes désabonné(e)", "Quelques secondes peuvent passer avant que chaque expéditeur le sache.",
        "Ce lien n'est pas connu", "Utilisez le lien du message tel qu'il a été envoyé.",
        "Veuillez réessayer", "Votre choix n'a pas pu être enregistré à l'instant. Rien n'a changé.",
        "Tous vos choix",
    ),
    "es": Words(
        "¿Dejar de recibir estos mensajes?", "Darse de baja",
        "Se ha dado de baja", "Pueden pasar unos segundos hasta que lo sepa cada remitente.",
        "Este enlace no se conoce", "Use el enlace del mensaje tal como se envió.",
        "Inténtelo de nuevo", "Su elección no se ha podido guardar ahora mismo. Nada ha cambiado.",
        "Todas sus opciones",
    ),
    "de": Words(
        "Diese Nachrichten abbestellen?", "Abbestellen",
        "Sie sind abgemeldet", "Es kann einige Sekunden dauern, bis jeder Absender es weiß.",
        "Dieser Link ist nicht bekannt", "Bitte benutzen Sie den Link der Nachricht, so wie sie kam.",
        "Bitte noch einmal versuchen", "Ihre Wahl konnte gerade nicht gespeichert werden. Nichts hat sich geändert.",
        "Alle Ihre Einstellungen",
    ),
}  # fmt: skip


def page(request: web.Request, which: Page, status: int, token: str = "") -> web.Response:
    """One page in the language that the request asks for. token: of a link that was read, for the preference centre."""
    text = _text(which, choose(request.query.get("lang"), request.headers.get("Accept-Language", "")))
    # No user's text: a token that was read has letters, digits, `-` and `_` alone.
    return web.Response(text=text.replace("TOKEN", token), status=status, content_type="text/html", headers=HEADERS)


@cache
def _text(which: Page, language: str) -> str:
    words = WORDS[language]
    title, rest = {
        "ask": (words.ask, FORM.format(words.press)),
        "done": (words.done, f'<p>{words.soon}</p><p><a href="../p/TOKEN">{words.more}</a></p>'),
        "unknown": (words.unknown, f"<p>{words.use}</p>"),
        "away": (words.away, f"<p>{words.later}</p>" + FORM.format(words.press)),
    }[which]
    return SHELL.format(language=language, title=title, rest=rest)
