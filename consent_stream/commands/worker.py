"""`consent-stream worker`: the processor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from confluent_kafka import KafkaException

from consent_stream.commands.options import settings_options
from consent_stream.commands.serving import serving_metrics
from consent_stream.commands.tracing import tracing
from consent_stream.logs import log_to_stderr
from consent_stream.settings import Settings
from consent_stream.topics import TopicsRefused
from consent_stream.wire.avro import WireError

if TYPE_CHECKING:
    from consent_stream.health import Health

AGENTS = ("intake", "state")


@click.command()
@settings_options("policy", "keys", "data_dir", "worker_id", "log_format", "registry_url")
@click.option(
    "--agents",
    default=",".join(AGENTS),
    show_default=True,
    help="Which stages run here: intake, state or both. Workers of one deployment may differ; each stage needs one.",
)
@click.option(
    "--metrics",
    metavar="[HOST:]PORT",
    envvar="CONSENT_METRICS",
    show_envvar=True,
    help="Serve Prometheus metrics there, /readyz and /livez; on loopback without HOST. Default: nowhere.",
)
@click.option(
    "--generation",
    type=click.IntRange(0, 999_999),
    envvar="CONSENT_GENERATION",
    show_envvar=True,
    help="Work on the topics of a rebuild. Default: the generation that gates obey.",
)
@click.option("-v", "--verbose", is_flag=True, help="Log more.")
# For `simulate --through` alone: a flag and no variable, so that no environment can bring it along.
@click.option("--simulated-time", is_flag=True, hidden=True)
def command(
    settings: Settings,
    agents: str,
    metrics: str | None,
    generation: int | None,
    verbose: bool,
    simulated_time: bool,
) -> None:
    """Take events in, keep the table of consent, publish the suppression lists.

    Logs `ready` when its partitions are restored. Stops cleanly on SIGTERM (exit 0); ends with another code after a
    fault, and repeats what was not proven when it is started again.

    \b
    Example:
      consent-stream worker --policy policy.toml --keys keys.toml --data-dir data --worker-id w1
    """
    chosen = tuple(dict.fromkeys(name.strip() for name in agents.split(",") if name.strip()))
    if not chosen or any(name not in AGENTS for name in chosen):
        raise click.BadParameter(f"{agents!r}: choose of {', '.join(AGENTS)}", param_hint="--agents")
    health = _serve(metrics) if metrics else None
    stages = tuple(name for name in AGENTS if name in chosen)
    run(settings, stages, generation=generation, verbose=verbose, simulated_time=simulated_time, health=health)


def run(
    settings: Settings,
    stages: tuple[str, ...] = AGENTS,
    *,
    generation: int | None = None,
    verbose: bool = False,
    simulated_time: bool = False,
    health: Health | None = None,
) -> None:
    """Be a worker until SIGTERM. Errors: ClickException in one line for what stands in the way of a start."""
    from consent_stream.engine import failure  # the worker extra
    from consent_stream.worker import run_worker

    lines = log_to_stderr("worker", settings.log_format, worker=settings.worker_id, verbose=verbose)
    # As text the last words stand by themselves: a formatter would quote the exception, and that may quote a record.
    failure.formatter = lines if settings.log_format == "json" else None
    try:
        with tracing(settings, "worker") as traces:
            run_worker(
                settings, stages, generation=generation, simulated_time=simulated_time, health=health, traces=traces
            )
    except (TopicsRefused, WireError) as error:
        raise click.ClickException(str(error)) from error
    except KafkaException as error:
        raise click.ClickException(f"Kafka did not answer, or refused: {error}") from error


def _serve(where: str) -> Health:
    from consent_stream.health import Health, serve

    health = Health()
    serving_metrics(where, lambda host, port: serve(host, port, health))
    return health
