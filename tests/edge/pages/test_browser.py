"""The preference centre in a real browser: without script, by keyboard, on a phone, in four languages."""

import pytest

from consent_stream.edge.pages.catalogue import LANGUAGES, catalogue
from tests.edge.pages.browser import PHONE, Reader, browser
from tests.edge.pages.site import site

pytestmark = pytest.mark.web
ENOUGH = 4.5  # contrast of text (WCAG 2.2, 1.4.3)


@pytest.fixture(scope="module")
def plain():
    """A browser that runs no script."""
    with browser(script=False) as driver:
        yield Reader(driver)


@pytest.fixture(scope="module")
def phone():
    with browser(PHONE) as driver:
        yield Reader(driver)


@pytest.fixture
def acme():
    with site() as found:
        found.say("consent.granted", scope="news", evidence="E3")
        found.say("consent.withdrawn", scope="news/weekly")
        yield found


def page(found, query="", **more):
    return f"{found.url}/p/{found.token(**more)}{query}"


def test_without_script_a_person_turns_off_and_on_again(acme, plain):
    plain.open(page(acme))
    assert plain.driver.title == "Your choices – Acme"
    assert plain.box("m:news").is_selected()
    plain.tick("m:news")
    plain.press("save")
    assert "in force at all senders" in plain.words
    assert not plain.box("m:news").is_selected()
    assert not acme.allowed("news")
    acme.pass_time(5)
    plain.tick("m:news")
    plain.press("save")
    assert plain.box("m:news").is_selected()
    assert acme.allowed("news")
    assert acme.door.refused == []
    assert plain.complaints() == []


def test_without_script_the_page_looks_again_until_it_is_in_force(acme, plain):
    acme.enforced = False
    plain.open(page(acme))
    plain.press("stop-channel")
    assert "on its way to the senders" in plain.words
    acme.enforced = True
    plain.await_that(lambda: "in force at all senders" in plain.words)


def test_with_script_the_page_says_when_it_is_in_force_and_stays_where_it_is(acme, phone):
    acme.enforced = False
    phone.open(page(acme))
    phone.press("stop-everything")
    where = phone.driver.current_url
    status = phone.driver.find_element("id", "status")
    assert status.get_attribute("role") == "status"
    assert "on its way to the senders" in status.text
    acme.enforced = True
    phone.await_that(lambda: "in force at all senders" in status.text)  # the same element: nothing was reloaded
    assert phone.driver.current_url == where
    assert phone.complaints() == []


def test_by_keyboard_alone(acme, plain):
    plain.open(page(acme))
    first = plain.tab_to(lambda element: True)
    assert 'class="skip"' in first[0]
    plain.tab_to(lambda element: element.get_attribute("value") == "m:news")
    outline = plain.focused().value_of_css_property("outline-width")
    assert float(outline.removesuffix("px")) >= 2
    plain.type(" ")
    assert not plain.box("m:news").is_selected()
    plain.tab_to(lambda element: element.get_attribute("value") == "save")
    plain.enter()
    assert not acme.allowed("news")
    plain.tab_to(lambda element: element.get_attribute("value") == "stop-everything")
    plain.enter()
    assert acme.door.taken[-1]["type"] == "consent.withdrawn.v1"


def test_sharing_takes_two_pages(acme, plain):
    acme.say("sharing.optout")
    plain.open(page(acme))
    assert not plain.box("s:partners").is_selected()
    plain.tick("s:partners")
    plain.press("save")
    assert "One more step" in plain.words
    assert "With it you take back: sharing with third parties" in plain.words
    acme.pass_time(3)
    plain.press("confirm")
    assert acme.allowed("partners", purpose="sharing")
    assert plain.complaints() == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_on_a_phone_in_every_language(acme, phone, language, tmp_path):
    acme.say("feedback.complaint")
    phone.open(page(acme, f"?lang={language}"))
    width = phone.driver.execute_script("return document.documentElement.scrollWidth")
    assert width <= PHONE[0]  # nothing is beyond the edge (1.4.10)
    html = phone.driver.find_element("tag name", "html")
    assert html.get_attribute("lang") == language
    assert catalogue(language)("page.heading", sender="Acme") in phone.words
    assert phone.small_targets() == []  # 2.5.8
    pale = [each for each in phone.contrasts() if each[1] < ENOUGH]
    assert len(phone.contrasts()) > 20
    assert pale == []
    picture = tmp_path / f"{language}.png"
    phone.picture(picture)
    assert picture.stat().st_size > 20_000
    assert phone.complaints() == []


def test_what_a_screen_reader_is_told(acme, phone):
    """Roles and names as the browser computes them (WCAG 2.2: 1.3.1, 2.4.1, 2.4.6, 3.3.2, 4.1.2)."""
    phone.open(page(acme, age=30 * 86400))
    driver = phone.driver
    for element in driver.find_elements("css selector", "input:not([type=hidden]), button, a, fieldset, section, nav"):
        assert element.accessible_name.strip(), element.get_attribute("outerHTML")
    assert phone.box("m:news").aria_role == "checkbox"
    assert phone.box("m:news").accessible_name == "News on"
    levels = [int(each.tag_name[1]) for each in driver.find_elements("css selector", "h1, h2, h3")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    ids = driver.execute_script("return [...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    named = driver.execute_script(
        "return [...document.querySelectorAll('[aria-describedby], [aria-labelledby]')].flatMap(e => "
        "(e.getAttribute('aria-describedby') || e.getAttribute('aria-labelledby')).split(' '))"
    )
    assert named
    assert set(named) <= set(ids)
    assert len(driver.find_elements("tag name", "main")) == 1


def test_the_text_may_be_twice_as_large(acme, phone):
    phone.open(page(acme))
    phone.driver.execute_script("document.documentElement.style.fontSize = '200%'")
    assert phone.driver.execute_script("return document.documentElement.scrollWidth") <= PHONE[0]


def test_another_site_cannot_frame_or_feed_it(acme, phone):
    """A page of another origin that submits a form here: its yes is refused by what the browser says of it."""
    phone.open(page(acme))
    seal = phone.driver.find_element("name", "seal").get_attribute("value")
    target = page(acme)
    phone.open("data:text/html,<form method=post action='" + target + "'><input name=seal value='" + seal + "'>"
               "<input name=do value=save><input name=was value='0m:offers'><input name=want value='m:offers'>"
               "<button id=go value=go>go</button></form>")  # fmt: skip
    phone.press("go")
    assert "There is a problem" in phone.words
    assert acme.door.taken == []
