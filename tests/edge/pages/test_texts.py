"""Four languages, the same texts in each; and the configuration that names things."""

import re

import pytest

from consent_stream.domain.facts import KINDS
from consent_stream.edge.config import Config, ConfigError
from consent_stream.edge.pages.catalogue import LANGUAGES, catalogue, choose
from consent_stream.edge.pages.config import read_pages
from tests.edge.pages.site import CONFIG, site

HEADINGS = {"en": "Your choices at Acme", "fr": "Vos choix chez Acme", "es": "Sus preferencias en Acme",
            "de": "Ihre Auswahl bei Acme"}  # fmt: skip


def fields(text):
    return sorted(re.findall(r"{(\w+)}", text))


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_all_catalogues_have_the_same_texts_with_the_same_fields(language):
    english, other = catalogue("en"), catalogue(language)
    assert other.names() == english.names()
    for key in english.names():
        assert fields(other[key]) == fields(english[key]), key
        assert other[key].strip()
    same = {key for key in english.names() if other[key] == english[key]} - {"page.title", "date.day"}
    assert len(same) < 8, same  # words that are the same in both; more are texts that nobody translated


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_of_no_has_words(language):
    cat = catalogue(language)
    assert all(f"kind.{kind}" in cat for kind in KINDS)
    assert len(cat["date.months"].split()) == 12


@pytest.mark.parametrize(
    ("asked", "accepted", "chosen"),
    [
        (None, "", "en"),
        (None, "de", "de"),
        (None, "fr-CH, fr;q=0.9, en;q=0.8", "fr"),
        (None, "en;q=0.5, es;q=0.7", "es"),
        (None, "ja, de;q=0.1", "de"),
        (None, "*", "en"),
        (None, "de;q=nan, fr;q=2, es;q=x", "en"),
        ("fr", "de", "fr"),
        ("xx", "de", "de"),
    ],
)
def test_the_language_is_as_asked_else_as_accepted(asked, accepted, chosen):
    assert choose(asked, accepted) == chosen


def test_pages_come_in_four_languages():
    with site() as found:
        found.say("consent.granted", scope="news")
        found.say("consent.withdrawn", scope="news/weekly")
        for language, heading in HEADINGS.items():
            page = found.get(found.token(), f"?lang={language}")
            assert heading in page.words
            assert f'<html lang="{language}">' in page.text
            assert page.headers["Content-Language"] == language
            assert heading in found.get(found.token(), Accept_Language=language).words
            assert catalogue(language)["kind.topic_opt_out"] in page.words
        assert "Neuigkeiten" in found.get(found.token(), "?lang=de").words
        answer = found.post(found.token(), [("do", "stop-channel")], path="?lang=de")
        assert "gilt bei allen Absendern" in found.ask("GET", answer.headers["Location"]).words


def test_a_day_is_written_as_people_write_it():
    at = 1_772_359_200_000_000  # 2026-03-01T10:00:00Z
    assert [catalogue(each).day(at) for each in LANGUAGES] == [
        "1 March 2026", "1 mars 2026", "1 de marzo de 2026", "1. März 2026",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"preferences": {"acme": {}}}, "preferences.acme.name"),
        ({"preferences": {"acme": {"name": "A", "logo": "x"}}}, "preferences.acme.logo"),
        ({"preferences": {"acme": {"name": "A", "programs": {"a//b": "x"}}}}, "preferences.acme.programs.a//b"),
        ({"preferences": {"acme": {"name": "A", "programs": {"a": {"xx": "x"}}}}}, "preferences.acme.programs.a.xx"),
        ({"preferences": {"acme": {"name": "A", "notice": {"id": "n"}}}}, "preferences.acme.notice.version"),
        ({"pages": {"scanners": ["nowhere"]}}, "pages.scanners"),
        ({"pages": {"scanners": "192.0.2.0/24"}}, "pages.scanners"),
        ({"pages": {"per_link": 0}}, "pages.per_link"),
        ({"smtp": {"host": "mail.example"}}, "smtp.sender"),
        ({"smtp": {"host": "h", "sender": "a@b.example", "security": "ssl"}}, "smtp.security"),
        ({"smtp": {"host": "h", "sender": "a@b.example", "password": "hunter2"}}, "smtp.password"),
    ],
)
def test_what_is_not_understood_is_named(table, named):
    with pytest.raises(ConfigError, match=re.escape(named)) as found:
        read_pages(Config(table, environ={}))
    assert "hunter2" not in str(found.value)
    assert "\n" not in str(found.value)


def test_a_secret_is_in_no_repr():
    table = {"smtp": {"host": "h", "sender": "a@b.example", "user": "u", "password_env": "MAIL_PASSWORD"}}
    pages = read_pages(Config({**CONFIG, **table}, environ={"MAIL_PASSWORD": "correct-horse-battery"}))
    assert pages.mail.password == "correct-horse-battery"
    assert "correct-horse" not in repr(pages)
