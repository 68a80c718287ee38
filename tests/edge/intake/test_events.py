"""The intent API: what is taken, what is refused and why, and who may."""

import json

import pytest

from consent_stream.edge.config import Config, ConfigError
from consent_stream.edge.intent.keys import read_keys
from tests.edge.intake.site import CONFIG, KEY, WIDE, config, event, serving

BATCH = "application/cloudevents-batch+json"
LOOSE = {"preference.set.v1": {"topics": {"news": False, "offers": True}, "notice": None, "scope": None}}


def test_a_sign_up_is_taken_with_its_receipt(client, taken):
    answer = client.events(event())
    assert (answer.status, answer.said) == (202, {"id": "e1", "receipt": "0:0"})
    assert taken == [{**event(), "source": "/forms/signup"}]


def test_the_same_again_is_the_same_answer_and_the_same_event(client, taken):
    assert client.events(event()).said["id"] == client.events(event()).said["id"] == "e1"
    assert taken[0] == taken[1]


def test_source_and_only_tenant_need_not_be_said_and_an_id_is_made(client, taken):
    said = event("unsubscribe.link.v1")
    del said["tenant"], said["id"], said["time"]
    answer = client.events(said)
    assert (taken[0]["id"], taken[0]["tenant"], taken[0]["source"]) == (answer.said["id"], "acme", "/forms/signup")
    assert "time" not in taken[0]  # when it was, nobody here knows


def test_binary_mode(client, taken):
    attributes = {name: value for name, value in event().items() if name != "data"}
    headers = {f"ce-{name}": value.replace(" ", "%20") for name, value in attributes.items()}
    answer = client.events(event()["data"], type="application/json", **headers)
    assert (answer.status, answer.said["id"]) == (202, "e1")
    assert taken == [{**event(), "source": "/forms/signup", "datacontenttype": "application/json"}]


def test_plain_json_is_read_as_one_event_or_a_list(client, taken):
    assert "receipt" in client.events(event(), type="application/json").said
    assert len(client.events([event(), event(ident="e2")], type="application/json").said["events"]) == 2


def test_a_batch_is_taken_whole(client, taken):
    answer = client.events([event(ident=f"e{n}") for n in range(3)], BATCH)
    assert answer.said == {"events": [{"index": n, "id": f"e{n}", "receipt": f"0:{n}"} for n in range(3)]}


def test_one_bad_event_holds_back_a_batch_and_every_field_is_named(client, taken):
    batch = [event(), event(ident="e2", notice=None), 7, event(ident="e4", valid_until="soon")]
    answer = client.events(batch, BATCH)
    assert (answer.status, answer.said["field"], taken) == (400, "/1/data/notice", [])
    told = [(each["index"], each["code"], each["pointer"]) for each in answer.said["errors"]]
    assert told == [(1, "no_notice", "/data/notice"), (2, "not_cloudevent", ""), (3, "bad_value", "/data/valid_until")]
    assert answer.said["errors"][0]["id"] == "e2"


def test_the_good_ones_of_a_batch_on_request(client, taken):
    answer = client.events([event(), event(ident="e2", notice=None)], BATCH, path="/v1/events?partial=1")
    assert (answer.status, [each["id"] for each in taken]) == (202, ["e1"])
    assert [each["code"] for each in answer.said["errors"]] == ["no_notice"]
    assert client.events([event(notice=None)], BATCH, path="/v1/events?partial=1").status == 400


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        ({"specversion": "0.3"}, "not_cloudevent", "/specversion"),
        ({"id": ""}, "not_cloudevent", "/id"),
        ({"type": 5}, "not_cloudevent", "/type"),
        ({"type": "consent.guessed.v1"}, "unknown_type", "/type"),
        ({"type": "consent.granted.v2"}, "unknown_type", "/type"),
        ({"source": "/elsewhere"}, "wrong_source", "/source"),
        ({"tenant": "globex"}, "wrong_tenant", "/tenant"),
        ({"tenant": ""}, "no_tenant", "/tenant"),
        ({"time": "yesterday"}, "no_time", "/time"),
        ({"time": "2999-01-01T00:00:00Z"}, "future_time", "/time"),
        ({"data": {}}, "no_subject", "/data"),
        ({"data": None}, "no_subject", "/data"),
    ],
)
def test_what_is_wrong_with_an_envelope(client, taken, change, code, pointer):
    _refused(client, {**event(), **change}, code, pointer)
    assert taken == []


