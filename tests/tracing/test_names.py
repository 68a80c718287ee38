"""Which events are traced and how their spans are called: the same in every process, and never a look too many."""

from __future__ import annotations

import random

import pytest

from consent_stream.tracing.names import Sampling, list_span, remote, span_id, trace_id

STEPS = [1, 2, 4, 64, 128, 1024, 1 << 20]


@pytest.mark.parametrize(("ratio", "step"), [(1, 1), (0.5, 2), (0.001, 1024), (0.01, 128), (1e-9, 1 << 20)])
def test_a_ratio_is_the_nearest_step(ratio: float, step: int) -> None:
    assert Sampling.of(ratio) == Sampling(step)


def test_none_are_traced_with_ratio_0_and_what_is_no_ratio_is_refused() -> None:
    assert Sampling.of(0) is None
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="ratio"):
            Sampling.of(wrong)


@pytest.mark.parametrize("step", STEPS)
def test_the_traced_of_a_stretch_are_those_that_are_traced_each_by_itself(step: int) -> None:
    sampling, chance = Sampling(step), random.Random(step)
    for _ in range(50):
        first = chance.randrange(1 << 22)
        next = first + chance.randrange(3000)
        assert list(sampling.within(first, next)) == [each for each in range(first, next) if sampling.takes(each)]
    assert len(sampling.within(0, step * 10)) == 10


def test_ids_are_of_the_right_size_and_differ_by_all_that_makes_them() -> None:
    trace = trace_id("cluster", "consent.events", (3, 17))
    assert 0 < trace < 1 << 128
    assert trace == trace_id("cluster", "consent.events", (3, 17))
    others = [("other", "consent.events", (3, 17)), ("cluster", "x-consent.events", (3, 17)),
              ("cluster", "consent.events", (3, 18)), ("cluster", "consent.events", (31, 7))]  # fmt: skip
    assert len({trace, *(trace_id(*each) for each in others)}) == 5
    spans = {span_id(trace, name) for name in (("edge",), ("intake",), list_span("a", 1, 23), list_span("a", 12, 3))}
    assert len(spans) == 4
    assert all(0 < each < 1 << 64 for each in spans)


def test_a_traceparent_is_read_as_w3c_has_it() -> None:
    good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    found = remote(good)
    assert found is not None
    assert (f"{found.trace:032x}", f"{found.span:016x}") == tuple(good.split("-")[1:3])
    assert remote("cc-" + good[3:] + "-more") == found  # a version of the future
    for wrong in ("", "00", good.upper(), good[:-1], good + "-x", "ff" + good[2:], good.replace("4", "g"),
                  "00-" + "0" * 32 + good[35:], good[:36] + "0" * 16 + "-01", "ana@example.com"):  # fmt: skip
        assert remote(wrong) is None, wrong
