"""Mail to the edge over a real SMTP connection: what counts, what does not, and what a hostile client gets."""

import asyncio
import logging
import re
import smtplib
import socket
import time
from contextlib import suppress

import pytest

from consent_stream.edge.config import Config, ConfigError
from consent_stream.edge.providers import inbox
from consent_stream.edge.providers.inbox import Post, listening, post_of
from consent_stream.edge.providers.mail import read_mail
from consent_stream.edge.providers.reports import Malformed
from consent_stream.edge.providers.twilio import signature
from consent_stream.edge.tokens import Link
from consent_stream.gate import Gate
from tests.edge.process import EdgeProcess, token
from tests.edge.providers.served import SAMPLES, Site
from tests.faults.deployment import await_that, deployed

BOX = "unsubscribe@example.com"
POST = Post("127.0.0.1", 0, frozenset([BOX]))


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def served(site, work):
    """`work` with the port, on a thread, while mail is taken."""

    async def during():
        async with listening(site.edge, POST) as place:
            return await asyncio.to_thread(work, int(place.rpartition(":")[2]))

    return asyncio.run(during())


def answer(port, raw, to=BOX, sender="ana@example.com"):
    """The code of the last step, and its words."""
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.ehlo("tests")
        assert client.mail(sender)[0] == 250
        code, words = client.rcpt(to)
        return (
            (code, words.decode()) if code != 250 else (lambda found: (found[0], found[1].decode()))(client.data(raw))
        )


def sent(site, raw, **more):
    return served(site, lambda port: answer(port, raw, **more))


def minted(site, email="bo@example.com", tenant="acme"):
    key = site.edge.keys.subject(tenant, "email", email)
    return key, site.edge.links.mint(Link(tenant, "email", (key,), "news", "m-1", int(time.time())))


def letter(subject, *headers):
    return "\r\n".join(["From: <ana@example.com>", f"Subject: {subject}", *headers, "", "please"]).encode()


def mails(name, token):
    return (SAMPLES / f"{name}.eml").read_bytes().replace(b"\n", b"\r\n").replace(b"TOKEN", token.encode())


def test_a_mail_with_a_link_of_ours_unsubscribes_whom_the_link_names(site):
    key, right = minted(site)
    folded = f"{right[:60]}\r\n {right[60:]}"
    encoded = f"=?utf-8?q?{right[:40].replace('_', '=5F')}?=\r\n =?utf-8?q?{right[40:].replace('_', '=5F')}?="
    raws = [letter(each) for each in (right, f"Re: {right}", folded, encoded)]
    raws.append(letter("unsubscribe", f"X-Consent-Token: {right}"))
    assert served(site, lambda port: [answer(port, raw)[0] for raw in raws]) == [250] * len(raws)
    said = {"keys": [key.hex()], "channel": "email", "scope": "news", "message_id": "m-1"}
    assert site.told == [("unsubscribe.mailto", said)] * len(raws)
    assert {(each["source"], each["tenant"]) for each in site.door.taken} == {("/edge/mail", "acme")}


def test_a_mail_without_a_link_of_ours_is_refused_with_words_and_changes_nothing(site):
    _, right = minted(site)
    raws = [
        letter("unsubscribe"),
        letter(right[:-1] + ("A" if right[-1] != "A" else "B")),
        letter("no", f"List-Unsubscribe: <https://consent.example.com/u/{right}>"),  # a mail of ours that came back
        mails("arf", "A" * 90),  # a forged report names ana@example.com
        mails("dsn", "A" * 90),
        b"Content-Type: multipart/report; report-type=feedback-report; boundary=x\r\n\r\n--x--",
    ]
    answers = served(site, lambda port: [answer(port, raw) for raw in raws])
    assert [code for code, _ in answers] == [550] * len(raws)
    assert all("unsubscribe button" in words for _, words in answers[:5])
    assert site.door.taken == []


def test_reports_are_of_the_link_that_comes_back_and_never_of_the_address_they_name(site):
    key, right = minted(site)
    nobody = mails("dsn", "none")
    assert served(site, lambda port: [
        answer(port, mails("arf", right), sender="")[0],
        answer(port, mails("dsn", right), sender="")[0],
        answer(port, nobody, to=f"unsubscribe+{right}@example.com", sender="")[0],
        answer(port, mails("dsn", right).replace(b"Action: failed", b"Action: delivered"))[0],
        answer(port, letter("Out of office"), to=f"unsubscribe+{right}@example.com")[0],
    ]) == [250, 250, 250, 250, 550]  # fmt: skip
    assert [type for type, _ in site.told] == ["feedback.complaint", "delivery.bounced", "delivery.bounced"]
    assert all(said["keys"] == [key.hex()] and "email" not in said for _, said in site.told)


