"""Who may look: the token's session, a proxy's word; and who may not."""

from __future__ import annotations

import logging
from ipaddress import ip_network

import pytest

from consent_stream.console.access import GUESSES, Access
from consent_stream.console.session import LASTS_S, Sessions
from tests.console.made import ANA, NOW, S
from tests.console.site import TOKEN, site

PAGES = ("/", "/gates", "/optouts", "/search", "/quarantine", "/found/x")
T0 = NOW // S


@pytest.fixture
def shut():
    """A console, and nobody is logged in."""
    with site() as found:
        yield found


@pytest.fixture
def open_(shut):
    assert shut.log_in().status == 303
    return shut


@pytest.mark.parametrize("path", PAGES)
def test_without_a_session_every_page_is_the_login(shut, path):
    answer = shut.get(path)
    assert (answer.status, answer.headers["Location"]) == (303, "/login")
    assert answer.text == ""


def test_without_a_session_nobody_is_looked_up(shut):
    fields = {"tenant": "acme", "kind": "email", "who": ANA, "purpose": "marketing"}
    answer = shut.post("/search", fields=fields)
    assert answer.status == 403
    assert "Token of this console" in answer.text
    assert len(shut.console.jobs._jobs) == 0


def test_the_token_is_exchanged_for_a_cookie_that_no_script_and_no_other_site_can_use(shut):
    answer = shut.log_in()
    assert (answer.status, answer.headers["Location"]) == (303, "/")
    attributes = {part.strip().lower() for part in answer.headers["Set-Cookie"].split(";")[1:]}
    assert attributes == {"httponly", "samesite=strict", "path=/"}
    assert TOKEN not in answer.headers["Set-Cookie"]
    for path in PAGES[:-1]:
        assert shut.get(path).status == 200
    assert shut.get("/login").headers["Location"] == "/"


def test_behind_tls_the_cookie_is_of_this_host_alone_and_never_sent_in_the_clear():
    with site(access=Access(lambda: NOW, Sessions(TOKEN.encode()), tls=True)) as found:
        cookie = found.log_in().headers["Set-Cookie"]
    assert cookie.startswith("__Host-")
    assert "secure" in cookie.lower()


def test_a_wrong_token_lets_nobody_in_and_is_counted(shut):
    answer = shut.log_in("wrong-" + TOKEN)
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers
    assert "That is not the token." in answer.text
    assert 'consent_console_logins_total{to="refused"} 1.0' in shut.get("/metrics").text


def test_guesses_are_few(shut):
    burst = GUESSES[1]
    assert [shut.log_in("guess").status for _ in range(burst + 1)] == [403] * burst + [429]
    answer = shut.log_in()  # nor the token itself, or guesses could be told apart
    assert answer.status == 429
    assert int(answer.headers["Retry-After"]) > 0


@pytest.mark.parametrize("site_said", ["cross-site", "same-site", "none"])
@pytest.mark.parametrize("path", ["/login", "/search"])
def test_a_form_of_another_site_is_refused(open_, path, site_said):
    fields = {"token": TOKEN, "tenant": "acme", "kind": "email", "who": ANA, "purpose": "marketing"}
    answer = open_.post(path, site=site_said, fields=fields)
    assert answer.status == 403
    assert "not on this console" in answer.text


def test_where_a_browser_does_not_say_the_origin_decides(shut):
    fields = {"token": TOKEN}
    assert shut.post("/login", site=None, fields=fields).status == 403
    assert shut.post("/login", site=None, fields=fields, Origin="null").status == 403
    assert shut.post("/login", site=None, fields=fields, Origin="http://evil.example").status == 403
    assert shut.post("/login", site=None, fields=fields, Origin=shut.url).status == 303


def test_another_site_cannot_log_somebody_out(open_):
    assert "Set-Cookie" not in open_.post("/logout", site="cross-site", fields={}).headers
    answer = open_.post("/logout", fields={})
    assert answer.headers["Location"] == "/login"
    assert 'consent-console=""' in answer.headers["Set-Cookie"]


