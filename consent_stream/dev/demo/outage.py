"""Act 7: the worker dies. Nobody is mailed on old knowledge, and nothing that was accepted meanwhile is lost."""

from __future__ import annotations

import time

from consent_stream.dev.demo.cast import BEN, CLEO, LEO, mail, one_click, text
from consent_stream.dev.demo.mailer import STALENESS_LIMIT_S
from consent_stream.dev.demo.stage import Stage

STALE_S = 30.0
BACK_S = 60.0


def worker_dies(stage: Stage) -> None:
    """kill -9, an unsubscribe that nobody reads, both mailers refuse everything; a new worker, and all is as it was."""
    stage.screen.act(
        7,
        "The worker dies",
        f"kill -9. The gates hear nothing more, and answer for at most {STALENESS_LIMIT_S:g} s (10 by default).",
    )
    watched = [mail(BEN, "news"), text(CLEO, "deals")]
    stage.show("Before", [(each, ()) for each in watched])
    stage.children.kill(stage.worker)
    killed = time.monotonic()
    stage.feed.tell(one_click(LEO, "news"))
    stage.screen.say("Leo unsubscribes meanwhile: Kafka has it, nobody has read it")
    with stage.screen.working("both mailers notice that they know nothing new"):
        stage.mailers.await_all(watched, lambda answer: "stale" in answer.reasons, STALE_S)
    took = time.monotonic() - killed
    stage.screen.say(f"{took:.1f} s after it died both refuse everybody", good=True, stale_s=round(took, 1))
    _show_stale(stage)
    with stage.screen.working("a new worker starts, restores its state and takes up where the old one stood"):
        ready = stage.start_worker()
        back = stage.mailers.await_all(watched, lambda answer: answer.allow, BACK_S)
        stage.settle()
    stage.screen.say(
        f"ready after {ready:.1f} s, both mailers send again {back:.1f} s later", good=True, ready_s=round(ready, 1)
    )
    stage.show("After", [*((each, ()) for each in watched), (mail(LEO, "news"), ("unsubscribed",))])


def _show_stale(stage: Stage) -> None:
    asked = [mail(BEN, "news"), mail(LEO, "news")]
    answers = stage.mailers.ask(asked, fresh=False)
    rows = [[each.who, str(each), *map(str, both)] for each, both in zip(asked, answers, strict=True)]
    stage.screen.table("Meanwhile", ["who", "may we send …", *stage.mailers.names], rows)
