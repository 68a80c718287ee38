"""A page, its form, and what gates answer afterwards: the whole way but Kafka, decided by the rules."""

import re

import pytest

from tests.edge.pages.site import ANA, DAY, KEYS, POLICY, site

SHARING = {"purpose": "sharing", "scope": "partners"}


@pytest.fixture
def acme():
    with site() as found:
        found.say("consent.granted", scope="news", evidence="E3")
        yield found
        assert found.door.refused == []


def types(found):
    return [each["type"].removesuffix(".v1") for each in found.door.taken]


def test_a_page_shows_what_gates_answer(acme):
    page = acme.get(acme.token())
    assert page.status == 200
    assert page.boxes() == {"m:news": True, "m:news/weekly": True, "m:offers": False, "s:partners": False}
    assert "Agreement (notice signup 1)" in page.words
    assert "marketing by e-mail: News" in page.words
    assert acme.door.taken == []


def test_a_topic_off_is_denied_and_back_on_is_allowed(acme):
    token = acme.token()
    answer = acme.save(token, m_news__weekly=False)
    assert answer.status == 303
    assert (acme.allowed("news"), acme.allowed("news/weekly")) == (True, False)
    (event,) = acme.door.taken
    assert event["type"] == "preference.set.v1"
    assert event["data"]["topics"] == {"news/weekly": False}
    assert "email" not in event["data"]
    assert event["data"]["message_id"] == "m-1@mail.example.com"

    acme.pass_time(5)
    assert acme.save(token, m_news__weekly=True).status == 303
    assert acme.allowed("news/weekly")
    again = acme.door.taken[1]["data"]
    assert (again["evidence"], again["notice"]) == ("E3", {"id": "signup", "version": 1})
    assert again["names"] == ["marketing:email:news/weekly"]


def test_after_an_unsubscribe_a_yes_names_what_the_page_told(acme):
    acme.say("unsubscribe.link", scope="news", source="x")
    acme.say("unsubscribe.global")
    token = acme.token()
    page = acme.get(token)
    assert not any(page.boxes().values())
    assert "Turning it on takes back: marketing; marketing by e-mail: News" in page.words
    acme.save(token, m_news__weekly=True)
    assert acme.door.taken[0]["data"]["names"] == [
        "marketing:email:news/weekly", "marketing:*:*", "marketing:email:news",
    ]  # fmt: skip
    assert (acme.allowed("news/weekly"), acme.allowed("news")) == (True, False)


def test_stop_everything_ends_marketing_sharing_and_profiling_of_every_channel(acme):
    acme.say("sharing.optin_confirmed", scope="partners", evidence="E4")
    assert acme.allowed(**SHARING)
    assert acme.post(acme.token(), [("do", "stop-everything")]).status == 303
    assert types(acme) == ["consent.withdrawn"]
    assert not acme.allowed("news")
    assert not acme.allowed(**SHARING)
    assert acme.gates["sms"].check(tenant="acme", phone="+33612345678").reasons == ("no_consent",)
    verdict = acme.gates["sharing"].check(tenant="acme", email=ANA, purpose="profiling")
    assert "objected" in verdict.reasons


def test_stopping_the_channel_leaves_sharing_alone(acme):
    acme.say("sharing.optin_confirmed", scope="partners", evidence="E4")
    acme.post(acme.token(), [("do", "stop-channel")])
    assert not acme.allowed("news")
    assert acme.allowed(**SHARING)


def test_texts_are_stopped_from_a_mailed_link_when_the_person_is_known(acme):
    acme.say("consent.granted", email=None, phone="+33612345678", channel="sms", scope="deals", contact="c-1")
    acme.say("consent.granted", contact="c-1", scope="news")
    asked = {"tenant": "acme", "phone": "+33612345678", "contact": "c-1", "scope": "deals"}
    assert acme.gates["sms"].check(**asked)
    assert "stop-other" not in acme.get(acme.token()).text
    token = acme.token(contact="c-1")
    assert "stop-other" in acme.get(token).text
    acme.post(token, [("do", "stop-other")])
    assert "unsubscribed" in acme.gates["sms"].check(**asked).reasons
    assert acme.allowed("news")


def test_sharing_is_on_only_after_a_second_page_that_names_what_it_lifts(acme):
    acme.say("sharing.optout")
    token = acme.token()
    first = acme.save(token, s_partners=True)
    assert first.status == 200
    assert "it is on only after you confirm it here" in first.words.lower()
    assert "With it you take back: sharing with third parties." in first.words
    assert types(acme) == ["sharing.optin"]
    assert not acme.allowed(**SHARING)

    acme.pass_time(3)
    second = acme.post(token, [("seal", first.field("seal")), ("do", "confirm")])
    assert second.status == 303
    assert types(acme) == ["sharing.optin", "sharing.optin_confirmed"]
    assert acme.door.taken[1]["data"]["names"] == ["sharing:*:partners", "sharing:*:*"]
    assert acme.allowed(**SHARING)


