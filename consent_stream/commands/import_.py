"""`consent-stream import`: lists that people have, as events; or what they would change."""

import codecs
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import click
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from consent_stream.commands import import_report as report
from consent_stream.commands.enforced import await_enforced, last_offsets
from consent_stream.commands.options import Seconds, settings_options
from consent_stream.commands.stopping import asked_to_stop
from consent_stream.importing.events import Batch, BatchError, default_batch, read_notice
from consent_stream.importing.formats import FORMATS
from consent_stream.importing.restart import Progress, RestartFault, load, remove
from consent_stream.importing.rows import FIELDS, STATUSES, Reading
from consent_stream.importing.sending import send
from consent_stream.importing.source import FileFault, digest
from consent_stream.importing.survey import Survey, items, survey
from consent_stream.publisher import Publisher, Unproven
from consent_stream.settings import Settings, SettingsError
from consent_stream.topics import TopicAdmin, Unreachable
from consent_stream.wire.topics import EVENTS

FAULTY = 3  # exit: all was done, and some lines need a look
OF_A_ROW = ("scope", "method", "origin", "notice", "region")


class List(NamedTuple):
    """One file of the import. identity: see `Progress`, without the cluster."""

    path: Path
    reading: Reading
    batch: Batch
    identity: dict[str, str]
    restart_file: Path


@dataclass(frozen=True)
class Asked:
    """The command line."""

    settings: Settings
    dry_run: bool
    as_json: bool
    wait: float | None
    timeout: float


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(list(FORMATS)), required=True, help="Whose export it is.")
@click.option("--tenant", required=True, help="Whose list it is.")
@click.option("--channel", type=click.Choice(("email", "sms")), default="email", show_default=True)
@click.option("--scope", default="", help="Program, or program/topic, of rows that name none. Default: all (*).")
@click.option("--status", type=click.Choice(STATUSES), help="What every row is, where the file does not say it.")
@click.option("--source", help="Source of the events, as the policy has it. Default: /import/FORMAT.")
@click.option("--batch", help="Batch id, to void the file by. Default: from its content.")
@click.option("--method", default="", help="How consent was given; for subscribed rows that do not say it.")
@click.option("--origin", default="", help="Where consent was given, likewise.")
@click.option("--notice", default="", metavar="ID@VERSION", help="The notice that was shown, likewise.")
@click.option("--region", default="", metavar="XX", help="Country of national phone numbers.")
@click.option("--encoding", default="utf-8", show_default=True, help="Of CSV files, such as cp1252.")
@click.option(
    "--column", "columns", multiple=True, metavar="FIELD=NAME", help=f"Where a field is: {', '.join(FIELDS)}."
)
@click.option("--dry-run", is_flag=True, help="Publish nothing; tell what would change. Needs --policy and --keys.")
@click.option("--timeout", type=Seconds(), default=60.0, show_default=True, help="Of --dry-run: to read the list in.")
@click.option("--wait", type=Seconds(), metavar="SECONDS", help="Until enforced in a gate; exit 1 if not in time.")
@click.option("--restart-file", type=click.Path(path_type=Path), help="Default: FILE.import-state, beside it.")
@click.option("--json", "as_json", is_flag=True, help="The summary as one JSON object.")
@settings_options("policy", "keys")
def command(
    settings: Settings,
    files: tuple[Path, ...],
    form: str,
    status: str | None,
    encoding: str,
    columns: tuple[str, ...],
    batch: str | None,
    source: str | None,
    restart_file: Path | None,
    **given: Any,
) -> int:
    """Send the rows of lists that you have to consent.events: suppressions, bounces, complaints, subscribers.

    Every file is read to its end before anything is sent. A row that restricts is applied as one; a subscribed row is a
    permission only with its date, method, origin and notice, and never against a no that stands. The same file makes
    the same events, so to import it again changes nothing; after a crash the same command goes on where it was.

    Exit 0; 3 when lines need a look (all others are sent); 1 when Kafka did not take it all, or a dry run could not
    read the list; 2 when a file or an option cannot be used, and then nothing was sent.

    \b
    aws sesv2 list-suppressed-destinations > ses.json
    consent-stream import ses.json --format ses --tenant acme --dry-run
    consent-stream import audience.zip --format mailchimp --tenant acme --scope news \\
        --method form --origin www.example.com --notice n1@3 --wait 60
    """
    if restart_file is not None and len(files) > 1:
        raise click.UsageError("--restart-file is for one FILE")
    if given["channel"] not in FORMATS[form].channels:
        raise click.UsageError(f"--format {form} has no lists of channel {given['channel']}")
    reading = Reading(FORMATS[form], given["channel"], status or "", _encoding(encoding), _columns(columns))
    shared = {name: given[name] for name in ("tenant", "channel", *OF_A_ROW)}
    asked = Asked(settings, given["dry_run"], given["as_json"], given["wait"], given["timeout"])
    try:
        lists = [_list(path, reading, batch, source or f"/import/{form}", shared, restart_file) for path in files]
        with report.bar() as bar:
            surveys = []
            for each in lists:
                bar.begin(f"reading {each.path.name}")
                surveys.append(survey(each.path, each.reading, each.batch, bar.seen))
            return _dry_run(asked, lists, surveys, bar) if asked.dry_run else _import(asked, lists, surveys, bar)
    except (FileFault, RestartFault, BatchError) as error:
        raise click.UsageError(str(error)) from error
    except (Unreachable, Unproven) as error:
        raise click.ClickException(str(error)) from error
    except KafkaException as error:
        raise click.ClickException(f"Kafka: {error.args[0].str()}") from error


