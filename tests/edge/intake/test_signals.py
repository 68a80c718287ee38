"""Signals over HTTP: who may send them, what is sent on, what is named."""

import pytest

from consent_stream.edge.config import Config, ConfigError
from consent_stream.edge.door import Unavailable
from tests.edge.intake.site import CONFIG, WIDE, config, serving
from tests.edge.process import ANA, link, token

SHOP = "https://shop.example.com"


def test_a_header_of_a_browser_and_its_link(client, taken):
    answer = client.signal({"token": token()}, key=None, Sec_GPC="1")
    assert answer.status == 202
    (event,) = taken
    assert answer.said == {"events": [{"id": event["id"], "type": "signal.gpc.v1", "receipt": "0:0"}], "unread": []}
    assert (event["type"], event["source"], event["tenant"]) == ("signal.gpc.v1", "/edge/signals", "acme")
    assert event["data"] == {"keys": [link().keys[0].hex()], "channel": "email", "headers": ["1"]}


def test_several_headers_are_passed_on_as_they_came(client, taken):
    assert client.signal({"token": token()}, key=None, Sec_GPC=["0", "1", " true"]).status == 202
    assert taken[0]["data"]["headers"] == ["0", "1", "true"]  # HTTP drops space around a value


def test_a_backend_passes_on_what_it_got(client, taken):
    said = {"email": ANA, "contact": "c-1", "headers": ["1"], "gpp": "DBABBg~BVVVVVVY"}
    assert client.signal(said).status == 202
    gpc, gpp = taken
    assert gpc["data"] == {"email": ANA, "contact": "c-1", "headers": ["1"]}
    assert gpp["type"] == "signal.gpp.v1"
    assert gpp["data"]["sections"]["usca"]["SaleOptOut"] == 1
    assert client.signal({"tenant": "acme", "phone": "+12015550123", "headers": "1"}, key=WIDE).status == 202


def test_sections_that_are_not_read_are_named(client, taken):
    answer = client.signal({"email": ANA, "gpp": "DBACNY~CPXx~1YNN"})
    assert answer.said["unread"] == ["section 2"]
    assert [each["type"] for each in taken] == ["signal.gpp.v1"]


def test_a_header_counts_beside_a_string_that_is_malformed(client, taken):
    answer = client.signal({"email": ANA, "headers": ["1"], "gpp": "DBABBg~@"})
    assert (answer.status, answer.said["field"]) == (400, "/gpp")
    assert answer.said["detail"] == "usca: not base64url"
    assert [each["type"] for each in answer.said["taken"]] == ["signal.gpc.v1"]
    assert [each["data"]["headers"] for each in taken] == [["1"]]


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"email": ANA}, "/headers"),
        ({"email": ANA, "headers": [1]}, "/headers"),
        ({"email": ANA, "headers": ["1"] * 33}, "/headers"),
        ({"email": ANA, "gpp": 7}, "/gpp"),
        ({"headers": ["1"]}, "/email"),
        ({"email": ANA, "headers": ["1"], "tenant": "globex"}, "/tenant"),
        ({"email": ANA, "headers": ["1"], "more": 1}, "/-"),
        ({"email": ANA, "headers": ["1"], "token": token()}, "/email"),
        ({"headers": ["1"], "token": token(), "tenant": "globex"}, "/tenant"),
        (["1"], ""),
    ],
)
def test_the_field_to_blame_is_named_and_nothing_is_taken(client, taken, said, field):
    answer = client.signal(said)
    assert (answer.status, answer.said["field"], taken) == (400, field, [])


def test_a_stranger_sends_nothing(client, taken):
    for said, key in [({"email": ANA, "headers": ["1"]}, None), ({"email": ANA, "headers": ["1"]}, "x" * 20)]:
        assert client.signal(said, key=key).status == 401
    assert client.signal({"token": token()[:-2] + "AA", "headers": ["1"]}, key=None).status == 401
    assert client.signal({"token": 5, "headers": ["1"]}, key=None).status == 401
    assert taken == []


