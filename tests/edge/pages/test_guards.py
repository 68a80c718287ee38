"""What nobody can do with a page: other sites, scanners, floods, forgers. And that a no comes through all of it."""

import re

import pytest

from tests.edge.pages.site import ANA, CONFIG, site

PAGES = {"scanners": ["127.0.0.0/8"], "per_link": 5, "per_network": 1000}


@pytest.fixture
def acme():
    with site() as found:
        found.say("consent.granted", scope="news", evidence="E3")
        yield found


def configured(**more):
    return site({**CONFIG, "pages": more})


def yes(page):
    return [("seal", page.field("seal")), ("do", "save"), ("was", "0m:offers"), ("want", "m:offers")]


def test_get_and_head_change_nothing(acme):
    token = acme.token()
    for method in ("GET", "HEAD", "OPTIONS"):
        acme.ask(method, f"/p/{token}?do=stop-everything")
    assert acme.door.taken == []
    assert acme.ask("HEAD", f"/p/{token}").body == b""


def test_forged_and_unknown_links_get_one_answer(acme):
    token = acme.token()
    forged = [token[:-4] + "AAAA", token[: len(token) // 2], "x", "A" * 1500]
    answers = {(found.status, found.body) for found in map(acme.get, forged)}
    assert len(answers) == 1
    assert answers.pop()[0] == 404
    assert acme.post(forged[0], [("do", "stop-everything")]).status == 404
    assert acme.ask("GET", f"/p/{forged[0]}/state").status == 404
    assert acme.door.taken == []


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "https://other.example"}, False),
        ({"Origin": "null"}, True),  # what browsers send from a page with no-referrer
        ({}, True),
    ],
)
def test_a_yes_comes_from_our_own_page(acme, headers, taken):
    token = acme.token()
    body = "&".join(f"{name}={value}" for name, value in yes(acme.get(token)))
    typed = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    answer = acme.ask("POST", f"/p/{token}", body.encode(), typed)
    assert (answer.status, len(acme.door.taken)) == ((303, 1) if taken else (400, 0))


def test_a_seal_of_another_link_or_of_yesterday_is_none(acme):
    mine, other = acme.token(), acme.token("ben@example.com")
    fields = yes(acme.get(other))
    assert acme.post(mine, fields).status == 400
    fields = yes(acme.get(mine))
    changed = [(name, value[:-3] + "AAA" if name == "seal" else value) for name, value in fields]
    assert acme.post(mine, changed).status == 400
    assert acme.post(mine, [each for each in fields if each[0] != "seal"]).status == 400
    acme.pass_time(25 * 3600)
    late = acme.post(mine, fields)
    assert late.status == 400
    assert "Please choose again" in late.words
    assert acme.door.taken == []


def test_the_seal_of_the_first_page_does_not_confirm(acme):
    token = acme.token()
    page = acme.get(token)
    assert acme.post(token, [("seal", page.field("seal")), ("do", "confirm")]).status == 400
    assert acme.door.taken == []


def test_a_form_cannot_turn_on_what_the_page_did_not_offer(acme):
    token = acme.token()
    fields = [("seal", acme.get(token).field("seal")), ("do", "save"), ("was", "0m:secret"), ("want", "m:secret")]
    acme.post(token, fields)
    assert acme.door.taken == []


def test_a_no_needs_no_seal_and_no_origin(acme):
    answer = acme.post(acme.token(), [("do", "save"), ("was", "1m:news")], Sec_Fetch_Site="cross-site")
    assert answer.status == 303
    assert not acme.allowed("news")


def test_a_form_that_changes_nothing_says_nothing(acme):
    answer = acme.save(acme.token())
    assert answer.status == 303
    assert acme.door.taken == []
    assert "You changed nothing" in acme.ask("GET", answer.headers["Location"]).words


def test_a_flood_is_told_to_wait_and_its_no_is_taken():
    with configured(per_link=5, per_network=1000) as found:
        found.say("consent.granted", scope="news")
        token = found.token()
        answers = [found.get(token) for _ in range(8)]
        assert [each.status for each in answers] == [200] * 5 + [429] * 3
        assert int(answers[-1].headers["Retry-After"]) > 0
        assert found.post(token, [("do", "confirm")]).status == 429
        assert found.get(found.token("ben@example.com")).status == 200
        assert found.post(token, [("do", "stop-channel")]).status == 303
        assert not found.allowed("news")
        found.pass_time(60)
        assert found.get(token).status == 200


def test_a_yes_beside_a_no_in_a_flood_is_not_dropped_in_silence():
    with configured(per_link=2, per_network=1000) as found:
        found.say("consent.granted", scope="news")
        token = found.token()
        fields = [*yes(found.get(token)), ("was", "1m:news")]
        assert [found.get(token).status for _ in range(2)] == [200, 429]
        answer = found.post(token, fields)
        assert answer.status == 429
        assert "Please wait" in answer.words
        assert not found.allowed("news")
        assert [each["type"] for each in found.door.taken] == ["preference.set.v1"]


