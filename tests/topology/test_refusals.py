"""What goes to quarantine has a line in the log, but not each record one."""

import logging

import orjson
import pytest

from consent_stream.topology.refusals import EVERY_S, Refusals


def test_a_flood_is_a_line_at_once_and_then_one_in_a_while_with_the_number_of_the_others(caplog):
    now = [100.0]
    refusals = Refusals(lambda: now[0])
    with caplog.at_level(logging.WARNING):
        for offset in range(int(EVERY_S) * 2 + 1):
            now[0] = 100.0 + offset
            refusals.tell("bad_json", ("consent.events", 3, offset), b"{")
        refusals.tell("unknown_type", ("consent.events", 1, 7), b"{}")
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


UUID = "0190f3c2-7d4e-7aaa-8bbb-0123456789ab"


@pytest.mark.parametrize(
    "ident", ["ana@example.com", "+12015550123", "12015550123123456", "ana-smith", "c-42", 7, None]
)
def test_the_id_of_an_event_is_told_where_nobody_can_be_meant_by_it(caplog, ident):
    refusals = Refusals()
    batch = orjson.dumps([{"id": UUID}, {"id": ident}, "no event", {"id": UUID.replace("-", "")}])
    with caplog.at_level(logging.WARNING):
        refusals.tell("no_tenant", ("consent.events", 1, 7), batch)
        refusals.tell("no_notice", ("consent.events", 1, 8), batch, (1, 3))
        refusals.tell("not_cloudevent", ("consent.events", 1, 9), b"no JSON")
    assert [each.events for each in caplog.records] == [[UUID, UUID.replace("-", "")], [UUID.replace("-", "")], []]
    assert not any(str(ident) in str(vars(each).values()) for each in caplog.records if isinstance(ident, str))
