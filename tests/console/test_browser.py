"""The console in a real browser: without script, by keyboard, on a phone; nothing beyond the edge, pale or small."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium.webdriver.common.keys import Keys

from tests.console.made import NOW, S, filled, report
from tests.console.people import ANA, looking, written
from tests.console.site import TOKEN, Site, site
from tests.edge.pages.browser import PHONE, Reader, browser

pytestmark = pytest.mark.web
ENOUGH = 4.5  # contrast of text (WCAG 2.2, 1.4.3)
PAGES = {
    "/": ("Flow", "From an event to the gates"),
    "/gates": ("Gates", "silent"),
    "/optouts": ("Opt-outs", "unsubscribed"),
    "/search": ("Search", "Look up by"),
    "/quarantine": ("Quarantine", "not_cloudevent"),
}


@pytest.fixture(scope="module")
def plain() -> Iterator[Reader]:
    """A browser that runs no script."""
    with browser(script=False) as driver:
        yield Reader(driver)


@pytest.fixture(scope="module")
def phone() -> Iterator[Reader]:
    with browser(PHONE) as driver:
        yield Reader(driver)


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    with site(filled(), looking(monkeypatch, written())) as found:
        yield found


def enter(reader: Reader, found: Site) -> None:
    """Log in, by keyboard alone."""
    reader.driver.delete_all_cookies()
    reader.open(found.url)
    assert reader.driver.current_url == f"{found.url}/login"
    reader.tab_to(lambda element: element.get_attribute("id") == "token")
    reader.type(TOKEN)
    reader.enter()
    assert reader.driver.current_url == f"{found.url}/"


def look_up(reader: Reader, found: Site) -> None:
    """Ana, by keyboard alone; until she is found."""
    reader.open(f"{found.url}/search")
    for field, said in (("tenant", "acme"), ("who", ANA), ("scope", Keys.BACKSPACE + "news")):
        reader.tab_to(lambda element, field=field: element.get_attribute("id") == field)
        reader.type(said)
    reader.tab_to(lambda element: element.text == "Look up")
    reader.enter()
    reader.await_that(lambda: "The chain" in reader.words)


def well_made(reader: Reader, width: int | None = None) -> None:
    if width is not None:
        assert reader.driver.execute_script("return document.documentElement.scrollWidth") <= width  # 1.4.10
    assert reader.small_targets() == []  # 2.5.8
    assert [each for each in reader.contrasts() if each[1] < ENOUGH] == []
    assert reader.complaints() == []
    driver = reader.driver
    for element in driver.find_elements(
        "css selector", "input, select, button, a, summary, svg[role=img], nav, section"
    ):
        assert element.accessible_name.strip(), element.get_attribute("outerHTML")
    assert [int(each.tag_name[1]) for each in driver.find_elements("css selector", "h1, h2, h3")][:1] == [1]
    ids = driver.execute_script("return [...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    assert len(driver.find_elements("tag name", "main")) == 1


def test_without_script_and_by_keyboard_every_page_is_there(console, plain):
    enter(plain, console)
    for path, (title, said) in PAGES.items():
        plain.tab_to(lambda element, path=path: element.get_attribute("href") == console.url + path)
        outline = plain.focused().value_of_css_property("outline-width")
        assert float(outline.removesuffix("px")) >= 2
        plain.enter()
        assert plain.driver.title == f"{title} – consent-stream console"
        assert said in plain.words
        well_made(plain)
    look_up(plain, console)
    assert "unsubscribe.global" in plain.words
    assert ANA not in plain.driver.page_source + plain.driver.current_url
    well_made(plain)


def test_on_a_phone(console, phone, tmp_path):
    enter(phone, console)
    for path, (title, said) in PAGES.items():
        phone.open(console.url + path)
        assert phone.driver.title.startswith(title)
        assert said in phone.words
        well_made(phone, PHONE[0])
    look_up(phone, console)
    well_made(phone, PHONE[0])
    phone.driver.execute_script("document.documentElement.style.fontSize = '200%'")
    assert phone.driver.execute_script("return document.documentElement.scrollWidth") <= PHONE[0]
    phone.picture(tmp_path / "found.png")
    assert (tmp_path / "found.png").stat().st_size > 20_000


def test_long_names_push_nothing_beyond_the_edge(console, plain):
    name = "a-mailer-of-the-newsletter-department-in-frankfurt-0123456789"
    host = "ip-10-0-123-45.eu-central-1.compute.example.com"
    with console.console.model.lock:
        found = report(
            name, host=host, list="a-long-prefix-suppression.sharing.g12", trouble="out of disk", ready=False
        )
        console.console.model.gatesheet.hear(found, NOW)
    enter(plain, console)
    for width in (320, 800, 1280):
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        plain.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        for path in PAGES:
            plain.open(console.url + path)
            assert plain.driver.execute_script("return document.documentElement.scrollWidth") <= width


def test_with_script_what_is_live_is_brought_up_to_date_in_place(console, phone):
    enter(phone, console)
    phone.open(f"{console.url}/gates")
    heading = phone.driver.find_element("tag name", "h1")
    with console.console.model.lock:
        console.console.model.gatesheet.hear(report("mta-9", written=NOW, trouble="out of disk", ready=False), NOW)
    phone.await_that(lambda: "out of disk" in phone.words)
    assert heading.text == "Gates"  # the same element: nothing was loaded anew
    phone.driver.delete_all_cookies()
    phone.await_that(lambda: "Token of this console" in phone.words)


def test_a_console_that_is_gone_is_said_on_the_page_that_is_open(phone):
    with site() as found:
        enter(phone, found)
    phone.await_that(lambda: "The console does not answer since" in phone.words)
    phone.driver.get_log("browser")  # it complains, rightly


def test_old_figures_are_said_first(plain):
    with site(clock=lambda: NOW + 60 * S) as found:
        enter(plain, found)
        banner = plain.driver.find_element("css selector", "#standing [role=status]")
        assert "Old figures. Kafka told them 1 min ago" in banner.text
        well_made(plain)


def test_a_wrong_token_is_said_to_who_cannot_see(plain):
    with site() as found:
        plain.driver.delete_all_cookies()
        plain.open(found.url)
        plain.tab_to(lambda element: element.get_attribute("id") == "token")
        plain.type("wrong")
        plain.enter()
        assert plain.driver.find_element("css selector", "[role=alert]").text == "That is not the token."
        assert plain.driver.find_element("id", "token").get_attribute("aria-invalid") == "true"
        plain.driver.get_log("browser")  # 403


def test_another_site_can_neither_frame_it_nor_send_a_form(console, plain):
    enter(plain, console)
    fields = "<input name=tenant value=acme><button id=go>go</button>"
    plain.open(f"data:text/html,<form method=post action='{console.url}/search'>{fields}</form>")
    plain._then(plain.driver.find_element("id", "go").click)
    assert "Token of this console" in plain.words  # SameSite=Strict: it came without the session
    plain.open(f"data:text/html,<iframe src='{console.url}/'></iframe>")
    plain.driver.switch_to.frame(0)
    assert "From an event" not in plain.driver.page_source
    plain.driver.switch_to.default_content()
    plain.driver.get_log("browser")
