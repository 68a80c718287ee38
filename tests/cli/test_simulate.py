"""`consent-stream simulate`: what holds, what fails, and which files it refuses to understand."""

import copy
import hashlib
import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from consent_stream import simulate
from consent_stream.cli import main
from consent_stream.scenario import ScenarioError
from consent_stream.topology.fold import Folder

GRANT = {
    "received": "2026-03-01T12:00:00Z",
    "event": {
        "specversion": "1.0", "id": "g", "source": "/edge", "type": "consent.granted.v1", "tenant": "acme",
        "time": "2026-03-01T12:00:00Z",
        "data": {"email": "ana@example.com", "scope": "news", "notice": {"id": "n1", "version": 1}, "evidence": "E3"},
    },
}  # fmt: skip
UNSUBSCRIBE = {
    "received": "2026-03-01T13:00:00Z",
    "event": {
        "specversion": "1.0", "id": "u", "source": "/edge", "type": "unsubscribe.oneclick.v1", "tenant": "acme",
        "time": "2026-03-01T13:00:00Z", "data": {"email": "ana@example.com", "contact": "c-1", "scope": "news"},
    },
}  # fmt: skip
GARBAGE = {"received": "2026-03-01T13:00:00Z", "event": {"specversion": "1.0", "id": "x", "source": "/edge"}}
QUESTION = {
    "at": "2026-03-02T00:00:00Z", "tenant": "acme", "channel": "email", "email": "ana@example.com", "contact": None,
    "purpose": "marketing", "scope": "news", "allow": False, "reasons": ["unsubscribed"],
}  # fmt: skip
SCENARIO = {
    "name": "a later unsubscribe wins",
    "policy": {
        "tenants": {"acme": {}},
        "sources": {"/edge": {"clock": "ours", "max_evidence": "E4", "tenants": ["*"]}},
        "notices": {
            "acme": [{"id": "n1", "version": 1, "effective": "2026-01-01T00:00:00Z", "purposes": ["marketing"]}]
        },
    },
    "events": [GRANT, UNSUBSCRIBE, GARBAGE],
    "orders": "all",
    "expect": [QUESTION],
    "quarantined": {"x": "not_cloudevent"},
}


@pytest.fixture
def simulated(tmp_path):
    """Run `simulate` on scenarios given as data: (exit code, standard output, standard error)."""

    def run(*contents, flags=()):
        files = []
        for number, content in enumerate(contents):
            file = tmp_path / f"{number}.json"
            file.write_text(content if isinstance(content, str) else json.dumps(content))
            files.append(str(file))
        result = CliRunner().invoke(main, ["simulate", *files, *flags])
        return result.exit_code, result.stdout, result.stderr

    return run


def changed(**fields):
    return SCENARIO | fields


def asked(**fields):
    return changed(expect=[QUESTION | fields])


def test_a_scenario_that_holds(simulated):
    code, out, err = simulated(SCENARIO, [SCENARIO, SCENARIO])
    assert (code, err) == (0, "")
    assert out.count("ok") == 3
    assert "all hold: 3 scenarios, 3 expectations, 39 orders" in out  # the given one, 6 permutations, each doubled


def test_json_is_one_object_a_scenario(simulated):
    code, out, err = simulated([SCENARIO, SCENARIO | {"name": "again"}], flags=["--json"])
    assert (code, err) == (0, "")
    first, second = map(json.loads, out.splitlines())
    assert list(first) == ["name", "results", "quarantined", "state_digest"]
    assert first["results"] == [{"allow": False, "reasons": ["unsubscribed"]}]
    assert first["quarantined"] == {"x": "not_cloudevent"}
    assert second == first | {"name": "again"}


def test_the_digest_is_of_the_sorted_keys_and_rows(tmp_path):
    file = tmp_path / "two.json"
    file.write_text(json.dumps([SCENARIO, changed(events=[GRANT], quarantined={})]))
    report, other = simulate.run_file(file)
    keys = simulate.Keyring({0: bytes(32)})
    records, _ = simulate._take_in(report.scenario, keys)
    state = simulate._fold(report.scenario, records)
    assert len(state) == 2, "an address and a contact"
    assert report.state_digest == hashlib.sha256(b"".join(k + v for k, v in sorted(state.items()))).hexdigest()
    assert report.state_digest != other.state_digest


@pytest.mark.parametrize(
    ("scenario", "told"),
    [
        (asked(allow=True, reasons=[]), "deny (unsubscribed), not allow"),
        (asked(reasons=["unsubscribed", "no_consent"]), "not deny (unsubscribed, no_consent)"),
        (asked(reasons=["no_consent"]), "expect[0]"),
        (asked(scope="offers"), "deny (no_consent), not deny (unsubscribed)"),
        (changed(quarantined={}), "event 'x': quarantined not_cloudevent, not not quarantined"),
        (changed(quarantined={"x": "no_tenant"}), "quarantined not_cloudevent, not quarantined no_tenant"),
        (changed(quarantined={"x": "not_cloudevent", "g": "no_time"}), "event 'g': not quarantined"),
    ],
)
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_what_does_not_hold_is_told_and_exits_1(simulated, scenario, told, flags):
    code, out, err = simulated(SCENARIO, scenario, flags=flags)
    assert code == 1
    assert told in (err if flags else out)
    assert "ana@example.com" not in out + err