def test_the_first_step_to_sharing_permits_nothing_even_where_nothing_stands_against_it(acme):
    acme.save(acme.token(), s_partners=True)
    acme.pass_time(5)
    assert not acme.allowed(**SHARING)


def test_after_a_complaint_a_yes_takes_a_second_page(acme):
    acme.say("feedback.complaint")
    token = acme.token()
    first = acme.save(token, m_offers=True)
    assert first.status == 200
    assert acme.door.taken == []
    acme.post(token, [("seal", first.field("seal")), ("do", "confirm")])
    assert types(acme) == ["consent.confirmed"]
    assert acme.allowed("offers")
    assert not acme.allowed("news")


@pytest.mark.parametrize("type", ["subject.deceased", "subject.restricted", "report.minor_suspected"])
def test_what_no_yes_takes_away_cannot_be_turned_on(acme, type):
    acme.say(type)
    page = acme.get(acme.token())
    assert "cannot be turned on here" in page.words
    assert re.search(r'value="m:offers" disabled', page.text)
    fields = [("seal", page.field("seal")), ("do", "save"), ("was", "0m:offers"), ("want", "m:offers")]
    acme.post(acme.token(), fields)
    assert acme.door.taken == []


def test_an_old_link_says_no_and_not_yes(acme):
    token = acme.token(age=7 * DAY + 60)
    page = acme.get(token)
    assert "To turn something on, a newer link is needed" in page.words
    assert re.search(r'value="m:offers" disabled', page.text)
    fields = [("seal", page.field("seal")), ("do", "save"), ("was", "0m:offers"), ("want", "m:offers")]
    assert acme.post(token, fields).status == 400
    assert acme.door.taken == []
    acme.save(token, m_news=False)
    assert not acme.allowed("news")


def test_a_link_is_fresh_for_seven_days(acme):
    assert "newer link" not in acme.get(acme.token(age=7 * DAY - 60)).words


def test_two_weeks_later_the_same_link_has_grown_old(acme):
    token = acme.token()
    acme.pass_time(14 * DAY)
    assert "newer link" in acme.get(token).words


def test_a_yes_is_not_offered_without_a_notice_that_covers_it():
    config = {"preferences": {"acme": {"name": "Acme", "programs": {"news": "News"}}}}
    with site(config) as found:
        page = found.get(found.token())
        assert re.search(r'value="m:news" disabled', page.text)
        assert "has not published a notice" in page.words


def test_a_notice_without_wording_here_says_whose_it_is():
    config = {"preferences": {"acme": {"name": "Acme", "notice": {"id": "signup", "version": 1}}}}
    with site(config) as found:
        assert "The wording is with Acme." in found.get(found.token()).words
        found.say("sharing.optout")
        assert "The wording is with Acme." in found.save(found.token(), **{"s_*": True}).words


def test_a_tenant_that_nobody_configured_has_a_page_all_the_same():
    with site({}) as found:
        found.say("consent.granted", scope="news")
        page = found.get(found.token())
        assert page.boxes()["m:news"]
        assert found.post(found.token(), [("do", "stop-channel")]).status == 303
        assert not found.allowed("news")


def test_while_the_lists_are_stale_a_no_counts_and_a_yes_is_not_offered(acme):
    for gate in acme.gates.values():
        gate.grow_stale()
    token = acme.token()
    page = acme.get(token)
    assert "We cannot tell how you stand right now" in page.words
    assert acme.save(token, m_news=False).status == 303
    assert acme.door.taken[0]["data"]["topics"] == {"news": False}


def test_without_gates_a_no_counts():
    with site(gates=False) as found:
        page = found.get(found.token())
        assert page.status == 200
        assert found.save(found.token(), m_news=False).status == 303
        assert found.door.taken[0]["data"]["topics"] == {"news": False}


def test_pages_of_one_tenant_say_nothing_of_another(acme):
    page = acme.get(acme.token(tenant="globex"))
    assert "News" not in page.words
    assert "Nothing is held." in page.words


def test_no_event_holds_an_address_and_all_were_understood(acme):
    token = acme.token()
    acme.save(token, m_news=False)
    acme.post(token, [("do", "stop-everything")])
    assert "@example.com" not in str(acme.door.taken).replace("m-1@mail.example.com", "")
    assert all(each["data"]["keys"] == [KEYS.subject("acme", "email", ANA).hex()] for each in acme.door.taken)
    assert POLICY["sources"].keys() >= {each["source"] for each in acme.door.taken}
