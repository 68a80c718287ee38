"""What the demo sends is what it says it sends; what it shows fits where it is shown; a wrong answer is noticed."""

import json
import tomllib
from importlib.resources import files
from itertools import islice

import pytest

from consent_stream.dev.demo import cast
from consent_stream.dev.demo.audit import quarantine
from consent_stream.dev.demo.children import Child
from consent_stream.dev.demo.crowd import PEOPLE, crowd
from consent_stream.dev.demo.feed import Sent
from consent_stream.dev.demo.lists import Record
from consent_stream.dev.demo.mailers import Answer, NotAsTold
from consent_stream.dev.demo.opening import WHO_MAY
from consent_stream.dev.demo.screen import JsonScreen, PlainScreen, choose_screen
from consent_stream.dev.demo.stage import Stage
from consent_stream.domain.events import CODES
from consent_stream.domain.facts import REASONS
from consent_stream.domain.policy import read_policy
from consent_stream.topology.intake import take_in
from consent_stream.wire.keys import Keyring

POLICY = read_policy(tomllib.loads(files("consent_stream.dev").joinpath("policy.toml").read_text()))
KEYS = Keyring({0: bytes(32)})


def code_of(value: bytes, offset: int = 0) -> str:
    now = int(cast.ago().timestamp() * 1_000_000)
    taken = take_in(value, now, (0, offset), POLICY, KEYS.subject)
    return taken.refusal.code if taken.refusal else ""


def test_garbage_is_refused_for_the_reason_told():
    told = cast.garbage()
    assert [code_of(value) for value, _ in told] == [code for _, code in told]
    codes = {code for _, code in told}
    assert len(codes) >= 10
    assert codes <= set(CODES)


def test_the_cast_is_understood():
    values = [*cast.opening(), cast.one_click(cast.ANA, "news"), cast.texted(cast.CLEO, "Stop!!")]
    assert [code_of(value) for value in values] == [""] * len(values)


def test_the_crowd_is_understood_but_for_the_garbage_it_says():
    said = list(islice(crowd(), PEOPLE + 4000))
    assert [code_of(value) for value, _ in said] == [code for _, code in said]
    assert 10 < sum(1 for _, code in said if code) < 100


def test_the_crowd_says_the_same_each_time_but_for_the_time_of_day():
    def kinds():
        return [json.loads(value)["type"] if not code else value for value, code in islice(crowd(), PEOPLE + 500)]

    assert kinds() == kinds()


def test_people_are_not_shown_by_their_address():
    for question, _ in WHO_MAY:
        assert question.address not in f"{question} {question!r}"
    assert "@" not in repr(cast.ANA)


def test_the_reasons_told_are_reasons():
    assert {reason for _, reasons in WHO_MAY for reason in reasons} <= set(REASONS)


class Told:
    """Mailers who say what they are told to say."""

    names = ("mailer A", "mailer B")

    def __init__(self, *answers: Answer) -> None:
        self.answers = answers

    def ask(self, questions, fresh=True):
        return [self.answers for _ in questions]


def stage(mailers=None, feed=None):
    return Stage(PlainScreen(), None, None, None, feed, mailers, None, None)


YES, NO = Answer(True, (), 0.1), Answer(False, ("unsubscribed",), 0.1)
ASKED = cast.mail(cast.ANA, "news")


def test_answers_as_told_pass(capsys):
    stage(Told(NO, NO)).show("title", [(ASKED, ("unsubscribed",))])
    assert "deny: unsubscribed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("answers", "reasons"),
    [
        ((YES, YES), ("unsubscribed",)),
        ((NO, YES), ("unsubscribed",)),  # one of two is enough
        ((YES, NO), ()),
        ((Answer(False, ("stale",), 9.0), NO), ("unsubscribed",)),  # refused, and yet not for what is told
    ],
)
def test_an_answer_that_is_not_as_told_ends_the_demo(answers, reasons):
    with pytest.raises(NotAsTold, match="Ana"):
        stage(Told(*answers)).show("title", [(ASKED, reasons)])


def test_a_refusal_that_was_there_before_is_not_taken_for_an_effect():
    with pytest.raises(NotAsTold, match="before anything was sent"):
        stage(Told(YES, NO)).turn(b"", [(ASKED, ("unsubscribed",))])


class Sender:
    def __init__(self, *sent: Sent) -> None:
        self.sent = list(sent)


def quarantined(value: bytes, code: str = "not_cloudevent") -> Record:
    headers = {
        "consent-error-code": code.encode(),
        "consent-error-partition": b"0",
        "consent-error-offset": b"7",
        "consent-error-message": b"",
    }
    return Record(2, 0, b"", value, headers)


@pytest.mark.parametrize(
    ("records", "held"),
    [
        ([quarantined(b"junk")], True),
        ([quarantined(b"junk"), quarantined(b"junk")], True),  # a worker that died between proof and commit
        ([quarantined(b"Junk")], False),
        ([quarantined(b"junk", "no_tenant")], False),
        ([], False),
    ],
)
def test_the_audit_sees_a_record_that_is_lost_or_altered(records, held, monkeypatch):
    monkeypatch.setattr("consent_stream.dev.demo.audit._read", lambda _stage, topics: {topics[0].name: records})
    audited = stage(feed=Sender(Sent(b"junk", "not_cloudevent", 0, 0, 7, 1), Sent(b"fine", "", 0, 0, 8, 1)))
    if held:
        quarantine(audited)
    else:
        with pytest.raises(NotAsTold, match="quarantine"):
            quarantine(audited)


@pytest.mark.parametrize("environ", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_without_a_terminal_lines_are_plain(environ, capsys):
    screen = choose_screen(False, environ)
    screen.open("title", ["line"])
    screen.act(1, "An act", "what will be seen")
    with screen.working("something"):
        screen.say("held", good=True, ms=3)
    screen.table("table", ["who", "answer"], [["Ana", "allow"], ["Benjamin", "deny: stale"]])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "     Ana       allow\n     Benjamin  deny: stale\n" in out


def test_json_lines_carry_the_figures(capsys):
    screen = choose_screen(True, {})
    assert isinstance(screen, JsonScreen)
    screen.open("title", ["line"])
    screen.act(1, "An act", "what will be seen")
    screen.say("held", good=True, enforced_ms={"mailer A": 3.5})
    screen.table("table", ["who", "answer"], [["Ana", "allow"]])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[2] == {"say": "held", "good": True, "enforced_ms": {"mailer A": 3.5}}
    assert lines[3]["rows"] == [{"who": "Ana", "answer": "allow"}]


def test_a_child_that_ends_is_told_with_its_last_words(tmp_path):
    child = Child("worker", ["consent_stream", "nosuchcommand"], tmp_path / "worker.log", {})
    with pytest.raises(Exception, match=r"worker ended with code 2: .*nosuchcommand"):
        child.line(20)
