"""The one generator of histories: events of every type, flawed ones too, close enough to collide.

`event(pick)` is written against a single choice function, so that the same generator serves hypothesis (which shrinks
to the first entries of each list) and seeded runs of any size without it.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from hypothesis import strategies as st

from .harness import key_of

Pick = Callable[[Sequence[Any]], Any]

_PURPOSES = ["marketing", "profiling", "sharing", "transactional"]
_NOTICES = [
    {"id": "n1", "version": 1, "sha256": "00", "effective": "2020-01-01T00:00:00Z", "purposes": _PURPOSES},
    {"id": "n2", "version": 1, "sha256": "00", "effective": "2020-01-01T00:00:00Z", "purposes": ["marketing"]},
    {"id": "n2", "version": 2, "sha256": "00", "effective": "2026-03-10T10:00:00Z", "purposes": _PURPOSES},
]
POLICY: dict[str, Any] = {
    "tenants": {
        "acme": {"sms_program": "news", "sms_notice": {"id": "n1", "version": 1}},
        "globex": {"stop_scope": "program", "unsubscribe_scope": "channel", "min_evidence": "E3",
                   "allow_migrated": True, "consent_valid_months": 1, "basis": {"profiling": "legitimate_interest"}},
        "hooli": {"allow_migrated": True, "sms_notice": {"id": "n2", "version": 1}, "stop_scope": "program"},
    },
    "sources": {
        "/edge": {"clock": "ours", "max_evidence": "E4", "tenants": ["*"]},
        "/shop": {"clock": "signed", "max_evidence": "E4", "tenants": ["acme", "hooli"]},
        "/desk": {"clock": "dated", "max_evidence": "E3", "tenants": ["*"]},
        "/phone": {"clock": "undated", "max_evidence": "E3", "tenants": ["acme"]},
        "/low": {"clock": "ours", "max_evidence": "E1", "tenants": ["*"]},
    },
    "notices": {"acme": _NOTICES, "globex": _NOTICES, "hooli": _NOTICES},
}  # fmt: skip
TENANTS = ["acme", "acme", "acme", "globex", "hooli", "stranger"]
SOURCES = ["/edge", "/edge", "/edge", "/edge", "/shop", "/desk", "/phone", "/low", "/rogue"]
EMAILS = ["ana@example.com", "ana+a@example.com", "a.na@gmail.com", "ana@gmail.com"]
PHONES = ["+12015550123", "+12025550143"]
CONTACTS = ["c-1", "c-2"]
SCOPES = ["news", "news", "*", "news/weekly", "offers", "newsletter"]
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
SECOND = 1_000_000
# What lies at and beside the edges of the clock classes, and far away from all of them.
OFFSETS = [
    0, 0, 0, SECOND, -SECOND, SECOND + 1, SECOND - 1, 300 * SECOND, 300 * SECOND + 1, -300 * SECOND, -301 * SECOND,
    600 * SECOND, 600 * SECOND + 1, 3600 * SECOND, -3600 * SECOND, 86400 * SECOND, 86400 * SECOND - 1,
    2 * 86400 * SECOND, 3 * 86400 * SECOND, -86400 * SECOND, -400 * 86400 * SECOND, 7 * 86400 * SECOND,
]  # fmt: skip
# Where facts of one trusted clock fall on the very edges of each other's intervals.
DENSE = [0, 0, SECOND, SECOND, SECOND + 1, SECOND - 1, 2 * SECOND, -299 * SECOND, -300 * SECOND]
LATE = 10 * 86400 * SECOND  # when all of it has happened
LAGS = [0, 0, 0, 1, SECOND, 300 * SECOND, -300 * SECOND, -300 * SECOND - 1, -SECOND, 3600 * SECOND, 5 * 86400 * SECOND]
NODES = [
    "marketing:*:*", "*:*:*", "marketing:email:news", "marketing:email:*", "*:sms:*", "marketing:sms:news",
    "sharing:*:*", "profiling:*:*", "sharing:*:partners", "transactional:sms:*",
]  # fmt: skip
KINDS = [
    "frozen", "suppressed_by_staff", "deceased", "legal", "minor", "sms_stop_review", "minor_suspected", "objected",
    "global_opt_out",
]  # fmt: skip
LIFTABLE = [
    *[("minor", "*:*:*")] * 5, ("frozen", "*:*:*"), ("suppressed_by_staff", "marketing:*:*"),
    ("legal", "*:*:*"), ("deceased", "*:*:*"), ("sms_stop_review", "*:sms:*"), ("minor_suspected", "marketing:*:*"),
]  # fmt: skip
TEXTS = ["STOP", "START", "stop please", "dont stop", "HELP", "i want you to stop this at once", "unstop", "yes"]
BIRTHS = ["2010-03-09", "2010-03-10", "2012-02-29", "1990-01-01", "2026-03-10", "2027-01-01", "2010-02-28", "soon"]


def rfc3339(offset: int) -> str:
    """The instant `offset` microseconds from noon of the day around which everything happens."""
    return (NOON + timedelta(microseconds=offset)).isoformat().replace("+00:00", "Z")


def event(
    pick: Pick,
    tenants: Sequence[str] = TENANTS,
    types: Sequence[str] | None = None,
    subjects: Sequence[str] | None = None,
) -> dict[str, Any]:
    """One arrival: {"received", "event"}, of one of these types about one of these sorts of subjects."""
    name = pick(types or TYPES)
    offset = pick(OFFSETS)
    received = offset + pick(LAGS)
    found: dict[str, Any] = {
        "specversion": "1.0", "id": pick(IDS), "source": pick(SOURCES),
        "type": name + pick(_VERSIONS), "tenant": pick(tenants), "time": rfc3339(offset), "data": {},
    }  # fmt: skip
    _subjects(pick, found, subjects or SUBJECTS)
    _fields(pick, name, found["data"], offset)
    if pick(_RARELY):
        _flaw(pick, found)
    return {"received": rfc3339(received), "event": found}


IDS = [f"e{n}" for n in range(12)]
_VERSIONS = [".v1"] * 14 + [".v2"]
_RARELY = [False] * 14 + [True]
_SELDOM = [False] * 5 + [True]
_MOSTLY = [True] * 9 + [False]
_OFTEN = [True, True, True, False]
_EVIDENCE = ["E4", "E4", "E3", "E3", "E2", "E2", "E1", "E0"]
_APPROVERS = [["u1", "u2"], ["u1", "u2"], ["u1", "u2"], ["u1"], ["u1", " U1 "], []]
_TOLD = ["all", "all", "some", "none"]
_GRANTS = ["consent.granted", "consent.confirmed", "consent.renewed", "sharing.optin", "sharing.optin_confirmed"]
_CHOICES = ["consent.withdrawn", "unsubscribe.oneclick", "preference.set", "unsubscribe.global"]
TYPES = [
    *_GRANTS * 4, *_CHOICES * 2, "import.row", "import.row", "sms.inbound", "sms.inbound", "consent.refused",
    "consent.revoked", "consent.requested", "consent.invalidated", "consent.invalidated", "unsubscribe.link",
    "unsubscribe.mailto", "objection.direct_marketing", "sharing.optout", "signal.gpc", "signal.gpp",
    "feedback.complaint", "feedback.not_spam", "delivery.bounced", "delivery.bounced", "delivery.succeeded",
    "number.reassigned", "number.deactivated", "subject.age_asserted", "subject.age_asserted",
    "report.minor_suspected", "subject.deceased", "subject.restricted", "subject.restriction_lifted",
    "subject.erasure_ordered", "admin.suppress", "admin.legal_block", "admin.lift", "admin.lift", "admin.lift",
    "review.cleared", "review.cleared", "vendor.optout", "sharing.partner.stop", "newsletter.paused",
]  # fmt: skip


SUBJECTS = ["email", "email", "email", "phone", "phone", "both", "contact", "contact", "hex", "hexed contact"]
# What a history turns on: few types about one sort of subject, so that its facts meet. Empty: everything.
THEMES: list[tuple[list[str], list[str]]] = [
    ([], []),
    ([], ["email"]),
    ([*_GRANTS, *_CHOICES], ["email"]),
    (["admin.suppress", "admin.legal_block", "subject.restricted", "admin.lift", "consent.granted"], ["email"]),
    (["subject.restricted", "subject.deceased", "admin.lift", "subject.restriction_lifted"], ["email", "contact"]),
    (["subject.age_asserted", "admin.lift", "consent.granted", "consent.granted"], ["email", "contact"]),
    (["report.minor_suspected", "review.cleared", "consent.granted", "sms.inbound"], ["email", "phone"]),
    (["sms.inbound", "sms.inbound", "review.cleared", "consent.granted"], ["phone"]),
    (["delivery.bounced", "delivery.succeeded", "consent.confirmed", "import.row"], ["email"]),
    (["subject.erasure_ordered", "consent.confirmed", "sharing.optin_confirmed", "import.row"], ["email"]),
    (["number.reassigned", "number.deactivated", "consent.confirmed", "sharing.optin_confirmed"], ["phone", "contact"]),
    (["consent.invalidated", "consent.granted", "consent.confirmed", "import.row"], ["email"]),
    (["unsubscribe.global", "objection.direct_marketing", "feedback.complaint", "consent.confirmed"], ["email"]),
    (["sharing.optout", "signal.gpc", "signal.gpp", "sharing.optin", "sharing.optin_confirmed"], ["email", "contact"]),
    (["consent.invalidated", "subject.age_asserted", "unsubscribe.global", "consent.requested"], ["both", "contact"]),
    (["import.row", "import.row", "preference.set", "consent.granted"], ["email"]),
]


def _subjects(pick: Pick, found: dict[str, Any], subjects: Sequence[str]) -> None:
    data, tenant = found["data"], found["tenant"]
    which = pick(subjects)
    if which in ("email", "both"):
        data["email"] = pick(EMAILS)
    if which in ("phone", "both"):
        data["phone"] = pick(PHONES)
    if which == "contact" or pick([False, False, True]):
        data["contact"] = pick(CONTACTS)
    if which == "hex":
        channel, address = pick([("email", EMAILS[0]), ("sms", PHONES[0]), ("email", EMAILS[1])])
        data["keys"] = [key_of(tenant, channel, address).hex()]
    if which == "hexed contact":
        data["keys"] = [key_of(tenant, "contact", pick(CONTACTS)).hex()]
    channel = pick(["email", "sms", None, "given", "given", "given", "*"])
    if channel == "given":
        channel = "sms" if which == "phone" else "email"
    if channel:
        data["channel"] = channel


def _fields(pick: Pick, name: str, data: dict[str, Any], offset: int) -> None:
    if name.startswith(("consent.", "unsubscribe.", "import.", "preference.", "vendor.")):
        if pick(_OFTEN):
            data["scope"] = pick(SCOPES)
        if pick([False, False, True]):
            data["purpose"] = pick([*_PURPOSES, "*", "legal_required"])
    elif name.startswith("sharing.") and pick(_OFTEN):
        data["scope"] = pick(["partners", "partners/acme-data", "*"])
    if name in (*_GRANTS, "preference.set", "sms.inbound", "import.row"):
        _permission(pick, data, offset)
    if name in _FIELDS:
        _FIELDS[name](pick, data, offset)


def _permission(pick: Pick, data: dict[str, Any], offset: int) -> None:
    if pick(_MOSTLY):
        data["notice"] = {"id": "n1", "version": 1}
    if pick(_SELDOM):
        data["notice"] = {"id": pick(["n2", "n3"]), "version": pick([1, 2, "2"])}
    if pick(_OFTEN):
        data["evidence"] = pick(_EVIDENCE)
    told = pick(_TOLD)
    if told != "none":
        data["names"] = NODES if told == "all" else [pick(NODES) for _ in range(pick([1, 1, 2, 3]))]
    if pick(_SELDOM):
        data["valid_until"] = rfc3339(offset + pick([SECOND, 3600 * SECOND, 86400 * SECOND, 0, -1]))
    for name in ("batch", "credential"):
        if pick([False, True]):
            data[name] = pick(["b1", "b2"])


def _preference(pick: Pick, data: dict[str, Any], offset: int) -> None:
    data["topics"] = {pick(SCOPES): pick([True, False]) for _ in range(pick([1, 2, 3]))}


def _import(pick: Pick, data: dict[str, Any], offset: int) -> None:
    data["status"] = pick(["subscribed", "subscribed", "subscribed", "unsubscribed", "bounced", "complained"])
    data |= {"date": rfc3339(offset)[:10], "method": "form", "origin": "crm"}
    if pick(_RARELY):
        del data[pick(["date", "method", "origin"])]


def _invalidated(pick: Pick, data: dict[str, Any], offset: int) -> None:
    since = rfc3339(offset + pick([0, 300 * SECOND, 300 * SECOND + 1, 300 * SECOND - 1, 301 * SECOND]))
    names = ["b1", "b2"]
    data["voids"] = [
        pick([f"grant:{pick(SOURCES)}#{pick(IDS)}", f"batch:{pick(names)}", f"notice:n{pick([1, 2])}@{pick([1, 2])}",
              f"credential:{pick(names)}@{since}"])
        for _ in range(pick([1, 2]))
    ]  # fmt: skip


def _lift(pick: Pick, data: dict[str, Any], offset: int) -> None:
    data["kind"], data["node"] = pick(LIFTABLE) if pick(_OFTEN) else (pick(KINDS), pick(NODES))
    data["approved_by"] = pick(_APPROVERS)


def _frozen_lift(pick: Pick, data: dict[str, Any], offset: int) -> None:
    data["approved_by"] = pick([["u1", "u2"], ["u1"]])


def _put(name: str, values: Sequence[Any]) -> Callable[[Pick, dict[str, Any], int], None]:
    def put(pick: Pick, data: dict[str, Any], offset: int) -> None:
        value = pick(values)
        if value is not None:
            data[name] = value

    return put


def _age(pick: Pick, data: dict[str, Any], offset: int) -> None:
    if pick([True, False]):
        data["birth_date"] = pick(BIRTHS)
    else:
        data["band"] = pick(["under_13", "13_15", "under_16", "adult", "elder"])


def _text(pick: Pick, data: dict[str, Any], offset: int) -> None:
    data["text"] = pick(TEXTS)
    if pick([True, False]):
        data["program"] = pick(["news", "offers"])


_GPP = [{"us": {"SaleOptOut": 1}}, {"us": {"SaleOptOut": 2}}, {"us": {"Gpc": True}}, {"us": {"Gpc": 0}}]
_FIELDS: dict[str, Callable[[Pick, dict[str, Any], int], None]] = {
    "preference.set": _preference, "import.row": _import, "consent.invalidated": _invalidated, "admin.lift": _lift,
    "review.cleared": _lift, "subject.restriction_lifted": _frozen_lift, "subject.age_asserted": _age,
    "sms.inbound": _text, "signal.gpc": _put("headers", [["1"], ["0", "1"], ["0"], ["true"]]),
    "signal.gpp": _put("sections", _GPP),
    "feedback.complaint": _put("feedback_type", [None, "abuse", "fraud"]),
    "delivery.bounced": _put("status", ["5.1.1", "5.1.1", "5.1.10", "5.2.2", None]),
    "number.reassigned": _put("disconnect_date", [None, "2026-03-09", "2026-03-10", "2026-03-12", "2027-01-01"]),
    "number.deactivated": _put("disconnect_date", [None, "2026-03-09", "never"]),
    "admin.suppress": _put("node", ["marketing:*:*", *NODES]), "admin.legal_block": _put("node", [None, None, *NODES]),
}  # fmt: skip


def _flaw(pick: Pick, found: dict[str, Any]) -> None:
    """One thing wrong with an event, of a kind that senders get wrong."""
    data = found["data"]
    flaw = pick(
        ["time", "version", "id", "tenant", "email", "phone", "scope", "channel", "purpose", "names", "subject"]
    )
    if flaw == "time":
        found["time"] = pick(["2026-03-10", "1989-12-31T00:00:00Z", "2026-03-10T12:00:00", "2031-01-01T00:00:00Z", ""])
    elif flaw == "version":
        found["specversion"] = "0.3"
    elif flaw in ("id", "tenant"):
        del found[flaw]
    elif flaw == "email":
        data["email"] = "no address"
    elif flaw == "phone":
        data["phone"] = "2015550123"
    elif flaw == "scope":
        data["scope"] = pick(["news//weekly", "", "news/*"])
    elif flaw == "names":
        data["names"] = ["marketing:*:news"]
    elif flaw == "subject":
        for name in ("email", "phone", "contact", "keys"):
            data.pop(name, None)
    else:
        data[flaw] = "fax"


def question(pick: Pick, tenants: Sequence[str] = TENANTS, history: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """One entry of `expect` without the answer, mostly about what an event of the history was about."""
    data = pick(history)["event"]["data"] if history and pick(_OFTEN) else {}
    asked = {
        "tenant": pick(tenants), "contact": pick([None, *CONTACTS]), "at": rfc3339(pick(_AT) + pick([-1, 0, 0, 1])),
        "purpose": pick(["marketing", "marketing", "marketing", *_PURPOSES[1:], "legal_required"]),
        "scope": pick([*SCOPES, "partners", "partners/acme-data"]),
    }  # fmt: skip
    if data.get("purpose") in _PURPOSES:
        asked["purpose"] = data["purpose"]
    if data.get("scope") in SCOPES[2:]:
        asked["scope"] = data["scope"]
    if data.get("valid_until") and pick([True, False]):
        asked["at"] = data["valid_until"]
    if data.get("phone") in PHONES or (not data.get("email") and pick([True, False, False])):
        phone = data.get("phone")
        return {**asked, "channel": "sms", "phone": phone if phone in PHONES else pick(PHONES)}
    email = data.get("email")
    return {**asked, "channel": "email", "email": email if email in EMAILS else pick(EMAILS)}


_AT = [*[LATE] * 20, *OFFSETS]


@st.composite
def arrivals(
    draw: st.DrawFn,
    tenants: Sequence[str] = TENANTS,
    types: Sequence[str] | None = None,
    subjects: Sequence[str] | None = None,
) -> dict[str, Any]:
    """One arrival."""
    return event(lambda choices: draw(st.sampled_from(choices)), tenants, types, subjects)


def histories(max_size: int = 8, tenants: Sequence[str] = TENANTS) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Lists of arrivals on one theme, in the order of arrival; a few share an id and a source."""
    return st.sampled_from(THEMES).flatmap(
        lambda theme: st.lists(arrivals(tenants, *theme), min_size=1, max_size=max_size)
    )


