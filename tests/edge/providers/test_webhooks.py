"""What each provider sends, signed and not, once and again; by the samples of its documentation."""

import asyncio
import time
from random import Random

import orjson
import pytest

from consent_stream.edge import providers
from consent_stream.edge.config import Config, ConfigError
from consent_stream.edge.providers.mail import read_mail
from consent_stream.edge.providers.reports import Forged, Malformed
from consent_stream.edge.providers.sns import Signatures, Unfetched
from consent_stream.edge.tokens import Link
from tests.edge.providers.served import CERTIFICATE, HOST, SAMPLES, SECRET, TOPIC, Site, sample

ANA = {"email": "ana@example.com", "channel": "email"}
HARD = ("delivery.bounced", {**ANA, "status": "5.1.1"})
SMS = {"MessageSid": "SM00000000000000000000000000000001", "To": "+12015550123", "MessageStatus": "failed"}


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def mails(name, token=""):
    return (SAMPLES / f"{name}.eml").read_bytes().replace(b"TOKEN", token.encode())


def hard_bounces(site):
    return {
        "ses": site.sns(sample("ses")),
        "ses-1": site.sns(sample("ses"), "1"),
        "sendgrid": site.sendgrid(sample("sendgrid")[:1]),
        "mailgun": site.mailgun(sample("mailgun")),
        "postmark": site.postmark(sample("postmark")),
        "mail": site.mail(mails("dsn")),
    }