@pytest.mark.parametrize("written", ["consent.granted", "consent.granted.v2", "com.example.consent.granted.v3"])
def test_a_permission_of_another_version_is_told_the_one_that_is_read(client, written):
    (error,) = client.events(event() | {"type": written}).said["errors"]
    assert (error["code"], error["detail"].partition("; ")[2]) == (
        "unknown_type", "consent.granted.v1 is the one that is read here",
    )  # fmt: skip
    (error,) = client.events(event() | {"type": "ana@example.com.guessed"}).said["errors"]
    assert "ana" not in error["detail"]


@pytest.mark.parametrize(
    ("data", "code", "pointer"),
    [
        ({"email": "no address"}, "bad_address", "/data/email"),
        ({"phone": "12"}, "bad_address", "/data/phone"),
        ({"notice": {"id": "signup", "version": 9}}, "unknown_notice", "/data/notice"),
        ({"purpose": "profiling"}, "purpose_not_in_notice", "/data/purpose"),
        ({"channel": None, "phone": "+12015550123"}, "no_channel", "/data/channel"),
        ({"channel": "pigeon"}, "bad_value", "/data/channel"),
        ({"scope": "a//b"}, "bad_value", "/data/scope"),
        ({"evidence": "E9"}, "bad_value", "/data/evidence"),
        ({"names": ["everything"]}, "bad_value", "/data/names"),
        ({"contact": [], "email": None}, "no_subject", "/data"),
        ({"contact": [1]}, "bad_value", "/data/contact"),
        ({"keys": ["zz"]}, "bad_value", "/data/keys"),
    ],
)
def test_what_is_wrong_with_a_permission(client, taken, data, code, pointer):
    _refused(client, event(**data), code, pointer)
    assert taken == []


def _refused(client, said, code, pointer):
    answer = client.events(said)
    assert answer.status == 400
    (error,) = answer.said["errors"]
    assert (error["code"], error["pointer"], answer.said["field"]) == (code, pointer, pointer)


@pytest.mark.parametrize(
    "said",
    [
        event("unsubscribe.link.v1", scope="a//b", channel="pigeon"),
        event("consent.withdrawn.v7"),
        event("shop.newsletter.unsubscribed"),
        {**event("consent.withdrawn.v1"), "specversion": None, "time": "yesterday"},
        event("unsubscribe.global.v1", email="no address", notice="?"),
    ],
)
def test_a_restriction_with_flaws_is_taken(client, taken, said):
    assert client.events(said).status == 202
    assert len(taken) == 1


def test_a_flawed_permission_beside_a_restriction_is_told_and_the_event_taken(client, taken):
    answer = client.events(event("preference.set.v1", **LOOSE["preference.set.v1"]))
    assert (answer.status, len(taken)) == (202, 1)
    assert answer.said["refused"] == {
        "code": "no_notice",
        "pointer": "/data/notice",
        "detail": "a permission without the notice that was shown",
    }


def test_a_source_that_the_policy_does_not_believe_says_no_and_not_yes(client, taken):
    """The call centre writes things down later: it is registered for acme, and not for globex."""
    said = {**event("consent.withdrawn.v1"), "tenant": "globex"}
    assert client.events(said, key=WIDE).status == 202
    _, code = _codes(client.events({**event(), "tenant": "globex"}, key=WIDE))
    assert code == "unknown_source"


def _codes(answer):
    return answer.status, answer.said["errors"][0]["code"]


def test_who_has_no_key_says_nothing(client, taken):
    for authorization in ("", f"Basic {KEY}", "Bearer", f"Bearer {KEY}x", "Bearer \xff" * 3):
        headers = {"Authorization": authorization} if authorization else {}
        assert client.events(event(), key=None, **headers).status == 401
    assert taken == []


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"null", b"[" * 5000, b'{"a":"\\ud800"}'])
def test_garbage_is_refused(client, taken, body):
    for kind in ("application/cloudevents+json", BATCH, "application/json"):
        assert client.events(body, kind).status == 400
    assert taken == []


def test_types_and_sizes(client, taken):
    assert client.events(event(), "text/plain").status == 415
    assert client.events(event(), **{"Content_Encoding": "gzip"}).status == 415
    assert client.events(event(), path="/v1/events?partial=yes").status == 400
    assert client.events([event()] * 1001, BATCH).status == 413
    assert _codes(client.events(event(words="x" * 262_144))) == (400, "too_large")
    assert client.events(event(words="x" * 2_000_000)).status == 413
    assert taken == []