@st.composite
def questions(draw: st.DrawFn, tenants: Sequence[str] = TENANTS) -> dict[str, Any]:
    """One question, likely about somebody of whom a history speaks."""
    return question(lambda choices: draw(st.sampled_from(choices)), tenants)


def seeded(seed: int, size: int, tenants: Sequence[str] = TENANTS) -> list[dict[str, Any]]:
    """The same kind of history from a seed: for long runs, brokers and benches."""
    pick = picker(seed)
    theme = pick(THEMES)
    return [event(pick, tenants, *theme) for _ in range(size)]


def picker(seed: int) -> Pick:
    """A choice function; that of two seeds in three keeps to few people, topics and instants, so that facts collide."""
    choice = Random(seed).choice
    return (lambda choices: choice(_NARROW.get(id(choices), choices))) if seed % 3 else choice


_NARROW: dict[int, Sequence[Any]] = {
    id(OFFSETS): DENSE, id(LAGS): [0, 0, SECOND], id(SOURCES): ["/edge"] * 5 + ["/shop", "/desk"],
    id(EMAILS): EMAILS[:2], id(PHONES): PHONES[:1],
    id(CONTACTS): CONTACTS[:1], id(SCOPES): SCOPES[:4], id(_VERSIONS): [".v1"], id(_RARELY): [False],
    id(_SELDOM): [False], id(_MOSTLY): [True], id(_EVIDENCE): ["E4", "E4", "E3", "E2"], id(_TOLD): ["all", "none"],
    id(_APPROVERS): _APPROVERS[:1], id(TEXTS): ["STOP", "START", "dont stop", "dont stop"],
}  # fmt: skip
