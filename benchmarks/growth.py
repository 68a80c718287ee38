"""P8: does the whole product keep its rate as the keys grow? The same number of events about more and more people.

One worker: a second one on the same two cores, which the broker shares, would measure the machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.deployment import Deployment
from benchmarks.environments import say
from benchmarks.product import OURS, Course, ProductLap, run_lap
from benchmarks.product_input import fill


@dataclass(frozen=True, slots=True)
class GrowthLap:
    """keys: subject keys that the events left with state."""

    keys: int
    lap: ProductLap


def growth(bootstrap: str, scratch: Path, *, events: int, people: Sequence[int], repeats: int) -> list[GrowthLap]:
    """people: how many the events may be about, in rising order; half of the events fall on few of them.

    Errors: LapFailed when the lists of a lap are not the oracle's, or a process breaks.
    """
    courses = []
    for number, count in enumerate(people):
        deployment = Deployment(bootstrap, scratch / f"growth{number}", f"p8n{number}-")
        deployment.make_topics()
        say(f"P8: writing {events:,} events about {count:,} people …")
        given = fill(deployment, events, count)
        courses.append(Course(OURS, deployment, given, deployment.start_worker, f"p8n{number}-consent-stream"))
    results = []
    for lap in range(repeats):
        for course in courses:
            result = GrowthLap(len(course.given.registers), run_lap(course, scratch))
            say(f"P8: lap {lap + 1}/{repeats}, {result.keys:,} keys: {result.lap.rate:,.0f} events/s")
            results.append(result)
    return results
