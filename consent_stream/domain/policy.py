"""The policy of a deployment, read once into frozen records. TOML in files, JSON in scenarios: the same mapping."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from consent_stream.domain.nodes import PURPOSES, valid_scope
from consent_stream.domain.times import parse_instant

CLOCKS = ("ours", "signed", "dated", "undated")
LEVELS = {"E0": 0, "E1": 1, "E2": 2, "E3": 3, "E4": 4}
WHOLE = 1 << 64  # greater numbers are no numbers in JSON; Python refuses to write out the greatest
BASES = ("consent", "legitimate_interest")


class PolicyError(ValueError):
    """A policy that cannot be used. The message names the entry."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """Choices of one tenant; the defaults serve tenants that are not registered."""

    min_evidence: int = 2
    allow_migrated: bool = False
    stop_scope: str = "channel"
    unsubscribe_scope: str = "program"
    consent_valid_months: int = 24
    basis: Mapping[str, str] = field(default_factory=dict)
    sms_program: str | None = None
    sms_notice: tuple[str, str] | None = None

    def needs_grant(self, purpose: str) -> bool:
        return purpose not in ("transactional", "legal_required") and self.basis.get(purpose, "consent") == "consent"

    def basis_for(self, purpose: str) -> str:
        """On what messages of a purpose rest: `consent`, `legitimate_interest`, or `none needed`."""
        if self.needs_grant(purpose):
            return "consent"
        return "none needed" if purpose in ("transactional", "legal_required") else "legitimate_interest"


@dataclass(frozen=True, slots=True)
class Source:
    clock: str
    max_evidence: int
    tenants: frozenset[str]


@dataclass(frozen=True, slots=True)
class Notice:
    effective: int  # microseconds
    purposes: frozenset[str]
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """Words that a tenant adds to the lists of RULES §8."""

    out: tuple[str, ...] = ()
    into: tuple[str, ...] = ()
    info: tuple[str, ...] = ()


DEFAULTS = Tenant()
NO_WORDS = Words()


@dataclass(frozen=True, slots=True)
class Policy:
    tenants: Mapping[str, Tenant] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)
    notices: Mapping[tuple[str, str, str], Notice] = field(default_factory=dict)  # (tenant, id, version)
    words: Mapping[str, Words] = field(default_factory=dict)

    def tenant(self, name: str) -> Tenant:
        return self.tenants.get(name, DEFAULTS)

    def source(self, uri: str, tenant: str) -> Source | None:
        """The source when it is registered for that tenant, else None."""
        if tenant not in self.tenants:
            return None
        found = self.sources.get(uri)
        return found if found and (tenant in found.tenants or "*" in found.tenants) else None


def version_text(version: object) -> str | None:
    """The text of a notice version: a whole number or non-empty text, else None."""
    if isinstance(version, bool):
        return None
    if isinstance(version, int):
        return str(version) if abs(version) < WHOLE else None
    return version if isinstance(version, str) and version else None


def read_policy(mapping: object) -> Policy:
    """A policy from its mapping (RULES §9). Errors: `PolicyError`, naming the entry that is not understood."""
    top = _table(mapping, "policy")
    _only(top, ("tenants", "sources", "notices", "words"), "policy")
    tenants = {
        name: _tenant(value, f"tenants.{name}") for name, value in _table(top.get("tenants", {}), "tenants").items()
    }
    sources = {
        uri: _source(value, f"sources.{uri}") for uri, value in _table(top.get("sources", {}), "sources").items()
    }
    notices: dict[tuple[str, str, str], Notice] = {}
    for tenant, entries in _table(top.get("notices", {}), "notices").items():
        where = f"notices.{tenant}"
        if not isinstance(entries, list):
            raise PolicyError(f"{where}: a list of notices is expected")
        for number, entry in enumerate(entries):
            ident, notice = _notice(entry, f"{where}[{number}]")
            if (tenant, *ident) in notices:
                raise PolicyError(f"{where}[{number}]: {ident[0]} version {ident[1]} stands twice")
            notices[(tenant, *ident)] = notice
    words = {
        tenant: _words(value, f"words.{tenant}") for tenant, value in _table(top.get("words", {}), "words").items()
    }
    return Policy(tenants, sources, notices, words)


def _table(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise PolicyError(f"{where}: a table is expected")
    return value


def _only(table: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            raise PolicyError(f"{where}.{key}: unknown setting; known are {', '.join(known)}")


def _one_of(table: Mapping[str, Any], key: str, choices: Any, where: str, default: Any = None) -> Any:
    value = table.get(key, default)
    if not isinstance(value, str) or value not in choices:
        raise PolicyError(f"{where}.{key}: one of {', '.join(choices)} is expected")
    return value


def _text(table: Mapping[str, Any], key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value:
        raise PolicyError(f"{where}.{key}: text is expected")
    return value


def _tenant(value: object, where: str) -> Tenant:
    t = _table(value, where)
    known = tuple(Tenant.__dataclass_fields__)
    _only(t, known, where)
    months = t.get("consent_valid_months", 24)
    if not isinstance(months, int) or isinstance(months, bool) or not 0 < months <= 1200:
        raise PolicyError(f"{where}.consent_valid_months: a whole number of months from 1 to 1200 is expected")
    migrated = t.get("allow_migrated", False)
    if not isinstance(migrated, bool):
        raise PolicyError(f"{where}.allow_migrated: true or false is expected")
    basis = _table(t.get("basis", {}), f"{where}.basis")
    for purpose in basis:
        if purpose not in PURPOSES:
            raise PolicyError(f"{where}.basis.{purpose}: unknown purpose")
        _one_of(basis, purpose, BASES, f"{where}.basis")
    program = t.get("sms_program")
    if program is not None and not valid_scope(program):
        raise PolicyError(f"{where}.sms_program: a scope is expected")
    return Tenant(
        min_evidence=LEVELS[_one_of(t, "min_evidence", LEVELS, where, "E2")],
        allow_migrated=migrated,
        stop_scope=_one_of(t, "stop_scope", ("channel", "program"), where, "channel"),
        unsubscribe_scope=_one_of(t, "unsubscribe_scope", ("program", "channel"), where, "program"),
        consent_valid_months=months,
        basis=dict(basis),
        sms_program=program,
        sms_notice=_notice_id(t["sms_notice"], f"{where}.sms_notice") if "sms_notice" in t else None,
    )


def _source(value: object, where: str) -> Source:
    t = _table(value, where)
    _only(t, ("clock", "max_evidence", "tenants"), where)
    tenants = t.get("tenants")
    if not isinstance(tenants, list) or not all(isinstance(name, str) and name for name in tenants):
        raise PolicyError(f'{where}.tenants: a list of tenants is expected (or ["*"] for every registered one)')
    level = LEVELS[_one_of(t, "max_evidence", LEVELS, where)]
    return Source(_one_of(t, "clock", CLOCKS, where), level, frozenset(tenants))


def _notice_id(value: object, where: str) -> tuple[str, str]:
    t = _table(value, where)
    version = version_text(t.get("version"))
    if version is None:
        raise PolicyError(f"{where}.version: a whole number or text is expected")
    return _text(t, "id", where), version


def _notice(value: object, where: str) -> tuple[tuple[str, str], Notice]:
    t = _table(value, where)
    _only(t, ("id", "version", "sha256", "effective", "purposes"), where)
    effective: Any = t.get("effective")
    if hasattr(effective, "isoformat"):  # TOML has dates of its own
        effective = effective.isoformat()
    instant = parse_instant(effective)
    if instant is None:
        raise PolicyError(f"{where}.effective: an RFC 3339 time with a zone is expected")
    purposes = t.get("purposes")
    if not isinstance(purposes, list) or not all(purpose in PURPOSES for purpose in purposes):
        raise PolicyError(f"{where}.purposes: a list of purposes is expected ({', '.join(PURPOSES)})")
    sha256 = t.get("sha256", "")
    if not isinstance(sha256, str):
        raise PolicyError(f"{where}.sha256: text is expected")
    return _notice_id(t, where), Notice(instant, frozenset(purposes), sha256)


def _words(value: object, where: str) -> Words:
    t = _table(value, where)
    _only(t, ("out", "in", "info"), where)
    lists: list[tuple[str, ...]] = []
    for key in ("out", "in", "info"):
        words = t.get(key, [])
        if not isinstance(words, list) or not all(isinstance(word, str) and word.strip() for word in words):
            raise PolicyError(f"{where}.{key}: a list of words is expected")
        lists.append(tuple(words))
    return Words(*lists)
