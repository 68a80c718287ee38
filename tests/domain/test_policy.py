"""A policy is understood whole or refused, with the entry named."""

import copy
import tomllib
from typing import Any

import pytest

from consent_stream.domain.policy import DEFAULTS, PolicyError, read_policy, version_text

GOOD: dict[str, Any] = {
    "tenants": {
        "acme": {"min_evidence": "E3", "allow_migrated": True, "stop_scope": "program", "unsubscribe_scope": "channel",
                 "consent_valid_months": 12, "basis": {"profiling": "legitimate_interest"}, "sms_program": "texts",
                 "sms_notice": {"id": "n1", "version": 1}},
        "globex": {},
    },
    "sources": {"/edge": {"clock": "ours", "max_evidence": "E4", "tenants": ["*"]},
                "/shop": {"clock": "signed", "max_evidence": "E2", "tenants": ["acme"]}},
    "notices": {"acme": [{"id": "n1", "version": 1, "sha256": "00", "effective": "2026-01-01T00:00:00Z",
                          "purposes": ["marketing"]}]},
    "words": {"acme": {"out": ["genug"], "in": ["los"], "info": ["hilfe"]}},
}  # fmt: skip


def test_a_good_policy() -> None:
    policy = read_policy(GOOD)
    acme = policy.tenant("acme")
    assert (acme.min_evidence, acme.allow_migrated, acme.stop_scope, acme.sms_notice) == (
        3,
        True,
        "program",
        ("n1", "1"),
    )
    assert acme.needs_grant("marketing")
    assert not acme.needs_grant("profiling")
    assert not acme.needs_grant("transactional")
    assert policy.tenant("globex") == policy.tenant("nobody") == DEFAULTS
    assert policy.words["acme"].into == ("los",)
    assert read_policy({}).tenants == {}


def test_a_source_serves_registered_tenants_alone() -> None:
    policy = read_policy(GOOD)
    assert policy.source("/edge", "acme") is policy.source("/edge", "globex") is not None
    assert policy.source("/edge", "nobody") is None, "`*` is every registered tenant"
    assert policy.source("/shop", "acme") is not None
    assert policy.source("/shop", "globex") is None
    assert policy.source("/rogue", "acme") is None


def test_toml_has_dates_of_its_own() -> None:
    policy = read_policy(tomllib.loads(
        """
        [tenants.acme]
        [[notices.acme]]
        id = "n1"
        version = "2026-a"
        sha256 = "00"
        effective = 2026-01-01T00:00:00Z
        purposes = ["marketing"]
        """
    ))  # fmt: skip
    assert policy.notices["acme", "n1", "2026-a"].effective == 1_767_225_600_000_000


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("tenants", [], "tenants"),
        ("tenants.acme", None, "tenants.acme"),
        ("tenants.acme.min_evidence", "E5", "tenants.acme.min_evidence"),
        ("tenants.acme.min_evidence", 3, "tenants.acme.min_evidence"),
        ("tenants.acme.min_evidence", ["E2"], "tenants.acme.min_evidence"),
        ("tenants.acme.allow_migrated", "yes", "tenants.acme.allow_migrated"),
        ("tenants.acme.stop_scope", "all", "tenants.acme.stop_scope"),
        ("tenants.acme.consent_valid_months", 0, "tenants.acme.consent_valid_months"),
        ("tenants.acme.consent_valid_months", True, "tenants.acme.consent_valid_months"),
        ("tenants.acme.consent_valid_months", 1.5, "tenants.acme.consent_valid_months"),
        ("tenants.acme.basis", "consent", "tenants.acme.basis"),
        ("tenants.acme.basis", {"spam": "consent"}, "tenants.acme.basis.spam"),
        ("tenants.acme.basis", {"marketing": "habit"}, "tenants.acme.basis.marketing"),
        ("tenants.acme.sms_program", "a//b", "tenants.acme.sms_program"),
        ("tenants.acme.sms_notice", {"id": "n1"}, "tenants.acme.sms_notice.version"),
        ("tenants.acme.min_evidance", "E2", "min_evidance"),
        ("sources./edge.clock", "atomic", "sources./edge.clock"),
        ("sources./edge.max_evidence", None, "sources./edge.max_evidence"),
        ("sources./edge.tenants", "*", "sources./edge.tenants"),
        ("sources./edge.tenants", [""], "sources./edge.tenants"),
        ("notices.acme", {}, "notices.acme"),
        ("notices.acme.0.effective", "2026-01-01", "notices.acme"),
        ("notices.acme.0.effective", None, "notices.acme"),
        ("notices.acme.0.purposes", ["spam"], "notices.acme"),
        ("notices.acme.0.purposes", [["marketing"]], "notices.acme"),
        ("notices.acme.0.version", 1.5, "notices.acme"),
        ("notices.acme.0.version", True, "notices.acme"),
        ("notices.acme.0.id", "", "notices.acme"),
        ("words.acme.out", "stop", "words.acme.out"),
        ("words.acme.out", [" "], "words.acme.out"),
        ("extra", {}, "extra"),
    ],
)
def test_what_is_not_understood_is_refused_and_named(path: str, value: object, named: str) -> None:
    policy = copy.deepcopy(GOOD)
    *steps, last = path.split(".")
    at: Any = policy
    for step in steps:
        at = at[int(step) if isinstance(at, list) else step]
    at[int(last) if isinstance(at, list) else last] = value
    with pytest.raises(PolicyError) as refused:
        read_policy(policy)
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("policy", [None, [], "x", 1])
def test_what_is_no_policy(policy: object) -> None:
    with pytest.raises(PolicyError):
        read_policy(policy)


def test_versions_of_notices() -> None:
    assert version_text(3) == version_text("3") == "3"
    assert [version_text(each) for each in (True, None, "", 1.0, [3], 10**5000)] == [None] * 6