@pytest.mark.parametrize("returned", ["message/rfc822-headers", "message/global-headers", "message/global"])
def test_a_returned_message_is_read_under_every_name_that_it_has(site, returned):
    key, right = minted(site)
    raw = mails("dsn", right).replace(b"text/rfc822-headers", returned.encode())
    assert sent(site, raw)[0] == 250
    assert [(type, said["keys"]) for type, said in site.told] == [("delivery.bounced", [key.hex()])]


def test_a_bounce_of_a_hundred_recipients_is_read():
    one = b"Final-Recipient: rfc822;ana@example.com"
    raw = mails("dsn", "none").replace(one, b"\r\n\r\n".join([one + b"\r\nStatus: 5.1.1"] * 100))
    assert len(read_mail(raw).told) == 100


@pytest.mark.parametrize("many", [b'Content-Type: multipart/report; a="b"', b"Content-Type: multipart/mixed; a*1*=b"])
def test_a_header_of_a_stranger_does_not_cost_the_square_of_its_length(many):
    name, _, parameter = many.partition(b";")
    before = time.process_time()
    read_mail(name + (b";" + parameter) * (700_000 // len(parameter)) + b"\r\n\r\n")
    assert time.process_time() - before < 1  # it was 5 s and more


def test_a_mail_of_boundaries_alone_is_refused_before_it_is_taken_apart():
    before = time.process_time()
    with pytest.raises(Malformed, match="too many parts"):
        read_mail(b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 140_000)
    assert time.process_time() - before < 1


def test_what_the_door_does_not_take_is_to_be_sent_again(site):
    _, right = minted(site)
    site.door.away = True
    assert sent(site, letter(right))[0] == 451
    site.door.away, site.door.spooling = False, True
    site.edge.metrics = type(site.edge.metrics)()  # figures are of one listener
    assert sent(site, letter(right))[0] == 250
    assert len(site.door.taken) == 1


def test_no_relay_and_bounds(site, monkeypatch):
    _, right = minted(site)
    monkeypatch.setattr(inbox, "MOST_CONNECTIONS", 2)
    monkeypatch.setattr(inbox, "MOST_BYTES", 3 * 1024 * 1024)

    def work(port):
        assert answer(port, letter(right), to="eva@elsewhere.example")[0] == 550
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            client.ehlo("tests")
            client.mail("a@example.com")
            assert [client.rcpt(BOX)[0] for _ in range(11)] == [250] * 10 + [452]
            assert not client.has_extn("auth")
            with smtplib.SMTP("127.0.0.1", port, timeout=20):
                full = smtplib.SMTP(timeout=20)
                assert full.connect("127.0.0.1", port)[0] == 421
                full.close()
        await_that("both are gone", lambda: smtplib.SMTP(timeout=20).connect("127.0.0.1", port)[0] == 220, 10)
        with suppress(smtplib.SMTPException, OSError):
            assert answer(port, (b"x" * 900 + b"\r\n") * 1300)[0] == 552
        with socket.create_connection(("127.0.0.1", port), timeout=20) as endless:
            endless.sendall(b"EHLO a\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<" + BOX.encode() + b">\r\nDATA\r\n")
            with pytest.raises((BrokenPipeError, ConnectionResetError)):  # a line without an end is not kept
                endless.sendall(b"x" * (100 * 1024 * 1024))
        assert answer(port, letter(right))[0] == 250

    served(site, work)
    assert len(site.door.taken) == 1


@pytest.mark.parametrize(("bound", "busy"), [("IDLE_S", False), ("LONGEST_S", True)])
def test_a_connection_ends(site, monkeypatch, bound, busy):
    monkeypatch.setattr(inbox, bound, 0.5)
    monkeypatch.setattr(inbox, "MOST_COMMANDS", 1_000_000)

    def work(port):
        began, gone = time.monotonic(), suppress(ConnectionResetError, BrokenPipeError)
        with gone, socket.create_connection(("127.0.0.1", port), timeout=20) as slow:
            slow.sendall(b"EHLO a\r\n")
            while slow.recv(4096):
                assert time.monotonic() - began < 20
                if busy:  # a client that always says something
                    time.sleep(0.02)
                    slow.sendall(b"NOOP\r\n")
        return True

    assert served(site, work)


def test_garbage_is_answered_and_nothing_of_a_mail_is_logged(site, caplog):
    caplog.set_level(logging.DEBUG)
    _, right = minted(site)
    boundaries = b"".join(b"--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n" for _ in range(3000))
    raws = [
        b"", b"\0\r\n\0", b"Subject: \xff\xfe\r\n\r\n", b"Subject: =?utf-8?b?!!!?=\r\n\r\n", b"A: b\r\n" * 30_000,
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + boundaries,
        b"Content-Type: message/rfc822\r\n\r\n" * 5000,
    ]  # fmt: skip

    def work(port):
        began = time.monotonic()
        codes = [answer(port, raw)[0] for raw in raws]
        with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
            raw.sendall(b"\xff\xff\r\nMAIL FROM:<\r\nEHLO\r\nRCPT TO:ana@example.com\r\nQUIT\r\n")
            while raw.recv(4096):
                pass
        return codes, time.monotonic() - began, answer(port, letter(right), sender="ana@example.com")[0]

    codes, seconds, last = served(site, work)
    assert codes == [550] * len(raws)
    assert seconds < 20
    assert last == 250
    assert len(site.door.taken) == 1
    assert "@example.com" not in caplog.text
    assert right not in caplog.text


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"recipients": []}, "mail.recipients"),
        ({"recipients": ["nobody"]}, "mail.recipients"),
        ({"recipients": [BOX], "listen": "25"}, "mail.listen"),
        ({"recipients": [BOX], "listen": "localhost:99999"}, "mail.listen"),
        ({"recipients": [BOX], "relay": True}, "mail.relay"),
    ],
)
def test_a_table_that_cannot_be_is_named(table, named):
    with pytest.raises(ConfigError, match=re.escape(named)):
        post_of(Config({"mail": table}))


