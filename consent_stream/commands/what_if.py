"""`consent-stream what-if`: who would be answered otherwise under another policy."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import lmdb
from confluent_kafka import KafkaException
from rich.console import Console
from rich.progress import Progress

from consent_stream.commands.options import settings_options
from consent_stream.commands.screen import printable
from consent_stream.commands.stopping import asked_to_stop
from consent_stream.commands.what_if_report import fields, line, show
from consent_stream.domain.policy import Policy
from consent_stream.domain.times import parse_instant
from consent_stream.gate.scrub.outputs import Draft
from consent_stream.inspection.topicread import Told, Unread
from consent_stream.keyfile import load_keys
from consent_stream.policyfile import load_policy
from consent_stream.rebuild.retained import Gone
from consent_stream.rebuild.trial import Trial, Tried, try_policy
from consent_stream.rebuild.whatif import Flip, judged_tenants
from consent_stream.settings import Settings, SettingsError
from consent_stream.topics import Unreachable, active_generation, read_control
from consent_stream.wire.avro import WireError
from consent_stream.wire.control import POLICY, decode_policy, named
from consent_stream.wire.keys import Keyring


class Untried(click.ClickException):
    """It could not be tried: Kafka, a topic, a file or room is missing."""

    exit_code = 2


@click.command()
@click.option("--tenant", help="Of this tenant alone. Default: of all.")
@click.option("--at", metavar="TIME", help="Decide for that instant (RFC 3339). Default: now.")
@click.option(
    "--list", "listed", type=click.Path(dir_okay=False, path_type=Path), help="Write there who flips, a key a line."
)
@click.option("--limit", type=click.IntRange(0, 10_000), default=50, show_default=True, help="Rows to show.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@settings_options("policy", "keys")
def command(
    settings: Settings, tenant: str | None, at: str | None, listed: Path | None, limit: int, as_json: bool
) -> int:
    """Tell which addresses --policy would allow or deny otherwise, if it were in force. It writes --list and no more.

    `decision` flips come true for everybody when workers start with this policy: min_evidence, allow_migrated, basis.
    `intake` flips tell what all other settings would have made of the events that are still in consent.events (7 days);
    facts in the ledger stay as they were qualified, so these settings act on what comes in from then on.

    Exit 0: nobody flips, 1: somebody does, 2: it could not be tried. Needs room for two tables in TMPDIR.

    \b
    consent-stream what-if --policy new.toml --keys keys.toml
    consent-stream what-if --policy new.toml --keys keys.toml --tenant acme --list flips.txt
    """
    now = time.time_ns() // 1000
    instant = now if at is None else parse_instant(at)
    if instant is None:
        raise click.BadParameter("an RFC 3339 time with a zone is expected", param_hint="--at")
    new, keyring = _inputs(settings)
    try:
        trial = _trial(settings, new, keyring, tenant, instant, now)
        tried = _tried(settings, trial, listed)
    except (Unreachable, Unread, Gone, WireError) as error:
        raise Untried(str(error)) from error
    except KafkaException as error:
        raise Untried(f"Kafka did not answer, or refused: {error.args[0]}") from error
    except lmdb.Error as error:
        raise Untried(f"the temporary file (TMPDIR): {error}") from error
    except OSError as error:
        raise Untried(f"{error.filename or 'the list, or the temporary file'}: {error.strerror or error}") from error
    told = fields(trial, tried, limit)
    if as_json:
        click.echo(json.dumps(told))
    else:
        show(told)
    return 1 if told["flipped"] or told["everyone_else"] else 0


def _inputs(settings: Settings) -> tuple[Policy, Keyring]:
    if settings.policy is None:
        raise SettingsError("policy", "the policy to try is needed")
    new, _ = load_policy(settings.policy)
    if settings.keys is None:
        raise SettingsError("keys", "the root key file is needed: events are taken in anew")
    roots = load_keys(settings.keys)
    if roots.derived:
        raise SettingsError("keys", f"{settings.keys} holds keys of single tenants; the root key file is needed")
    return new, Keyring(roots.keys, roots.current)


def _trial(settings: Settings, new: Policy, keyring: Keyring, tenant: str | None, at: int, now: int) -> Trial:
    from consent_stream.topology.app import group_id  # the worker extra
    from consent_stream.worker import check_keys

    generation, control = active_generation(settings), read_control(settings)
    record = control.get(named(POLICY, generation))
    if record is None:
        raise Untried("no worker has started yet: there is no policy to compare with")
    old = decode_policy(record)
    if tenant is not None and not judged_tenants(old, new, tenant):
        raise click.UsageError(f"--tenant {printable(tenant)}: neither policy knows it")
    check_keys(keyring, control, generation)
    return Trial(old, new, keyring, at, now, tenant, generation, group_id(settings.topic_prefix, generation))


def _tried(settings: Settings, trial: Trial, listed: Path | None) -> Tried:
    draft = None if listed is None else Draft(listed)

    def flipped(key: bytes, found: Sequence[Flip]) -> None:
        if draft is not None:
            draft.write("".join(f"{line(key, flip)}\n" for flip in found).encode())

    try:
        with _progress() as tell:
            tried = try_policy(settings, trial, tell, flipped)
        if draft is not None:
            draft.finish()
            draft.place()
        return tried
    except BaseException:  # Ctrl-C too: a list is there whole or not at all
        if draft is not None:
            draft.discard()
        raise


@contextmanager
def _progress() -> Iterator[Callable[[str], Told]]:
    """A bar on a terminal; and where the work ends when it is asked to."""
    console = Console(stderr=True)
    with asked_to_stop() as stopped, Progress(console=console, transient=True, disable=not console.is_terminal) as bar:

        def tell(what: str) -> Told:
            task = bar.add_task(what, total=None)

            def told(done: int, total: int) -> None:
                bar.update(task, completed=done, total=total)
                if code := stopped():
                    raise SystemExit(code)

            return told

        yield tell
