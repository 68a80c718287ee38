"""`consent-stream gate follow` as a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from consent_stream.dev.leash import leashed


def start(worker, store, channel="email", **popen):
    """A follower of a list into `store`; `worker` says where its Kafka is."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    arguments = ["gate", "follow", "--store", str(store), "--channel", channel]
    link = ["--bootstrap", worker.bootstrap, "--topic-prefix", worker.prefix]
    command = leashed([sys.executable, "-m", "consent_stream", *arguments, *link])
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=environment, **popen)


@contextmanager
def following(worker, store, **popen) -> Iterator[subprocess.Popen[str]]:
    """A follower while the block runs; it must end cleanly."""
    with start(worker, store, **popen) as follower:
        try:
            yield follower
        finally:
            follower.send_signal(signal.SIGTERM)
            code = follower.wait(10)
        assert code == 0, follower.stderr.read()