def _encoding(name: str) -> str:
    try:
        codecs.lookup(name)
        b"".decode(name)  # some codecs are none of text
    except (LookupError, ValueError):
        raise click.BadParameter(f"{name!r} is no encoding", param_hint="--encoding") from None
    return name


def _columns(given: Sequence[str]) -> dict[str, str]:
    found = {}
    for each in given:
        field, equals, name = each.partition("=")
        if not equals or field not in FIELDS or not name:
            raise click.BadParameter(f"FIELD=NAME, a field is one of {', '.join(FIELDS)}", param_hint="--column")
        found[field] = name
    return found


def _list(
    path: Path, reading: Reading, batch: str | None, source: str, shared: dict[str, str], restart_file: Path | None
) -> List:
    sha256 = digest(path)
    told = Batch(source=source, id=batch or default_batch(sha256), digest=sha256, **shared)
    how = (reading.format.name, reading.status, reading.encoding, sorted(reading.columns.items()))
    identity = {"file": sha256, "batch": told.id, "tenant": told.tenant, "source": source}
    identity["options"] = json.dumps([how, shared])
    return List(path, reading, told, identity, restart_file or path.with_name(f"{path.name}.import-state"))


# -- for real ----------------------------------------------------------------------------------------


def _import(asked: Asked, lists: Sequence[List], surveys: Sequence[Survey], bar: report.Bar) -> int:
    settings = asked.settings
    topic = EVENTS.full(settings.topic_prefix)
    if topic not in TopicAdmin(settings).read().live:
        raise click.ClickException(f"no topic {topic}: consent-stream topics apply")
    _warn(settings, lists[0].batch, surveys)
    cluster = str(AdminClient({**settings.librdkafka(), "log_level": 0}).list_topics(topic, timeout=10).cluster_id)
    begun = [load(each.restart_file, {**each.identity, "cluster": cluster, "topic": topic}) for each in lists]
    _check_still_there(settings, lists, begun)
    publisher, furthest, resumed = Publisher(settings), dict[int, int](), sum(each.rows for each in begun)
    started = time.monotonic()
    with asked_to_stop() as stopped:
        for each, found, progress in zip(lists, surveys, begun, strict=True):
            bar.begin(f"importing {each.path.name}", found.rows, progress.rows)
            rows = items(each.path, each.reading, each.batch)
            _send(each, rows, publisher, progress, stopped, bar)
            for partition, offset in progress.furthest.items():
                furthest[partition] = max(offset, furthest.get(partition, -1))
            if code := stopped():
                raise _stopped(each, code)
        for each in lists:  # only now: what is behind a crash in the second file knows that the first is through
            remove(each.restart_file)
    seconds = time.monotonic() - started
    bar.close()
    summary = report.Summary([(each.path, each.batch, found) for each, found in zip(lists, surveys, strict=True)])
    summary.sent(furthest, resumed, seconds)
    summary.show(asked.as_json)
    if asked.wait is not None:
        await_enforced(settings, furthest, asked.wait)
    return FAULTY if summary.faulty else 0


