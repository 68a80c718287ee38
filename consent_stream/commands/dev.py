"""`consent-stream dev kafka` and `consent-stream dev broker`: brokers in the foreground."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from consent_stream.dev.errors import DevError


@click.group()
def command() -> None:
    """Brokers for a laptop, in the foreground, on loopback only.

    Each prints one line `ready HOST:PORT` on stdout when it answers, and ends with exit 0 on SIGTERM or Ctrl-C.
    """


@command.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1; 0 is a free one.")
@click.option("--data", type=click.Path(file_okay=False, path_type=Path), help="Keep records here; default: temporary.")
def kafka(port: int, data: Path | None) -> None:
    """A real Kafka (from Maven Central, cached; needs JDK 17+ and, the first time, Maven).

    \b
    consent-stream dev kafka
    consent-stream dev kafka --port 9092 --data ./kafka-data
    """
    from consent_stream.dev.kafka import LocalKafka

    broker = LocalKafka(port, data, say=_say)
    with _until_stopped():
        try:
            broker.start()
            _ready(broker.bootstrap)
            code = broker.wait()
            raise DevError(f"Kafka ended by itself with code {code}")
        finally:
            broker.stop()


@command.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port to start from; 0 is a free one.")
def broker(port: int) -> None:
    """The embedded broker: no Java, memory only, no durability.

    With --port, clients start from that port and are told the broker's own one, also on loopback, for the rest.
    """
    from consent_stream.dev.broker import BANNER, EmbeddedBroker

    _say(BANNER)
    with _until_stopped(), EmbeddedBroker(port) as embedded:
        _ready(embedded.bootstrap)
        signal.pause()


@contextmanager
def _until_stopped() -> Iterator[None]:
    """Run the block until SIGTERM, SIGINT or SIGHUP, which end it in order; a DevError becomes one line and exit 1."""
    for each in (signal.SIGTERM, signal.SIGHUP):  # as SIGINT: KeyboardInterrupt, also while Kafka still starts
        signal.signal(each, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        pass
    except DevError as error:
        raise click.ClickException(str(error)) from error


def _ready(bootstrap: str) -> None:
    click.echo(f"ready {bootstrap}")
    sys.stdout.flush()  # whoever started us reads this line through a pipe


def _say(line: str) -> None:
    click.echo(line, err=True)