def test_scripts_of_known_origins_may_read_the_answer(client, taken):
    def allowed(answer):
        return answer.headers.get("Access-Control-Allow-Origin")

    said = {"token": token(), "headers": ["1"]}
    assert allowed(client.signal(said, key=None, Origin=SHOP)) == SHOP
    assert allowed(client.signal({"token": token()}, key=None, Origin=SHOP)) == SHOP  # a refusal, too
    assert allowed(client.signal(said, key=None, Origin="https://evil.example.net")) is None
    assert allowed(client.signal({**said, "token": token(tenant="globex")}, key=None, Origin=SHOP)) is None
    asked = client.ask("OPTIONS", "/v1/signals", headers={"Origin": SHOP, "Access-Control-Request-Method": "POST"})
    assert (asked.status, allowed(asked), asked.headers["Access-Control-Allow-Headers"]) == (204, SHOP, "Content-Type")
    assert allowed(client.ask("OPTIONS", "/v1/signals", headers={"Origin": "https://evil.example.net"})) is None


def test_a_simple_request_of_another_origin_is_none_of_ours(client, taken):
    """What a page can send without asking first has no JSON type."""
    assert client.signal({"token": token(), "headers": ["1"]}, key=None, type="text/plain").status == 415
    assert taken == []


def test_pages_behind_a_link_heed_the_header_once_an_hour(taken, client):
    path = f"/u/{token(program='heeded')}"
    for _ in range(3):
        assert client.ask("GET", path, headers={"Sec-GPC": "1"}).status == 200
    assert [(each["type"], each["data"]["headers"]) for each in taken] == [("signal.gpc.v1", ["1"])]
    client.ask("GET", path, headers={"Sec-GPC": ["1", "0"]})
    assert taken[1]["data"]["headers"] == ["1", "0"]
    assert client.ask("GET", path).status == 200
    assert client.ask("GET", "/u/forged", headers={"Sec-GPC": "1"}).status == 404
    assert len(taken) == 2


def test_a_page_is_shown_when_its_signal_cannot_be_taken_and_takes_it_later(served, taken, client):
    path = f"/u/{token(email='ben@example.com')}"
    served[1].door.away = True
    assert client.ask("GET", path, headers={"Sec-GPC": "1"}).status == 200
    served[1].door.away = False
    client.ask("GET", path, headers={"Sec-GPC": "1"})
    assert len(taken) == 1


def test_nothing_is_promised_when_nothing_can_be_taken(served, taken, client):
    served[1].door.away = True
    answer = client.signal({"email": ANA, "headers": ["1"]})
    assert (answer.status, answer.headers["Retry-After"]) == (503, str(Unavailable().retry_after))
    served[1].door.away, served[1].door.spooling = False, True
    assert client.signal({"email": ANA, "headers": ["1"]}).said["events"][0]["receipt"] == "spooled"


def test_too_often_is_told():
    tables = {"signals": {"per_minute": 1, "burst": 2}}
    with serving(settings=config(**tables)) as (client, edge):
        said = {"email": ANA, "headers": ["1"]}
        assert [client.signal(said).status for _ in range(3)] == [202, 202, 429]
        assert client.signal({"token": token(), "headers": ["1"]}, key=None).status == 202  # counted apart
        assert len(edge.door.taken) == 3


def test_what_the_site_says_of_itself(client):
    assert client.ask("GET", "/.well-known/gpc.json").said == {"gpc": True, "lastUpdate": "2026-11-01"}


@pytest.mark.parametrize(
    ("table", "entry"),
    [
        ({"origin": {}}, "signals.origin:"),
        ({"origins": []}, "signals.origins:"),
        ({"origins": {"acme": ["*"]}}, "signals.origins.acme:"),
        ({"origins": {"acme": ["https://shop.example.com/"]}}, "signals.origins.acme:"),
        ({"gpc_last_updated": "soon"}, "signals.gpc_last_updated:"),
        ({"per_minute": 0}, "signals.per_minute:"),
        ({"burst": True}, "signals.burst:"),
    ],
)
def test_a_configuration_that_cannot_be_used_names_the_entry(table, entry):
    with (
        pytest.raises(ConfigError) as caught,
        serving(settings=Config({**CONFIG, "signals": table}, dict(FORM="x" * 16, CRM="y" * 16))),
    ):
        pass
    assert str(caught.value).startswith(entry)
