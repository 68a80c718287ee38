"""What one run needs: topics under a fresh prefix, policy and keys, a worker process. All of it goes at the end."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from consent_stream.dev.leash import leashed
from consent_stream.settings import Settings, variable
from consent_stream.topics import SIMULATED_PREFIX, TIMEOUT, TopicAdmin
from consent_stream.wire.keys import ROOT_KEY_BYTES, Keyring
from consent_stream.wire.topics import EVENTS, TOPICS

log = logging.getLogger(__name__)
PARTITIONS = 2  # the fewest on which events can overtake each other
STOP_S = 15.0
GONE_ALREADY = (
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.GROUP_ID_NOT_FOUND,
    # A worker that crashed is a member until its session lapses; then the group, which has lost the topics of all its
    # offsets, is forgotten by Kafka itself (offsets.retention.check.interval.ms).
    KafkaError.NON_EMPTY_GROUP,
)
SAYS_WHY = re.compile(r"consent-stream: |FAIL-STOP|[\w.]+(Error|Exception)\b")
OURS = ("bootstrap", "topic_prefix", "policy", "keys", "data_dir", "worker_id")  # the rest is how Kafka is spoken to
ROOT_KEY = bytes(ROOT_KEY_BYTES)  # WIRE §4
KEY_FILE = f'# Of scenarios, for fictional people alone.\ncurrent = 0\n\n[keys]\n0 = "{ROOT_KEY.hex()}"\n'
KEYRING = Keyring({0: ROOT_KEY})
# Append times are given, lie years back or ahead, and the broker must neither replace, refuse nor expire them.
SIMULATED_EVENTS = replace(
    EVENTS,
    retention_ms=-1,
    config={
        **EVENTS.config,
        "message.timestamp.type": "CreateTime",
        "message.timestamp.after.max.ms": str((1 << 63) - 1),
    },
)


class Deployment:
    """A deployment for as long as its `with` block; the worker is started, not awaited.

    settings: how to reach Kafka; its prefix and files are replaced by those of this run, as in `self.settings`.
    Enter it on a thread that lives at least as long: the worker dies with that thread (`leash`).
    Errors: Unreachable, KafkaException.
    """

    def __init__(self, settings: Settings, policy: Mapping[str, Any]) -> None:
        self._given, self._policy = settings, policy
        self._undo = ExitStack()
        self.settings = settings
        self._log = Path()
        self._worker: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            folder = Path(undo.enter_context(TemporaryDirectory(prefix="consent-stream-sim-")))
            self._log = folder / "worker.log"
            self.settings = replace(
                self._given,
                topic_prefix=f"{SIMULATED_PREFIX}{uuid.uuid4().hex[:12]}-",
                policy=folder / "policy.json",
                keys=folder / "keys.toml",
                data_dir=folder / "data",
                worker_id=None,
            )
            self._write_files()
            undo.callback(self._remove_from_kafka)  # before they are made, for half of them may be
            topics = {SIMULATED_EVENTS if each is EVENTS else each: each for each in TOPICS}
            counts = {made: each.partitions if each.fixed else PARTITIONS for made, each in topics.items()}
            TopicAdmin(self.settings).create(counts, replication=1)
            undo.callback(self._stop_worker)
            self._start_worker()
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._undo.close()

    def why_ended(self) -> str | None:
        """What the worker said of it, if it is no longer there."""
        if self._worker is None or self._worker.poll() is None:
            return None
        said = [line for line in self._log.read_text(errors="replace").splitlines() if line.strip()] or ["no word"]
        # The first error says why; the last ones tell of what fell down after it.
        return f"code {self._worker.returncode}: {next(filter(SAYS_WHY.match, said), said[-1])}"

    def _write_files(self) -> None:
        assert self.settings.policy is not None
        assert self.settings.keys is not None
        self.settings.policy.write_text(json.dumps(self._policy))
        self.settings.keys.touch(mode=0o600)
        self.settings.keys.write_text(KEY_FILE)

    def _start_worker(self) -> None:
        ours = {name: getattr(self.settings, name) for name in OURS}
        replaced = {variable(name) for name in OURS}
        environ = {name: value for name, value in os.environ.items() if name not in replaced}
        environ |= {variable(name): str(value) for name, value in ours.items() if value is not None}
        command = leashed([sys.executable, "-m", "consent_stream", "worker", "--simulated-time"])
        with self._log.open("wb") as output:
            # A session of its own: Ctrl-C reaches us alone, and we stop the worker before its topics go.
            self._worker = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=output,
                env=environ,
                start_new_session=True,
            )

    def _stop_worker(self) -> None:
        if self._worker is None:
            return
        self._worker.terminate()
        try:
            self._worker.wait(STOP_S)
        except subprocess.TimeoutExpired:
            log.warning("a worker did not stop within %.0f s and was killed", STOP_S)
            self._worker.kill()
            self._worker.wait()

    def _remove_from_kafka(self) -> None:
        """Away with the topics and the groups of this prefix, whichever there are."""
        prefix = self.settings.topic_prefix
        assert prefix.startswith(SIMULATED_PREFIX)
        admin = AdminClient({**self.settings.librdkafka(), "log_level": 0})
        names = [topic.full(prefix) for topic in TOPICS]
        gone = dict(admin.delete_topics(names, operation_timeout=TIMEOUT, request_timeout=TIMEOUT))
        listed = admin.list_consumer_groups(request_timeout=TIMEOUT).result().valid
        groups = [group.group_id for group in listed if group.group_id.startswith(prefix)]
        if groups:
            gone |= admin.delete_consumer_groups(groups, request_timeout=TIMEOUT)
        for name, future in gone.items():
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].code() not in GONE_ALREADY:
                    log.warning("%s stays in Kafka: %s", name, error.args[0].str())


def reach(bootstrap: str, environ: Mapping[str, str]) -> Settings:
    """How to speak to a Kafka, and nothing of a deployment that `environ` may name. Errors: SettingsError."""
    ours = {variable(name) for name in OURS}
    link = {name: value for name, value in environ.items() if name not in ours}
    return Settings.read({"bootstrap": bootstrap, "topic_prefix": SIMULATED_PREFIX}, link)