KINDS = ["ses", "ses-1", "sendgrid", "mailgun", "postmark", "mail"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_hard_bounce_is_one_of_the_configured_tenant(site, kind):
    assert site.ask(*hard_bounces(site)[kind]) == 200
    assert site.told == [HARD]
    assert site.door.taken[0]["tenant"] == "acme"
    assert site.door.taken[0]["source"] == f"/edge/providers/{kind.partition('-')[0]}"


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_again_is_the_same_event_or_none(site, kind):
    request = hard_bounces(site)[kind]
    assert [site.ask(*request), site.ask(*request)] == [200, 200]
    assert len({each["id"] for each in site.door.taken}) == 1
    if kind != "mail":  # a mail has no time that could be believed: it is of the moment it comes
        assert all(each == site.door.taken[0] for each in site.door.taken)


@pytest.mark.parametrize("kind", KINDS)
def test_while_nothing_can_be_taken_the_provider_is_told_to_come_again_and_then_it_counts(site, kind):
    request = hard_bounces(site)[kind]
    site.door.away = True
    assert site.ask(*request) == 503
    site.door.away = False
    assert site.ask(*request) == 200
    assert site.told == [HARD]


@pytest.mark.parametrize("kind", ["ses", "ses-1", "sendgrid"])
def test_a_changed_byte_is_forged_and_has_no_effect(site, kind):
    path, body, headers = hard_bounces(site)[kind]
    assert site.ask(path, body.replace(b"ana@", b"eva@"), headers) == 401
    assert site.ask(path, body, {}) == (200 if kind.startswith("ses") else 401)
    assert all(data["email"] == "ana@example.com" for _, data in site.told)
    assert site.count(kind.partition("-")[0], "forged") >= 1


def test_wrong_secrets_are_forged(site):
    path, body, headers = site.mailgun(sample("mailgun"))
    assert site.ask(path, body.replace(b'"token":"t', b'"token":"u'), headers) == 401
    assert site.ask(*site.postmark(sample("postmark"), "another-secret-of-tests")) == 401
    assert site.ask(*site.mail(mails("dsn"), "another-secret-of-tests")) == 401
    path, body, headers = site.twilio(SMS)
    assert site.ask(path, body.replace(b"0123", b"0124"), headers) == 401
    assert site.ask(path + "?a=b", body, headers) == 401
    assert site.ask("/providers/nobody", body, headers) == 404
    assert site.door.taken == []


@pytest.mark.parametrize(
    "over",
    [
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com.evil.example/SimpleNotificationService-0123456789.pem"},
        {"SigningCertURL": "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"},
        {"SigningCertURL": "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"},
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com@evil.example/SimpleNotificationService-01234567.pem"},
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com/../../etc/passwd"},
        {"TopicArn": TOPIC + "x"},
        {"SignatureVersion": "3"},
        {"Type": "Other"},
    ],
)
def test_sns_certificates_come_from_one_place_and_for_one_topic(site, over):
    assert site.ask(*site.sns(sample("ses"), **over)) == 401
    assert site.door.taken == []


@pytest.mark.parametrize(
    ("url", "right"),
    [
        (HOST + "/?Action=ConfirmSubscription&Token=abc", True),
        ("https://evil.example/?Action=ConfirmSubscription&Token=abc", False),
        (HOST + ".evil.example/?Action=ConfirmSubscription", False),
        (HOST + "/other?Action=ConfirmSubscription", False),
    ],
)
def test_a_subscription_is_confirmed_at_its_own_host_alone(tmp_path, url, right):
    got = []

    async def fetch(url):
        got.append(url)
        return b""

    signatures = Signatures(TOPIC, fetch, time.time, tmp_path)
    if right:
        asyncio.run(signatures.confirm({"SubscribeURL": url}))
    else:
        with pytest.raises(Forged):
            asyncio.run(signatures.confirm({"SubscribeURL": url}))
    assert got == ([url] if right else [])


def test_certificates_are_fetched_once_checked_for_their_dates_and_not_asked_for_again_at_once(site, tmp_path):
    asked = []

    async def fetch(url):
        asked.append(url)
        if len(asked) == 1:
            raise OSError("away")
        return (tmp_path / CERTIFICATE).read_bytes()

    now = [time.time()]
    signatures = Signatures(TOPIC, fetch, lambda: now[0])
    message = orjson.loads(site.sns(sample("ses"))[1])
    for _ in range(2):
        with pytest.raises(Unfetched):
            asyncio.run(signatures.check(message))
    assert len(asked) == 1
    now[0] += 61
    for _ in range(2):
        asyncio.run(signatures.check(message))
    assert len(asked) == 2
    now[0] += 3 * 86_400  # it has ended
    with pytest.raises(Forged):
        asyncio.run(signatures.check(message))


def test_sendgrid_sends_batches_of_everything(site):
    assert site.ask(*site.sendgrid([*sample("sendgrid"), {"event": "bounce"}, 7])) == 200
    by_name = {data["email"].partition("@")[0]: (type, data) for type, data in site.told}
    assert by_name["ana"] == HARD
    assert by_name["bo"][1]["status"] == "5.2.2"
    assert by_name["cy"][0] == "feedback.complaint"
    assert by_name["di"][0] == "delivery.succeeded"
    assert by_name["ed"] == ("unsubscribe.link", {"email": "ed@example.com", "channel": "email"})
    assert by_name["flo"][1]["topics"] == {"news": False}
    assert by_name["gus"][0] == by_name["ida"][0] == "unsubscribe.link"
    assert not {"hal", "jo"} & set(by_name)  # a provider's word opens nothing
    assert (site.count("sendgrid", "ignored"), site.count("sendgrid", "malformed")) == (2, 2)


def test_ses_says_who_left_a_topic(site):
    assert site.ask(*site.sns(sample("ses_subscription"))) == 200
    assert site.told == [("preference.set", {**ANA, "topics": {"news": False}})]


def test_an_old_signature_still_forbids_and_permits_nothing_and_one_of_the_future_is_none(site):
    entries = [sample("sendgrid")[2], sample("sendgrid")[3]]
    assert site.ask(*site.sendgrid(entries, site.seconds - 301)) == 200
    assert [type for type, _ in site.told] == ["feedback.complaint"]
    assert site.count("sendgrid", "late") == 1
    assert site.ask(*site.sendgrid(entries, site.seconds + 301)) == 401
    assert site.ask(*site.mailgun(sample("mailgun"), at=site.seconds + 301)) == 401
    assert site.ask(*site.sns(sample("ses"), at=site.seconds + 301)) == 401


def test_a_token_of_mailgun_is_taken_once(site):
    assert site.ask(*site.mailgun(sample("mailgun"))) == 200
    assert site.ask(*site.mailgun({**sample("mailgun"), "recipient": "eva@example.com"})) == 200
    assert site.told == [HARD]
    assert site.count("mailgun", "repeated") == 1


def test_twilio_tells_of_numbers(site):
    assert site.ask(*site.twilio({**SMS, "ErrorCode": "30005"})) == 200
    assert site.ask(*site.twilio({**SMS, "MessageSid": "SM2", "ErrorCode": "21610"})) == 200
    assert site.ask(*site.twilio({**SMS, "MessageSid": "SM3", "MessageStatus": "queued"})) == 200
    number = {"phone": "+12015550123", "channel": "sms"}
    assert site.told == [("delivery.bounced", {**number, "status": "5.1.1"}), ("consent.withdrawn", number)]


def test_a_report_by_mail_believes_a_link_of_ours_before_what_it_says(site):
    key = site.edge.keys.subject("acme", "email", "bo@example.com")
    token = site.edge.links.mint(Link("acme", "email", (key,), "news", "m-1", int(time.time())))
    assert site.ask(*site.mail(mails("arf", token))) == 200
    assert site.ask(*site.mail(mails("dsn", token))) == 200
    assert site.ask(*site.mail(mails("arf", "A" + token))) == 200
    (complaint, said), (bounce, more), (_, named) = site.told
    assert (complaint, bounce) == ("feedback.complaint", "delivery.bounced")
    assert said["keys"] == more["keys"] == [key.hex()]
    assert "email" not in said | more
    assert named["email"] == "ana@example.com"


@pytest.mark.parametrize("kind", ["sendgrid", "mailgun", "postmark", "ses"])
def test_signed_garbage_is_400_and_has_no_effect(site, kind):
    sign = {"sendgrid": site.sendgrid, "mailgun": site.mailgun, "postmark": site.postmark, "ses": site.sns}[kind]
    for garbage in (7, "x", [[]], [None]):
        assert site.ask(*sign(garbage)) == 400, garbage
    assert site.door.taken == []


@pytest.mark.parametrize(
    "table",
    [
        {"kind": "other", "tenant": "acme"},
        {"kind": "mailgun", "tenant": "acme"},
        {"kind": "mailgun", "tenant": "acme", "signing_key_env": "UNSET"},
        {"kind": "mailgun", "signing_key_env": "SECRET"},
        {"kind": "ses", "tenant": "acme", "topic": "arn:aws:sqs:eu-west-1:1:x"},
        {"kind": "sendgrid", "tenant": "acme", "public_key": "AAAA"},
        {"kind": "postmark", "tenant": "acme", "password_env": "SECRET"},
        {"kind": "twilio", "tenant": "acme", "auth_token_env": "SECRET", "misspelt": 1},
        {"kind": "twilio", "tenant": "acme", "auth_token_env": "SECRET", "programs": {"a": "*"}},
    ],
)
def test_an_endpoint_that_cannot_be_is_named(site, table):
    site.edge.config = Config({"providers": {"one": table}}, {"SECRET": SECRET})
    with pytest.raises(ConfigError, match=r"providers\.one") as refused:
        providers.routes(site.edge)
    assert SECRET not in str(refused.value)


def test_no_mutation_of_a_report_brings_it_down():
    random = Random(7)
    read = 0
    for name in ("arf", "dsn"):
        whole = mails(name)
        for _ in range(1500):
            raw = bytearray(whole)
            for _ in range(random.randint(1, 8)):
                at = random.randrange(len(raw))
                raw[at : at + random.randint(0, 6)] = random.randbytes(random.randint(0, 6))
            try:
                read += bool(read_mail(bytes(raw)).ident)
            except Malformed:
                continue
    assert read > 1000