def test_a_state_that_depends_on_the_order_is_found(simulated, monkeypatch):
    real = Folder.fold

    def first_slice_wins(self, facts, rows):
        """A merge that is no join: a row, once written, never changes."""
        return real(self, [(offset, fact) for offset, fact in facts if dict(rows)[fact.key] is None], rows)

    monkeypatch.setattr(Folder, "fold", first_slice_wins)
    code, out, _ = simulated(asked(allow=True, reasons=[]))
    assert code == 1
    assert "the state depends on the order: events 0 1 2 end in other bytes (1 of 1 expectations fail in it)" in out
    assert simulated(changed(orders="given", expect=[QUESTION | {"allow": True, "reasons": []}]))[0] == 0


@pytest.mark.parametrize(("count", "wanted"), [(0, 2), (1, 2), (3, 12), (6, 1440), (7, 400), (37, 400)])
def test_orders_are_all_permutations_or_a_seeded_sample_each_also_doubled(count, wanted):
    found = [tuple(order) for order in simulate.orders(count)]
    assert len(found) == wanted
    singles = [order for order in found if len(order) == count]
    assert len(set(singles)) == wanted // 2 or count == 0
    assert all(sorted(order) in (sorted(range(count)), sorted([*range(count)] * 2)) for order in found)
    assert found == [tuple(order) for order in simulate.orders(count)], "the same in every run"


def without(table, field):
    table = copy.deepcopy(table)
    del table[field]
    return table


MALFORMED = [
    ("{", "no JSON"),
    ("", "no JSON"),
    ("[" * 100_000, "no JSON"),
    ('{"name": "a", "name": "b"}', "stands twice"),
    ('{"name": NaN}', "NaN"),
    ("[]", "an empty list"),
    ("3", "scenario 0: scenario: an object"),
    ([SCENARIO, 3], "scenario 1: scenario: an object"),
    *((without(SCENARIO, field), f"scenario.{field}: is missing") for field in ("name", "policy", "events", "expect")),
    (changed(extra=1), "scenario.extra: unknown field"),
    (changed(name=""), "scenario 0: name: text"),
    (changed(policy={"tenant": {}}), "policy: policy.tenant: unknown setting"),
    (changed(orders="some"), "orders"),
    (changed(quarantined=[]), "quarantined: an object"),
    (changed(quarantined={"x": "bad"}), "quarantined.x: a code"),
    (changed(quarantined={"x": None}), "quarantined.x: a code"),
    (changed(events={}), "events: a list"),
    (changed(events=[1]), "events[0]: an object"),
    (changed(events=[GRANT, GRANT | {"event": []}]), "events[1].event: an object"),
    (changed(events=[GRANT | {"receive": 1}]), "events[0].receive: unknown field"),
    (changed(events=[GRANT | {"received": "2026-03-01T12:00:00"}]), "events[0].received: an RFC 3339 time"),
    *((changed(expect=[without(QUESTION, field)]), f"expect[0].{field}: is missing") for field in
      ("at", "tenant", "channel", "purpose", "scope", "allow", "reasons")),
    (asked(at="soon"), "expect[0].at"),
    (asked(tenant=""), "expect[0].tenant"),
    (asked(channel="fax"), "expect[0].channel"),
    (asked(channel="sms"), "expect[0]: exactly one address"),
    (asked(phone="+12015550123"), "expect[0]: exactly one address"),
    (asked(email=3), "expect[0].email"),
    (asked(contact=""), "expect[0].contact"),
    (asked(purpose=None), "expect[0].purpose"),
    (asked(scope="a//b"), "expect[0].scope"),
    (asked(allow=1), "expect[0].allow"),
    (asked(reasons=["tired"]), "expect[0].reasons"),
    (asked(reasons="unsubscribed"), "expect[0].reasons"),
    (asked(allow=True), "expect[0].reasons: some are expected exactly when"),
    (asked(reasons=[]), "expect[0].reasons: some are expected exactly when"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "told"), MALFORMED)
def test_a_malformed_file_is_refused_before_anything_runs(simulated, content, told):
    code, out, err = simulated(SCENARIO, content)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "1.json: " in err
    assert told in err
    assert "ana@example.com" not in err


def test_a_malformed_scenario_is_named(simulated):
    _, _, err = simulated([SCENARIO, changed(name="T99 mistyped", ordres="all")])
    assert "scenario 'T99 mistyped': scenario.ordres: unknown field" in err


def test_a_file_that_is_not_there(tmp_path):
    result = CliRunner().invoke(main, ["simulate", str(tmp_path / "none.json")])
    assert (result.exit_code, result.stdout) == (2, "")
    assert "none.json: No such file" in result.stderr


def test_run_file_reads_and_runs(tmp_path):
    file = tmp_path / "one.json"
    file.write_text(json.dumps(SCENARIO))
    (report,) = simulate.run_file(file)
    assert report.held
    file.write_text("{}")
    with pytest.raises(ScenarioError, match="is missing"):
        simulate.run_file(file)


def test_a_core_install_can_simulate():
    code = "import sys; import consent_stream.commands.simulate as s; print({'faust', 'rocksdict'} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.strip() == "set()"