def test_without_a_table_nothing_listens_and_loopback_is_the_default():
    assert post_of(Config({})) is None
    assert post_of(Config({"mail": {"recipients": [BOX.upper()]}})) == Post("127.0.0.1", 8725, frozenset([BOX]))


def test_twilios_own_example_of_a_signature():
    # Twilio, "Security", validating requests; the second one of its PHP and C# libraries' tests: a field that repeats.
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    fields = {"CallSid": "CA1234567890ABCDE", "Caller": "+14158675309", "Digits": "1234", "From": "+14158675309"}
    pairs = [*fields.items(), ("To", "+18005551212")]
    assert signature(b"12345", url, pairs) == b"RSOYDt4T1cUTdK1PDd93/VVr8B8="
    repeated = [("Sid", "CA123"), ("SidAccount", "AC123"), *(("Digits", each) for each in ("5678", "1234", "1234"))]
    assert signature(b"12345", url, repeated) == b"IK+Dwps556ElfBT0I3Rgjkr1wJU="


def test_a_text_by_twilio_is_taken_once_and_a_changed_one_never(site):
    fields = {"MessageSid": "SM1", "From": "+12015550123", "Body": "Stop"}
    path, body, headers = site.twilio(fields, "/sms/twilio")
    assert [site.ask(path, body, headers) for _ in range(2)] == [200, 200]
    assert site.told == [("sms.inbound", {"phone": "+12015550123", "channel": "sms", "text": "Stop"})]
    assert site.ask(path, body.replace(b"Stop", b"Start"), headers) == 401
    assert site.ask(*site.twilio({**fields, "MessageSid": "SM2", "Body": "NIX", "OptOutType": "STOP"}, path)) == 200
    assert [said["text"] for _, said in site.told[1:]] == ["NIX", "STOP"]


@pytest.mark.kafka
def test_a_mail_on_the_real_kafka_is_obeyed_and_one_of_a_stranger_is_not(kafka, tmp_path):
    policy = '[tenants.acme]\nbasis.marketing = "legitimate_interest"\n'
    policy += '[sources."/edge/mail"]\nclock = "ours"\nmax_evidence = "E1"\ntenants = ["acme"]\n'
    with deployed(kafka, tmp_path, "edge-mail-", policy) as deployment:
        (tmp_path / "edge.toml").write_text(f'[mail]\nlisten = "127.0.0.1:0"\nrecipients = ["{BOX}"]\n')
        arguments = ("--without-gates", "--drain", "0", "--config", str(tmp_path / "edge.toml"))
        edge = EdgeProcess(deployment, "edge", *arguments)
        worker = deployment.worker("w1").start()
        try:
            worker.await_ready()
            edge.start()
            port = int(re.search(r"mail at 127\.0\.0\.1:(\d+)", edge.log)[1])
            assert answer(port, letter(token()))[0] == 250
            assert answer(port, mails("arf", token("bo@example.com")))[0] == 250
            assert answer(port, mails("dsn", "none"))[0] == 550
            with Gate(deployment.settings, channel="email", store=tmp_path / "list") as gate:
                assert gate.wait_ready(60)
                for name, scope, reason in (("ana", "news", "unsubscribed"), ("bo", "*", "complaint")):
                    asked = {"tenant": "acme", "email": f"{name}@example.com", "scope": scope}
                    await_that(reason, lambda asked=asked, reason=reason: reason in gate.check(**asked).reasons, 30)
                assert gate.check(tenant="acme", email="cy@example.com", scope="news").allow
            assert "example.com" not in edge.log
            assert edge.stop() == 0
        finally:
            edge.close()
            worker.close()
