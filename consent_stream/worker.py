"""The processor as a process: what the `worker` command runs."""

from __future__ import annotations

import gc
import logging
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from confluent_kafka import KafkaException

from consent_stream.control import publish_control
from consent_stream.health import Health
from consent_stream.keyfile import DEVELOPMENT_WARNING, load_keys
from consent_stream.policyfile import load_policy
from consent_stream.registry import change_header
from consent_stream.settings import Settings, SettingsError
from consent_stream.topics import (
    Cluster,
    Unreachable,
    active_generation,
    check_incarnations,
    check_topics,
    read_control,
)
from consent_stream.tracing import Traces
from consent_stream.wire.control import (
    KEYS,
    Partitions,
    decode_keys,
    encode_keys,
    encode_partitions,
    encode_policy,
    encode_topics,
    named,
)
from consent_stream.wire.keys import Keyring
from consent_stream.wire.topics import CHANGES, EVENTS, LEDGER

log = logging.getLogger(__name__)
RETRY_S = 2.0
PATIENCE_S = 60.0
T = TypeVar("T")


def check_data_dir(path: Path) -> None:
    """Make the directory, with its parents, and see that files can be made in it.

    Errors: SettingsError.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except FileExistsError:
        raise SettingsError("data_dir", f"{path} is no directory") from None
    except OSError as error:
        raise SettingsError("data_dir", f"{path}: {error.strerror}") from error


def run_worker(
    settings: Settings,
    agents: Collection[str],
    *,
    generation: int | None = None,
    simulated_time: bool = False,
    health: Health | None = None,
    traces: Traces | None = None,
) -> NoReturn:
    """Run until SIGTERM. Exit: 0 stopped, 70 after a fault; errors before that are raised.

    generation: whose topics to work on; default the one that gates obey. simulated_time: see `check_topics`.
    health: is told how the worker stands. traces: where the stages leave spans.

    Errors: SettingsError; KeyFileError; TopicsRefused when a topic could lose a "no".
    """
    from consent_stream.engine import run  # the worker extra
    from consent_stream.topology.app import build_app

    policy, table = load_policy(settings.policy)
    if settings.keys is None:
        raise SettingsError("keys", "a worker needs the root key file; make one with `consent-stream keys new FILE`")
    roots = load_keys(settings.keys)
    if roots.derived:
        raise SettingsError("keys", f"{settings.keys} holds keys of single tenants; a worker needs the root key file")
    if roots.development:
        log.warning(DEVELOPMENT_WARNING.format(path=settings.keys))
    check_data_dir(settings.data_dir)
    keyring = Keyring(roots.keys, roots.current)
    if not policy.tenants:
        log.warning("no tenants in the policy: restrictions are applied, every grant is refused")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the app listens itself: nothing is begun yet
    chosen, cluster = _wait_for_topics(settings, generation, simulated_time)
    events = cluster.live[EVENTS.full(settings.topic_prefix)].partitions
    ledger = cluster.live[LEDGER.full(settings.topic_prefix, chosen)].partitions
    header = change_header(settings, CHANGES.full(settings.topic_prefix, chosen))
    control = _patiently(lambda: read_control(settings))
    check_keys(keyring, control, chosen)
    # The embedded broker has no topic ids, and no past.
    ids = {} if cluster.embedded else _patiently(lambda: check_incarnations(settings, control, chosen))
    records = [
        encode_partitions(Partitions(events, ledger)),
        encode_policy(table.get("tenants", {})),
        encode_keys(keyring.fingerprints()),
        *([encode_topics(ids)] if ids else []),
    ]
    publish_control(settings, [(named(name, chosen), value) for name, value in records])
    data_dir = settings.data_dir / f"g{chosen}" if chosen else settings.data_dir
    app = build_app(
        settings,
        policy,
        keyring,
        events=events,
        ledger=ledger,
        agents=agents,
        data_dir=data_dir,
        generation=chosen,
        change_header=header,
        traces=traces,
    )

    if health is not None:
        health.watch(app)

    @app.on_ready
    def ready(owned: Collection[Any]) -> None:
        of = f" of generation {chosen}" if chosen else ""
        found = {"stages": list(agents), "generation": chosen, "partitions": len(owned)}
        log.info("ready: %s on %d partitions%s", " and ".join(agents), len(owned), of, extra=found)
        print("ready", flush=True)

    # A slice holds thousands of records, and memory of keys hundreds of thousands of objects, none of them in cycles:
    # Python's defaults walk them all the time (a tenth of the stages' time even with (100_000, 20, 100)).
    gc.freeze()
    gc.set_threshold(200_000, 100, 1_000)
    run(app)


def check_keys(keyring: Keyring, control: Mapping[bytes, bytes], generation: int = 0) -> None:
    """Refuse keys that would write every "no" where no gate looks for it.

    Errors: SettingsError when a key id stands for another key than the one the lists are written with; WireError when
    the record of those cannot be read.
    """
    record = control.get(named(KEYS, generation))
    if record is None:
        return
    told = decode_keys(record)
    if other := keyring.differing(told):
        raise SettingsError(
            "keys", f"key {', '.join(other)} is not the one that these topics are written with; use that key file"
        )
    if gone := keyring.lacking(told):
        log.warning("the key file lacks key %s, under which rows stand: they are out of reach now", ", ".join(gone))


def _patiently(ask: Callable[[], T]) -> T:
    """The answer of a Kafka that has just come up or made its topics: it may take a while to know its own leaders.

    Errors: KafkaException when it still has none after a minute.
    """
    began = time.monotonic()
    while True:
        try:
            return ask()
        except KafkaException as error:
            waited = time.monotonic() - began
            if waited > PATIENCE_S:
                raise
            if waited > RETRY_S:
                log.warning("Kafka is not ready yet: %s; trying again", error.args[0])
            time.sleep(RETRY_S / 4)


def _wait_for_topics(settings: Settings, generation: int | None, simulated_time: bool) -> tuple[int, Cluster]:
    while True:
        try:
            chosen = _patiently(lambda: active_generation(settings)) if generation is None else generation
            return chosen, check_topics(settings, chosen, simulated_time=simulated_time)
        except Unreachable as error:
            log.warning("%s; trying again", error)
            time.sleep(RETRY_S)
