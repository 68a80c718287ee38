"""Acts 2 to 6: people change their minds, and both mailers obey."""

from __future__ import annotations

import time
from statistics import median

from consent_stream.dev.demo.cast import (
    ANA,
    CLEO,
    EVA,
    FINN,
    MANY,
    ago,
    event,
    mail,
    one_click,
    signed_up,
    text,
    texted,
)  # fmt: skip
from consent_stream.dev.demo.mailers import NotAsTold
from consent_stream.dev.demo.stage import Stage, delay_ms

LATER_S = 1.2  # our own clocks are believed to the second: a permission within it is not provably later


def unsubscribe(stage: Stage) -> None:
    """One person unsubscribes with one click, then ten more, one after the other."""
    stage.screen.act(
        2,
        "An unsubscribe",
        "Ana presses her mail client's unsubscribe button, which posts to the edge, while both mailers are sending.",
    )
    stage.say_turns(
        "Ana's news is refused",
        *stage.turn(lambda: stage.edge.one_click(ANA, "news"), [(mail(ANA, "news"), ("unsubscribed",))]),
    )
    stage.show(
        "What it ended, and what it did not",
        [
            (mail(ANA, "news"), ("unsubscribed",)),
            (mail(ANA, "news/weekly"), ("unsubscribed",)),
            (mail(ANA, "offers"), ()),
            (mail(ANA, "news", tenant="globex"), ()),
        ],
    )
    took = []
    with stage.screen.working(f"{len(MANY)} more people unsubscribe, one after the other"):
        for each in MANY:
            sent, turns = stage.turn(one_click(each, "news"), [(mail(each, "news"), ("unsubscribed",))])
            took += [delay_ms(sent, turn) for turn in turns]
    low, middle, high = min(took), median(took), max(took)
    stage.screen.say(
        f"{len(MANY)} more, each at both mailers: least {low:.0f} ms, median {middle:.0f} ms, most {high:.0f} ms "
        "(this broker answers late: no claim)",
        good=True, enforced_ms={"min": round(low, 1), "median": round(middle, 1), "max": round(high, 1)},
    )  # fmt: skip


def stop_text(stage: Stage) -> None:
    """STOP ends every text, START opens them again."""
    stage.screen.act(
        3,
        "A text: STOP",
        "Cleo answers a text with `Stop!!`. Her tenant's policy: that ends all texts, not only the program.",
    )
    deals, parcel = text(CLEO, "deals"), text(CLEO, "*", purpose="transactional")
    told = [(deals, ("sms_stop",)), (parcel, ("sms_stop",))]
    stage.say_turns("Texts to Cleo are refused", *stage.turn(texted(CLEO, "Stop!!"), told))
    stage.show("By text, and by e-mail", [*told, (mail(CLEO, "news"), ())])
    with stage.screen.working("a permission counts only when it is provably later"):
        time.sleep(LATER_S)
    stage.say_turns(
        "She texts START; texts to Cleo are allowed", *stage.turn(texted(CLEO, "Start"), [(deals, ()), (parcel, ())])
    )


def late_grant(stage: Stage) -> None:
    """What happened before an unsubscribe cannot undo it, whenever it arrives; what happened after can."""
    stage.screen.act(
        4, "A late arrival", "A form that Ana filled in yesterday was stuck on a tablet and arrives now, twice."
    )
    form = signed_up(ANA, "news", at=ago(days=1))
    stage.feed.prove([stage.feed.send(form), stage.feed.send(form)])
    with stage.screen.working("until both mailers have it"):
        stage.settle()
    stage.show("Nothing changes: it is older than her unsubscribe", [(mail(ANA, "news"), ("unsubscribed",))])
    time.sleep(LATER_S)
    data = signed_up(ANA, "news", at=ago())
    stage.say_turns("Ana signs up again today; her news is allowed", *stage.turn(data, [(mail(ANA, "news"), ())]))


def global_opt_out(stage: Stage) -> None:
    """An opt-out that names the contact alone reaches that person's addresses."""
    stage.screen.act(
        5,
        "Everything off, by phone",
        "Eva calls: no more marketing. The call centre knows her contact id, and no address.",
    )
    told = [(mail(EVA, "offers"), ("global_opt_out",)), (text(EVA, "deals"), ("global_opt_out",))]
    value = event("unsubscribe.global", "/callcentre", {"contact": EVA.contact})
    stage.say_turns("Eva's address and phone are both refused", *stage.turn(value, told))
    stage.show(
        "By address alone, and with the contact id",
        [*told, (mail(EVA, "offers", contact=EVA.contact), ("global_opt_out",))],
    )


def sharing(stage: Stage) -> None:
    """A browser's Global Privacy Control ends sharing, and nothing else."""
    stage.screen.act(
        6, "Sharing with partners", "Finn agreed twice to be handed on to partners. Now his browser sends Sec-GPC: 1."
    )
    handed_on = mail(FINN, "partners", purpose="sharing")
    value = event("signal.gpc", "/web", {"email": FINN.email, "channel": "email", "headers": ["1"]})
    stage.say_turns("Finn is handed on to nobody", *stage.turn(value, [(handed_on, ("sharing_opt_out",))]))
    stage.show("It does not touch what he reads", [(handed_on, ("sharing_opt_out",)), (mail(FINN, "news"), ())])


def both_mailers_at_work(stage: Stage) -> None:
    """What the two mailers handed over and refused meanwhile.

    Errors: NotAsTold when one of them did nothing.
    """
    rows = []
    for name, tally in zip(stage.mailers.names, stage.mailers.tallies(), strict=True):
        refused = ", ".join(
            f"{reason} {count}" for reason, count in sorted(tally["refused"].items(), key=lambda x: -x[1])
        )
        rows.append([name, str(tally["handed_over"]), refused, f"{tally['check_us']:.0f} µs"])
        if not tally["handed_over"] or "unsubscribed" not in tally["refused"]:
            raise NotAsTold(f"{name} handed over {tally['handed_over']} messages and refused {refused or 'none'}")
    stage.screen.table("Their campaigns meanwhile", ["mailer", "handed over", "refused", "a check takes"], rows)
