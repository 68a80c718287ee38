"""How a command ends that can give no answer: exit 2, as for a wrong argument, and never like a "no"."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from confluent_kafka import KafkaException

from consent_stream.topics import Unreachable
from consent_stream.wire.avro import WireError


class Unanswered(click.ClickException):
    """What was asked cannot be answered: Kafka or a topic is away, or must not be obeyed."""

    exit_code = 2


@contextmanager
def answering() -> Iterator[None]:
    """Topics are read. Errors: Unanswered for whatever Kafka or a topic has against it."""
    from consent_stream.inspection.topicread import Unread

    try:
        yield
    except (Unreachable, Unread, WireError) as error:
        raise Unanswered(str(error)) from error
    except KafkaException as error:
        raise Unanswered(f"Kafka did not answer, or refused: {error.args[0].str()}") from error
