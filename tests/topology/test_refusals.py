"""What goes to quarantine has a line in the log, but not each record one."""

import logging

from consent_stream.topology.refusals import EVERY_S, Refusals


def test_a_flood_is_a_line_at_once_and_then_one_in_a_while_with_the_number_of_the_others(caplog):
    now = [100.0]
    refusals = Refusals(lambda: now[0])
    with caplog.at_level(logging.WARNING):
        for offset in range(int(EVERY_S) * 2 + 1):
            now[0] = 100.0 + offset
            refusals.tell("bad_json", ("consent.events", 3, offset))
        refusals.tell("unknown_type", ("consent.events", 1, 7))
    assert [each.getMessage() for each in caplog.records] == [
        "quarantined bad_json at consent.events/3 offset 0",
        "quarantined bad_json at consent.events/3 offset 30, and 29 more like it in the meantime",
        "quarantined bad_json at consent.events/3 offset 60, and 29 more like it in the meantime",
        "quarantined unknown_type at consent.events/1 offset 7",
    ]
    last = caplog.records[-1]
    assert (last.stage, last.code, last.topic, last.partition, last.offset, last.more) == (
        "intake", "unknown_type", "consent.events", 1, 7, 0,
    )  # fmt: skip
