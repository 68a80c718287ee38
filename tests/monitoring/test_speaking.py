"""How far a stage is behind, and when a source last spoke, as Prometheus collects it."""

from prometheus_client import CollectorRegistry

from consent_stream.topology.speaking import Lags, Speaking

SPOKE, LAG = "consent_source_last_event_timestamp_seconds", "consent_lag_seconds"


def told(collector, name, **labels):
    registry = CollectorRegistry()
    registry.register(collector)
    return registry.get_sample_value(name, labels)


def test_a_source_of_the_policy_is_told_by_its_newest_event():
    speaking = Speaking()
    speaking.heard({"/forms": 5_000}, {"/forms"})
    speaking.heard({"/forms": 4_000}, {"/forms"})  # of another partition, which is behind
    assert told(speaking, SPOKE, source="/forms") == 5


def test_a_stranger_makes_no_series():
    speaking = Speaking()
    speaking.heard({f"/made-up/{number}": 1 for number in range(1000)}, {"/forms"})
    assert [sample for family in speaking.collect() for sample in family.samples] == []


def test_a_lag_is_that_of_the_worst_partition_and_grows_by_itself():
    now = [100.0]
    lags = Lags(lambda: now[0])
    lags.proven("intake", [99_000_000, 97_500_000])
    assert told(lags, LAG, stage="intake") == 2.5
    now[0] = 110.0
    assert told(lags, LAG, stage="intake") == 12.5
    lags.proven("intake", [111_000_000])
    assert told(lags, LAG, stage="intake") == 0, "a broker's clock may be before ours"


def test_who_has_no_partition_of_a_stage_has_no_say():
    lags = Lags(lambda: 100.0)
    lags.proven("state", [1])
    lags.proven("state", [])
    assert told(lags, LAG, stage="state") is None