def test_a_session_is_over_after_its_time_and_with_its_token():
    sessions = Sessions(b"a" * 16)
    cookie = sessions.begin(T0)
    assert sessions.lasts(cookie, T0 + LASTS_S - 1)
    assert not sessions.lasts(cookie, T0 + LASTS_S)
    assert Sessions(b"a" * 16).lasts(cookie, T0)  # a restart ends none
    assert not Sessions(b"b" * 16).lasts(cookie, T0)


@pytest.mark.parametrize(
    "change", [lambda c: c[:-1], lambda c: "9" + c, lambda c: "", lambda c: c + ".", lambda c: "é"]
)
def test_a_cookie_that_was_changed_is_none(change):
    sessions = Sessions(b"a" * 16)
    assert not sessions.lasts(change(sessions.begin(T0)), T0)


def test_a_forged_cookie_over_http_is_none(open_):
    name, _, value = open_.cookie.partition("=")
    for forged in (f"{name}={value[:-1]}0", f"{name}=", f"{name}=%00", f"{name}=9{value}", "other=1"):
        if forged != open_.cookie:
            assert open_.get("/", Cookie=forged).status == 303


# A proxy that names people

HERE, ELSEWHERE = (ip_network("127.0.0.0/8"),), (ip_network("10.0.0.0/8"),)
HEADER = "X-Forwarded-Email"


def proxied(networks, sessions=None):
    return site(access=Access(lambda: NOW, sessions, HEADER, networks))


def test_whom_a_trusted_proxy_names_may_look():
    with proxied(HERE) as found:
        answer = found.get("/", X_Forwarded_Email=ANA)
        assert answer.status == 200
        assert ANA not in answer.text
        assert "Log out" not in answer.text
        assert found.get("/", X_Forwarded_Email="").status == 303
        assert found.get("/").status == 303
        assert "through its proxy alone" in found.get("/login").text
        assert found.post("/login", fields={"token": TOKEN}).status == 403


def test_a_header_from_anywhere_else_counts_for_nothing():
    with proxied(ELSEWHERE, Sessions(TOKEN.encode())) as found:
        assert found.get("/", X_Forwarded_Email=ANA).status == 303
        assert found.get("/", X_Forwarded_Email=ANA, X_Forwarded_For="10.0.0.1").status == 303
        found.log_in()
        assert found.get("/").status == 200


# What every answer has, and what nobody learns


@pytest.mark.parametrize("path", ["/", "/gates", "/optouts", "/search", "/quarantine", "/login", "/-/console.css"])
def test_every_answer_lets_nothing_in_from_elsewhere(open_, path):
    headers = open_.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert "private" in headers["Cache-Control"] or "no-store" in headers["Cache-Control"] or path.startswith("/-/")


@pytest.mark.parametrize("path", ["/", "/gates", "/optouts", "/search", "/quarantine"])
def test_a_page_loads_nothing_from_elsewhere_and_has_no_inline_code(open_, path):
    text = open_.get(path).text
    assert "http://" not in text
    assert "https://" not in text
    assert "style=" not in text
    assert "onclick" not in text
    assert "<script>" not in text


def test_probes_and_figures_need_no_login(shut):
    assert shut.get("/livez").status == 200
    assert shut.get("/readyz").status == 200
    assert "consent_console_figures_age_seconds 1.0" in shut.get("/metrics").text


def test_other_paths_and_methods_are_refused_in_one_form(open_):
    for method, path, status in (("GET", "/nothing", 404), ("PUT", "/", 405), ("GET", "/-/../secret", 404)):
        answer = open_.ask(method, path)
        assert answer.status == status
        assert answer.headers["Content-Type"].startswith("application/problem+json")


def test_a_log_of_requests_has_no_address(open_, caplog):
    caplog.set_level(logging.DEBUG)
    open_.get(f"/?q={ANA}")
    open_.get(f"/found/{ANA}")
    open_.post("/search", fields={"tenant": "acme", "kind": "email", "who": ANA, "purpose": "marketing"})
    open_.get("/", X_Forwarded_Email=ANA)
    told = "\n".join(record.getMessage() for record in caplog.records)
    assert "/found/{id}" in told
    assert "ana" not in told.lower()
