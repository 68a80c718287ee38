"""How a command ends that can give no answer: exit 2, as for a wrong argument, and never like a "no"."""

import click


class Unanswered(click.ClickException):
    """What was asked cannot be answered: Kafka or a topic is away, or must not be obeyed."""

    exit_code = 2
