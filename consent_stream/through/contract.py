"""All runs of a scenario, and what did not hold in them: answers, quarantine codes, state."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event

from consent_stream.scenario import Arrival, Scenario
from consent_stream.settings import Settings
from consent_stream.simulate import Report, expected_digest, wrong_answers, wrong_codes
from consent_stream.through.deployment import PARTITIONS, Deployment
from consent_stream.through.sending import Broken, send_and_ask

AT_ONCE = 3  # much of a worker's start is waiting
Records = Sequence[tuple[int, Arrival]]  # (partition, arrival)


def why_unsendable(scenario: Scenario) -> str | None:
    """Why Kafka cannot carry these append times, which it keeps in whole milliseconds since 1970; None when it can."""
    for number, arrival in enumerate(scenario.arrivals):
        if arrival.received % 1000:
            return f"events[{number}].received is finer than Kafka's millisecond"
        if arrival.received <= 0:  # librdkafka takes 0 for now, and Kafka nothing below
            return f"events[{number}].received is before 1970"
    return None


def run_all(scenarios: Sequence[Scenario], settings: Settings) -> Generator[Report, None, None]:
    """Run scenarios, several at a time; reports come in their order. None may be unsendable.

    Close the iterator to end early; either way it returns when every worker has ended and every topic is gone.
    Errors: Unreachable or KafkaException when Kafka does not do what is asked.
    """
    stop = Event()
    pool = ThreadPoolExecutor(AT_ONCE, "simulation")
    try:
        yield from pool.map(partial(_run, settings=settings, stop=stop), scenarios)
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


def _run(scenario: Scenario, settings: Settings, stop: Event) -> Report:
    """One scenario in its order, and where all orders must do also backwards and twice, each on fresh topics."""
    report = Report(scenario.name, scenario, [], {}, "", 0)
    wanted = expected_digest(scenario)
    for told, records in _runs(scenario):
        report.orders += 1
        try:
            with Deployment(settings, scenario.policy_table) as deployment:
                found = send_and_ask(scenario, records, deployment, stop)
        except Broken as error:
            report.faults.append(f"{told}: {error}")
            break
        if report.orders == 1:
            report.answers, report.quarantined, report.state_digest = found[:3]
        faults = [*wrong_answers(scenario, found.answers), *wrong_codes(scenario, found.quarantined)]
        faults += found.disagreeing
        if found.state_digest != wanted:
            faults.append("consent.state holds other bytes than the rules come to without a broker")
        report.faults += [f"{told}: {fault}" for fault in faults]
    return report


def _runs(scenario: Scenario) -> Iterator[tuple[str, Records]]:
    given = scenario.arrivals
    yield "in the order given", [(0, arrival) for arrival in given]  # one partition keeps it
    if scenario.orders == "all":
        again = [*reversed(given), *reversed(given)]
        yield "backwards and twice", [(i % PARTITIONS, arrival) for i, arrival in enumerate(again)]
