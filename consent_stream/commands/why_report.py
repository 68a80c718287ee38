"""A chain for people: the answer in a sentence, the story behind it, then where each thing lies."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from consent_stream.commands.screen import clock, console, plain, printable
from consent_stream.inspection.whychain import Chain, Event, SendTold

MOST_SENDS = 20
COMES_TO = {
    "stands": "forbids it",
    "lifted": "was lifted",
    "cleared": "was cleared",
    "not_asked": "does not matter here",
    "counts": "permits it",
    "void": "is void",
    "not_yet": "does not count yet",
    "expired": "has expired",
    "too_weak": "is too weak",
    "later": "had not happened",
    "replaced": "was replaced",
    "answered": "was answered",
    "over": "is over",
    "lifts": "lifts",
    "voids": "voids",
    "answers": "answers",
}


def show(chain: Chain) -> None:
    """Print it. No address is in it."""
    screen = console()
    screen.print(Text(printable(chain.sentence), style="bold green" if chain.allow else "bold red"))
    screen.print(Text(f"  {_asked(chain)}", style="dim"), soft_wrap=True)
    for line in chain.story:
        screen.print(Text(f"  {printable(line)}"), soft_wrap=True)
    if chain.beside:
        screen.print(Text(f"  … and {chain.beside} events about something else"))
    for caution in chain.cautions:
        screen.print(Text(f"  ! {printable(caution)}", style="yellow"), soft_wrap=True)
    if chain.permission is not None:
        screen.print(Text(f"  {printable(_notice(chain))}"), soft_wrap=True)
    if chain.events:
        screen.print(_facts(chain.events))
    if chain.lists:
        screen.print(_lists(chain))
    if chain.gates:
        screen.print(_gates(chain))
    if chain.sends:
        screen.print(_sends(chain.sends))
    for subject in chain.subjects:
        known = "" if subject.known else ", of which nothing is known"
        screen.print(Text(f"  {subject.kind} key {subject.key}{known}", style="dim"), soft_wrap=True)
    for each in chain.damaged:
        where = f"{each.topic} {each.partition}:{each.offset}"
        screen.print(Text(f"  unreadable: {where} ({each.why})", style="yellow"))


def _asked(chain: Chain) -> str:
    rules = f"basis {chain.basis}, evidence of E{chain.min_evidence} or more"
    through = f"all that was accepted before {clock(chain.through)} is in" if chain.through else "freshness unknown"
    about = f"tenant {printable(chain.tenant)}, list {chain.channel}, {chain.purpose}, scope {printable(chain.scope)}"
    return f"{about}; at {clock(chain.at)}, by what was known at {clock(chain.known_at)}; {rules}; {through}"


def _notice(chain: Chain) -> str:
    given = chain.permission
    assert given is not None
    text = "unknown here (--policy names it)" if given.sha256 is None else given.sha256
    what = f"notice {given.notice_id} version {given.notice_version}, sha256 {text}"
    return f"permitted by event {given.event}: evidence E{given.level}, until {clock(given.until)}, {what}"


def _facts(events: tuple[Event, ...]) -> Table:
    """Each part of each fact, with the places of its event and of the fact itself."""
    table = Table("", "", "fact", "about", "received", "event", "events", "ledger", "key", box=None, pad_edge=False)
    for event in events:
        for fact in event.facts:
            kind = fact.kind + (" (derived)" if fact.derived else "")
            for part in fact.parts:
                came = COMES_TO.get(part.comes_to, "") + (f" by {', '.join(part.by)}" if part.by else "")
                what = f"grant E{part.level}" if part.kind == "grant" else f"{part.kind} {part.about}".strip()
                where = (f"{event.partition}:{event.offset}", f"{fact.partition}:{fact.offset}", kind)
                cells = (came, what, part.node, clock(event.received), event.id, *where)
                table.add_row("→" if event.decides else "", *map(plain, cells))
    return table


def _lists(chain: Chain) -> Table:
    table = Table("list", "key", "status", "reasons", "version", "caused by", "event", box=None, pad_edge=False)
    for each in chain.lists:
        reasons = ", ".join((*each.reasons, *(f"scope {scope}" for scope in each.blocked_scopes)))
        cause = f"{each.cause_partition}:{each.cause_offset}"
        version = f"{each.version} (generation {each.generation})"
        table.add_row(*map(plain, (each.list, each.kind, each.status, reasons, version, each.cause, cause)))
    return table


def _gates(chain: Chain) -> Table:
    table = Table("gate", "host", "has the deciding event", "since at the latest", box=None, pad_edge=False)
    for each in chain.gates:
        said = "yes" if each.state == "reached" else f"{each.state}: {each.lag or 'has it, and says nothing any more'}"
        table.add_row(*map(plain, (each.name, each.host, said, clock(each.since))))
    return table


def _sends(sends: tuple[SendTold, ...]) -> Table:
    table = Table("message", "sender", "at", "outcome", "the gate said", "and by the facts", box=None, pad_edge=False)
    for each in sends[-MOST_SENDS:]:
        said = "yes" if each.allow else f"no: {', '.join(each.reasons)}"
        table.add_row(*map(plain, (each.message_id, each.sender, clock(each.at), each.outcome, said, _judged(each))))
    if len(sends) > MOST_SENDS:
        table.caption = f"the last {MOST_SENDS} of {len(sends)}"
    return table


def _judged(send: SendTold) -> str:
    if send.late_by is not None:
        return f"late by {send.late_by / 1000:.1f} ms"
    if send.permitted is None:
        return ""
    return "permitted" if send.permitted else "without permission"