def _check_still_there(settings: Settings, lists: Sequence[List], begun: Sequence[Progress]) -> None:
    """What an earlier run had proven must not be gone, as it is when the topic was made anew. Errors: RestartFault."""
    if not any(each.furthest for each in begun):
        return
    last = last_offsets(settings)
    for each, progress in zip(lists, begun, strict=True):
        if any(last.get(partition, -1) < offset for partition, offset in progress.furthest.items()):
            told = "the topic was made anew since that import began; remove it to begin anew"
            raise RestartFault(f"{each.restart_file}: {told}")


def _send(each: List, rows: Any, publisher: Publisher, progress: Progress, stopped: Any, bar: report.Bar) -> None:
    try:
        send(rows, publisher, progress, each.restart_file, lambda: bool(stopped()), bar.seen)
    except OSError as error:
        raise RestartFault(f"{each.restart_file}: {error.strerror or 'cannot be written'}: --restart-file") from error
    except Unproven as error:
        raise Unproven(f"{each.path}, lines counted as rows: {error}; the same command goes on from there") from error
    if digest(each.path) != each.identity["file"]:
        raise FileFault(f"{each.path}: changed while it was imported; {each.restart_file.name} tells how far it came")


def _stopped(each: List, code: int) -> click.ClickException:
    stopped = click.ClickException(f"stopped; the same command goes on from {each.restart_file}")
    stopped.exit_code = code
    return stopped


def _warn(settings: Settings, batch: Batch, surveys: Sequence[Survey]) -> None:
    """What will keep every permission of the import from counting, as far as the policy tells."""
    if not any(each.fates["subscribed"] for each in surveys):
        return
    if settings.policy is None:
        click.echo(f"no --policy: whether {batch.source} is registered for {batch.tenant} was not looked at", err=True)
        return
    from consent_stream.policyfile import load_policy

    policy, _ = load_policy(settings.policy)
    if policy.source(batch.source, batch.tenant) is None:
        told = f"source {batch.source} is not registered for tenant {batch.tenant}: permissions go to quarantine"
        click.echo(f"warning: {told} (unknown_source), and restrictions count from now", err=True)
    elif (notice := read_notice(batch.notice)) and (batch.tenant, notice[0], str(notice[1])) not in policy.notices:
        click.echo(f"warning: the policy has no notice {batch.notice}: permissions under it go to quarantine", err=True)
    elif not policy.tenant(batch.tenant).allow_migrated:
        told = f"tenant {batch.tenant} does not allow_migrated: imported permissions (E1) are kept and do not count"
        click.echo(f"warning: {told}", err=True)


# -- as a question -----------------------------------------------------------------------------------


def _dry_run(asked: Asked, lists: Sequence[List], surveys: Sequence[Survey], bar: report.Bar) -> int:
    from consent_stream.gate import Gate, MemoryReplica
    from consent_stream.importing.difference import Comparison
    from consent_stream.keyfile import load_keyring
    from consent_stream.policyfile import load_policy

    settings = asked.settings
    if settings.policy is None or settings.keys is None:
        name = "keys" if settings.keys is None else "policy"
        raise SettingsError(name, "is needed for --dry-run, the one that the workers have")
    policy, _ = load_policy(settings.policy)
    keyring, replica = load_keyring(settings.keys), MemoryReplica()
    _warn(settings, lists[0].batch, surveys)
    with Gate(settings, channel=lists[0].batch.channel, store=replica, report=False) as gate:
        bar.begin("reading the list")
        if not gate.wait_ready(asked.timeout):
            trouble = gate.status().trouble or "not ready"
            raise click.ClickException(f"the list could not be read within {asked.timeout:g} s: {trouble}")
        comparison = Comparison(lists[0].batch, replica.get, keyring, policy, time.time_ns() // 1000)
        for each, found in zip(lists, surveys, strict=True):
            bar.begin(f"comparing {each.path.name}", found.rows)
            comparison.take(bar.counted(items(each.path, each.reading, each.batch)))
        difference = comparison.difference()
    bar.close()
    summary = report.Summary([(each.path, each.batch, found) for each, found in zip(lists, surveys, strict=True)])
    summary.compared(difference)
    summary.show(asked.as_json)
    return FAULTY if summary.faulty else 0