def test_a_network_is_counted_apart_from_its_links_and_behind_proxies():
    with configured(per_network=3, proxies=["127.0.0.0/8"]) as found:

        def from_network(address):
            return found.get(found.token(), X_Forwarded_For=f"203.0.113.9, {address}").status

        assert [from_network(f"198.51.100.{n}") for n in range(5)] == [200] * 3 + [429] * 2
        assert from_network("192.0.2.1") == 200


def test_who_is_no_proxy_cannot_say_where_it_comes_from():
    with configured(per_network=2) as found:
        assert [found.get(found.token(), X_Forwarded_For=f"198.51.{n}.1").status for n in range(3)] == [200, 200, 429]


@pytest.mark.parametrize(
    ("pages", "age", "before", "marks"),
    [
        ({}, 3600, None, None),
        ({}, 3, None, ["too_soon"]),
        ({}, 3600, "HEAD", ["head_first"]),
        ({}, 3600, "other link", ["many_links"]),
        ({"scanners": ["127.0.0.0/8"]}, 3600, None, ["known_range"]),
        ({"scanners": ["192.0.2.0/24", "2001:db8::/32"]}, 3600, None, None),
    ],
)
def test_what_looks_like_a_scanner_is_applied_and_marked(pages, age, before, marks):
    with configured(**pages) as found:
        found.say("consent.granted", scope="news")
        token = found.token(age=age)
        if before == "HEAD":
            found.ask("HEAD", f"/p/{token}")
        elif before == "other link":
            found.post(found.token("ben@example.com"), [("do", "stop-channel")])
        found.post(token, [("do", "stop-channel")])
        assert found.door.taken[-1]["data"].get("suspect") == marks
        assert not found.allowed("news")


def test_a_head_of_long_ago_marks_nothing(acme):
    token = acme.token()
    acme.ask("HEAD", f"/p/{token}")
    acme.pass_time(400)
    acme.post(token, [("do", "stop-channel")])
    assert "suspect" not in acme.door.taken[-1]["data"]


def test_neither_kafka_nor_disk_is_told_and_may_be_tried_again(acme):
    acme.door.away = True
    answer = acme.post(acme.token(), [("do", "stop-channel")])
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "could not be stored" in answer.words


def test_what_is_spooled_is_told_as_stored_and_not_as_in_force(acme):
    acme.door.spooling = True
    answer = acme.post(acme.token(), [("do", "stop-channel")])
    page = acme.ask("GET", answer.headers["Location"])
    assert "safely stored" in page.words
    assert "in force at all senders" not in page.words


def test_in_force_is_told_once_all_senders_say_so(acme):
    acme.enforced = False
    where = acme.post(acme.token(), [("do", "stop-channel")]).headers["Location"]
    page = acme.ask("GET", where)
    assert "on its way to the senders" in page.words
    assert 'http-equiv="refresh"' in page.text
    state = where.replace("?", "/state?")
    assert acme.ask("GET", state).body == b'{"state":"waiting"}'
    acme.enforced = True
    assert acme.ask("GET", state).body == b'{"state":"in_force"}'
    page = acme.ask("GET", where)
    assert "in force at all senders" in page.words
    assert 'http-equiv="refresh"' not in page.text


def test_a_page_without_script_stops_reloading(acme):
    acme.enforced = False
    where = acme.post(acme.token(), [("do", "stop-channel")]).headers["Location"]
    assert 'http-equiv="refresh"' not in acme.ask("GET", f"{where}&n=10").text
    for odd in ("n=-1", "n=%C2%B2", "n=99999", "r=x", "r=1:2:3", "r=" + "1:1," * 40):
        assert acme.ask("GET", where.split("?")[0] + "?" + odd).status == 200


def test_headers_let_nothing_in_from_elsewhere(acme):
    token = acme.token()
    for answer in (acme.get(token), acme.get("x"), acme.post(token, [("do", "save")])):
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self'")
        assert "unsafe" not in policy
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Robots-Tag"].startswith("noindex")
        assert "Set-Cookie" not in answer.headers
    text = acme.get(token).text
    assert not any(each in text for each in ("http://", "https://", "style=", "onclick", "javascript:"))


@pytest.mark.parametrize("body", [b"\xff\xfe", b"a=" + b"x" * 200_000, b"&".join([b"was=1m:a"] * 2000)])
def test_a_form_that_cannot_be_read_is_told(acme, body):
    answer = acme.ask("POST", f"/p/{acme.token()}", body, {"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status == 400
    assert acme.door.taken == []


def test_what_people_send_is_escaped(acme):
    acme.say("consent.withdrawn", scope='<script>alert("x")</script>')
    text = acme.get(acme.token()).text
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text


def test_logs_name_no_one(acme, caplog):
    caplog.set_level("DEBUG")
    token = acme.token()
    acme.get(token)
    acme.post(token, [("address", ANA)], path="/fresh")
    assert "200" in caplog.text
    assert token not in caplog.text
    assert ANA not in caplog.text


def test_behind_a_path_of_its_own_links_lead_there():
    with site(base_url="https://consent.example.com/choices") as found:
        page = found.get(found.token())
        links = re.findall(r'(?:href|action)="([^"]+)"', page.text)
        assert links
        assert all(each.startswith(("/choices/p/", "#")) for each in links)
        where = found.post(found.token(), [("do", "stop-channel")]).headers["Location"]
        assert where.startswith("/choices/p/")
