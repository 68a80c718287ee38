"""Act 1: who may be mailed, and why the others may not."""

from __future__ import annotations

from consent_stream.dev.demo.cast import (
    ANA,
    BEN,
    CLEO,
    DAN,
    EVA,
    FINN,
    GUS,
    HANA,
    IVY,
    JO,
    NIA,
    garbage,
    mail,
    opening,
    text,
)  # fmt: skip
from consent_stream.dev.demo.crowd import PEOPLE, campaign, crowd
from consent_stream.dev.demo.stage import Stage, Told

WHO_MAY: tuple[Told, ...] = (
    (mail(ANA, "news"), ()),
    (mail(ANA, "offers"), ()),
    (mail(ANA, "events"), ("no_consent",)),
    (mail(ANA, "news", tenant="globex"), ()),
    (mail(BEN, "news"), ()),
    (text(CLEO, "deals"), ()),
    (mail(DAN, "news"), ("unsubscribed",)),
    (mail(EVA, "offers"), ()),
    (text(EVA, "deals"), ()),
    (mail(FINN, "partners", purpose="sharing"), ()),
    (mail(GUS, "news"), ("evidence_too_low",)),
    (mail(HANA, "news"), ("no_consent",)),
    (mail(IVY, "news/launches"), ()),
    (mail(IVY, "news/weekly"), ("topic_opt_out", "no_consent")),
    (mail(JO, "news"), ("undeliverable",)),
    (mail(NIA, "news"), ("no_consent",)),
)


def who_may_be_mailed(stage: Stage) -> None:
    """Forms, imports, preferences, a bounce and garbage arrive; both mailers answer for each of the cast."""
    stage.screen.act(
        1,
        "Who may be mailed",
        "Forms, files, preferences and a bounce arrive. Each mailer asks its own gate, in its own memory.",
    )
    with stage.screen.working(f"{PEOPLE} people fill in a form, and the cast of this story tells what it wants"):
        others = crowd()
        sent = [
            stage.feed.send(value, code, one_of_many=True)
            for _, (value, code) in zip(range(PEOPLE), others, strict=False)
        ]
        sent += [stage.feed.send(value) for value in opening()]
        sent += [stage.feed.send(value, code) for value, code in garbage()]
        stage.feed.prove(sent)
        stage.settle()
    stage.feed.stream(others)
    stage.mailers.campaign(campaign())
    stage.screen.say(
        f"{len(sent)} events accepted and enforced; more keep coming, and both mailers keep sending", good=True
    )
    stage.show("The answers", WHO_MAY)
    oldest = max(each.staleness or 0 for both in stage.mailers.ask([told[0] for told in WHO_MAY]) for each in both)
    stage.screen.say(
        f"Every answer says how fresh it is: these knew everything accepted until {oldest:.1f} s ago",
        staleness_s=oldest,
    )
    stage.screen.say(
        "Dan signed up four months ago, and a file says that he unsubscribed a month later: the later word holds"
    )
    stage.screen.say("Gus is subscribed by the word of a file alone; Hana's form came without the notice she was shown")
