"""The performance: start the processes, play the acts, stop everything."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

from consent_stream.dev.demo.audit import quarantine, the_lists
from consent_stream.dev.demo.cast import ANA
from consent_stream.dev.demo.children import Children
from consent_stream.dev.demo.choices import (
    both_mailers_at_work,
    global_opt_out,
    late_grant,
    sharing,
    stop_text,
    unsubscribe,
)
from consent_stream.dev.demo.feed import Feed
from consent_stream.dev.demo.front import Front
from consent_stream.dev.demo.mailers import Mailers
from consent_stream.dev.demo.opening import who_may_be_mailed
from consent_stream.dev.demo.outage import worker_dies
from consent_stream.dev.demo.screen import Screen
from consent_stream.dev.demo.stage import WORKER_S, Stage
from consent_stream.keyfile import DEVELOPMENT_WARNING, development_keys
from consent_stream.settings import Settings, variable
from consent_stream.topics import TopicAdmin

ACTS: tuple[Callable[[Stage], None], ...] = (
    who_may_be_mailed, unsubscribe, stop_text, late_grant, global_opt_out, sharing, both_mailers_at_work, worker_dies,
    the_lists, quarantine,
)  # fmt: skip
MAILERS = ("mailer A", "mailer B")
EDGE = ("edge", "--port", "0", "--drain", "0")
START_S = 20.0
READ_S = 2.5  # between two acts, for those who watch


def run_demo(screen: Screen, stay: Callable[[str], None] | None = None) -> None:
    """Play all acts; every process is stopped when it returns, however that is. stay: is told the link of a preference
    page at the end, and everything runs until it returns.

    Errors: NotAsTold when something was not as the demo says; DevError when a process ends or cannot start;
    KafkaException when the broker does not take or give records.
    """
    began = time.monotonic()
    policy_file = files("consent_stream.dev").joinpath("policy.toml")
    with (
        tempfile.TemporaryDirectory(prefix="consent-stream-demo-") as home,
        as_file(policy_file) as policy,
        Children(Path(home), {}) as children,
    ):
        stage = _set_up(screen, children, Path(home), policy)
        try:
            for act in ACTS:
                act(stage)
                screen.pause(READ_S)
            if stay is not None:
                stay(stage.edge.page(ANA, "news"))
        finally:
            stage.feed.rest()
    screen.say(f"All of it held. {time.monotonic() - began:.0f} s, every process stopped.", good=True)


def _set_up(screen: Screen, children: Children, home: Path, policy: Path) -> Stage:
    keys = home / "keys.toml"
    development_keys(keys)
    screen.open(
        "consent-stream demo",
        [
            "An embedded broker, a worker, an edge and two mailers: processes that talk over TCP on this machine.",
            "The broker lives in memory and answers late: no durability and no latency is claimed for it.",
            DEVELOPMENT_WARNING.format(path=f"{keys} (gone at the end)"),
        ],
    )
    with screen.working("starting the broker"):
        broker = children.start("broker", "consent_stream", "dev", "broker")
        bootstrap = broker.await_line("ready ", START_S).removeprefix("ready ")
    settings = Settings(bootstrap=bootstrap, keys=keys, policy=policy, data_dir=home / "data")
    for name in ("bootstrap", "keys", "policy", "data_dir"):
        children.settings[variable(name)] = str(getattr(settings, name))
    pages = home / "edge.toml"
    pages.write_bytes(files("consent_stream.dev").joinpath("edge.toml").read_bytes())
    children.settings["CONSENT_EDGE_CONFIG"] = str(pages)
    TopicAdmin(settings).read()  # which makes them there
    began = time.monotonic()
    with screen.working("starting a worker, an edge and two mailers"):
        worker = children.start("worker", "consent_stream", "worker")
        edge = children.start("edge", "consent_stream", *EDGE)
        mailers = [children.start(name, "consent_stream.dev.demo.mailer", instructed=True) for name in MAILERS]
        worker.await_line("ready", WORKER_S)
        url = "http://" + edge.await_line("serving ", WORKER_S).removeprefix("serving ")
        for each in mailers:
            each.await_line('{"ready"', WORKER_S)
    screen.say(f"worker, edge and mailers ready after {time.monotonic() - began:.1f} s", good=True)
    return Stage(screen, settings, policy, children, Feed(settings), Mailers(mailers), worker, Front(url, keys))