def test_an_id_that_may_be_an_address_is_not_repeated(client, taken):
    answer = client.events(event(ident="ana@example.com", notice=None))
    assert "id" not in answer.said["errors"][0]


def test_nothing_is_promised_that_is_not_proven(served, client, taken):
    served[1].door.away = True
    assert client.events(event()).status == 503
    served[1].door.away, served[1].door.spooling = False, True
    assert client.events(event()).said["receipt"] == "spooled"


def test_too_often_is_told_and_keys_are_counted_apart():
    with serving(settings=config(intent={**CONFIG["intent"], "per_minute": 1, "burst": 1})) as (client, edge):
        assert [client.events(event(ident=f"e{n}")).status for n in range(2)] == [202, 429]
        assert client.events(event("consent.withdrawn.v1"), key=WIDE).status == 202
        assert len(edge.door.taken) == 2


GOOD = {"key_env": "FORM", "source": "/forms/signup", "tenants": ["acme"]}


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({**GOOD, "tenant": "acme"}, "intent.keys.x.tenant:"),
        ({**GOOD, "tenants": []}, "intent.keys.x.tenants:"),
        ({**GOOD, "tenants": "acme"}, "intent.keys.x.tenants:"),
        ({**GOOD, "source": ""}, "intent.keys.x.source:"),
        ({**GOOD, "key_sha256": "00" * 32}, "intent.keys.x:"),
        ({**GOOD, "key_env": "NONE"}, "intent.keys.x.key_env:"),
        ({"source": "/f", "tenants": ["a"], "key_sha256": "00"}, "intent.keys.x.key_sha256:"),
        ({"source": "/f", "tenants": ["a"]}, "intent.keys.x:"),
        ("key", "intent.keys.x:"),
    ],
)
def test_a_key_that_cannot_be_used_names_its_entry(entry, named):
    with pytest.raises(ConfigError) as caught:
        read_keys(Config({"intent": {"keys": {"x": entry}}}, {"FORM": KEY}))
    assert str(caught.value).startswith(named)
    assert KEY not in str(caught.value)


def test_keys_are_told_apart_and_not_shown(tmp_path):
    path = tmp_path / "key"
    path.write_text(KEY)
    path.chmod(0o600)
    table = {"a": {**GOOD, "key_file": str(path)}, "b": {**GOOD, "key_sha256": "00" * 32}}
    del table["a"]["key_env"], table["b"]["key_env"]
    keys = read_keys(Config({"intent": {"keys": table}}, {}))
    found = keys.find(f"bearer {KEY}")
    assert found.name == "a"
    assert "digest" not in repr(found)
    with pytest.raises(ConfigError, match="same key"):
        read_keys(Config({"intent": {"keys": {"a": GOOD, "b": GOOD}}}, {"FORM": KEY}))


def test_lists_in_json_are_what_they_were(client, taken):
    said = event("signal.gpc.v1", headers=["0", "1"], extra={"deep": [1, 2.5, None, "ä"]})
    assert client.events(json.dumps(said, ensure_ascii=False).encode()).status == 202
    assert taken[0]["data"]["extra"] == {"deep": [1, 2.5, None, "ä"]}


@pytest.mark.parametrize("kind", ["consent.granted.v1", "unsubscribe.link.v1"])
def test_lists_that_are_too_deep_are_refused_and_hold_back_nobody_else(client, taken, kind):
    deep = json.dumps(event(kind, more="DEEP")).encode().replace(b'"DEEP"', b"[" * 600 + b"]" * 600)
    answer = client.events(deep)
    assert (answer.status, answer.said["errors"][0]["code"]) == (400, "not_cloudevent")
    batch = b"[" + json.dumps(event(ident="good")).encode() + b"," + deep + b"]"
    answer = client.events(batch, type="application/cloudevents-batch+json", path="/v1/events?partial=1")
    assert (answer.status, [each["id"] for each in answer.said["events"]]) == (202, ["good"])
    assert [each["id"] for each in taken] == ["good"]


def test_a_header_that_is_no_unicode_is_refused(client, taken):
    headers = {"ce_specversion": "1.0", "ce_id": "b-1", "ce_type": "consent.granted.v1", "ce_more": b"\xff\xfe"}
    answer = client.post("/v1/events", event()["data"], **headers)
    assert (answer.status, answer.said["errors"][0]["code"]) == (400, "not_cloudevent")
    assert taken == []
