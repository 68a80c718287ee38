"""What is configured of the pages: names and notices of tenants, scanners, limits, the mail server. Pure.

[preferences.acme]
name = "Acme"
contact = "privacy@example.com"                 # shown; whom to ask
notice = { id = "signup", version = 1 }
notice_text = { en = "…", de = "…" }
[preferences.acme.programs]                      # scope = name, or names by language
news = "News"
"news/weekly" = { en = "Weekly letter", de = "Wochenbrief" }
[preferences.acme.sharing]
partners = "Partners"

[pages]
scanners = ["192.0.2.0/24"]                      # networks whose clicks are marked
proxies = ["10.0.0.0/8"]                         # whose X-Forwarded-For is believed

[smtp]                                           # for fresh links
host = "mail.example"
sender = "preferences@example.com"
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

from consent_stream.domain.nodes import ANY, valid_scope
from consent_stream.domain.policy import version_text
from consent_stream.edge.clients import Network
from consent_stream.edge.config import Config, ConfigError, only
from consent_stream.edge.pages.catalogue import LANGUAGES

Text = Mapping[str, str]  # by language


@dataclass(frozen=True)
class Shown:
    """What the page of a tenant shows. notice: (id, version), None when no yes can be given."""

    name: str
    contact: str = ""
    notice: tuple[str, int | str] | None = None
    notice_text: Text = field(default_factory=dict)
    programs: Mapping[str, Text] = field(default_factory=dict)
    sharing: Mapping[str, Text] = field(default_factory=dict)


@dataclass(frozen=True)
class Mail:
    """The server that fresh links go out by. security: `starttls`, `tls` or `none`."""

    host: str
    sender: str
    port: int = 587
    security: str = "starttls"
    user: str = ""
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class Pages:
    """All of it. soon: seconds after a message was made in which a click is marked. Rates: requests a minute."""

    tenants: Mapping[str, Shown]
    mail: Mail | None = None
    scanners: tuple[Network, ...] = ()
    proxies: tuple[Network, ...] = ()
    soon: float = 10
    per_link: float = 60
    per_network: float = 600

    def of(self, tenant: str) -> Shown:
        """What is shown for a tenant; its bare name when nothing is configured."""
        return self.tenants.get(tenant) or Shown(tenant)


def text_in(text: Text, language: str) -> str:
    """In that language, else in English, else in any."""
    return text.get(language) or text.get("en") or next(iter(text.values()), "")


def read_pages(config: Config) -> Pages:
    """Errors: ConfigError, naming the entry."""
    tenants = {name: _tenant(value, f"preferences.{name}") for name, value in config.table("preferences").items()}
    table = config.table("pages")
    only("pages", table, ("scanners", "proxies", "soon", "per_link", "per_network"))
    return Pages(
        tenants,
        _mail(config),
        _networks(table, "scanners"),
        _networks(table, "proxies"),
        *(_number(table, name, default) for name, default in (("soon", 10), ("per_link", 60), ("per_network", 600))),
    )


def _tenant(value: object, where: str) -> Shown:
    table = _table(value, where)
    only(where, table, ("name", "contact", "notice", "notice_text", "programs", "sharing"))
    notice = None
    if "notice" in table:
        cited = _table(table["notice"], f"{where}.notice")
        only(f"{where}.notice", cited, ("id", "version"))
        version = cited.get("version")
        if version_text(version) is None:
            raise ConfigError(f"{where}.notice.version: a whole number or text is expected")
        notice = (_text(cited, "id", f"{where}.notice"), version)
    return Shown(
        _text(table, "name", where),
        _text(table, "contact", where, ""),
        notice,  # type: ignore[arg-type]  # version_text has looked
        _words(table.get("notice_text", {}), f"{where}.notice_text"),
        _names(table.get("programs", {}), f"{where}.programs"),
        _names(table.get("sharing", {}), f"{where}.sharing"),
    )


def _names(value: object, where: str) -> Mapping[str, Text]:
    table = _table(value, where)
    for scope in table:
        if not valid_scope(scope) or (scope == ANY and not where.endswith("sharing")):
            raise ConfigError(f"{where}.{scope}: a scope is expected, such as news or news/weekly")
    return {scope: _words(each, f"{where}.{scope}") for scope, each in table.items()}


def _words(value: object, where: str) -> Text:
    if isinstance(value, str) and value:
        return {"en": value}
    table = _table(value, where)
    only(where, table, LANGUAGES)
    if not all(isinstance(each, str) and each for each in table.values()):
        raise ConfigError(f"{where}: text is expected, or texts by language")
    return dict(table)


def _mail(config: Config) -> Mail | None:
    table = config.table("smtp")
    if not table:
        return None
    only("smtp", table, ("host", "sender", "port", "security", "user", "password_file", "password_env"))
    security = table.get("security", "starttls")
    if security not in ("starttls", "tls", "none"):
        raise ConfigError("smtp.security: one of starttls, tls, none is expected")
    port = table.get("port", 465 if security == "tls" else 587)
    if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
        raise ConfigError("smtp.port: a port is expected")
    password = config.secret("smtp", table, "password") or b""
    host, sender, user = (_text(table, *each) for each in (("host", "smtp"), ("sender", "smtp"), ("user", "smtp", "")))
    return Mail(host, sender, port, security, user, password.decode())


def _networks(table: Mapping[str, Any], name: str) -> tuple[Network, ...]:
    given = table.get(name, [])
    try:
        if not isinstance(given, list):
            raise TypeError
        return tuple(map(ip_network, given))
    except (ValueError, TypeError):
        raise ConfigError(f"pages.{name}: a list of networks is expected, such as 192.0.2.0/24") from None


def _number(table: Mapping[str, Any], name: str, default: float) -> float:
    value = table.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
        raise ConfigError(f"pages.{name}: a number above 0 is expected")
    return float(value)


def _table(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where}: a table is expected")
    return value


def _text(table: Mapping[str, Any], key: str, where: str, default: str | None = None) -> str:
    value = table.get(key, default)
    if not isinstance(value, str) or (default is None and not value):
        raise ConfigError(f"{where}.{key}: text is expected")
    return value
