"""What counts as an opt-out, and that nothing grows."""

import pytest

from consent_stream.console.optouts import EVERYTHING, HOURS, MOST, OTHERS, SCOPE, Optouts, newly_denied
from consent_stream.domain.standing import BLANK
from tests.console.made import HOUR, NOW, change, partial, suppressed

OUT = suppressed("unsubscribed")


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        (BLANK, OUT, ((EVERYTHING,), ("unsubscribed",))),
        (partial("news"), OUT, ((EVERYTHING,), ("unsubscribed",))),
        (OUT, suppressed("complaint", "unsubscribed"), ((EVERYTHING,), ("complaint",))),
        (BLANK, partial("news/weekly", "news/daily", "offers"), (("news", "offers"), (SCOPE,))),
        (partial("news"), partial("news", "offers"), (("offers",), (SCOPE,))),
        (OUT, BLANK, None),
        (OUT, partial("news"), None),  # less is denied than before
        (OUT, OUT, None),
        (suppressed("complaint", "unsubscribed"), OUT, None),
        (partial("news", "offers"), partial("news"), None),
        (BLANK, BLANK, None),
    ],
)
def test_an_opt_out_is_what_a_list_denies_and_did_not(before, after, found):
    assert newly_denied(change(before, after)) == found


def counted(*changes, channel="email", now=NOW):
    optouts = Optouts()
    for each in changes:
        optouts.add(each)
    return optouts.sheet(channel, now)


def test_it_is_counted_once_by_hour_program_reason_event_and_tenant():
    sheet = counted(
        change(BLANK, OUT),
        change(BLANK, OUT, received=NOW - HOUR),
        change(BLANK, partial("news"), tenant="globex", type="consent.withdrawn"),
        change(BLANK, OUT, channel="sms"),
        change(BLANK, OUT, derived=True),  # the same person, on another key
        change(OUT, BLANK),
    )
    assert sheet.total == 3
    assert len(sheet.hours) == HOURS
    assert [number for _, number in sheet.hours[-3:]] == [0, 1, 2]
    assert sheet.hours[-1][0] <= NOW < sheet.hours[-1][0] + HOUR
    assert sheet.program == ((EVERYTHING, 2), ("news", 1))
    assert sheet.reason == (("unsubscribed", 2), (SCOPE, 1))
    assert sheet.event == (("unsubscribe.oneclick", 2), ("consent.withdrawn", 1))
    assert sheet.tenant == (("acme", 2), ("globex", 1))


def test_after_48_hours_it_is_forgotten():
    optouts = Optouts()
    optouts.add(change(BLANK, OUT))
    assert optouts.sheet("email", NOW + (HOURS - 1) * HOUR).total == 1
    assert optouts.sheet("email", NOW + HOURS * HOUR).total == 0
    assert optouts._counts == {}


def test_what_is_older_than_48_hours_is_not_counted_when_it_comes_late():
    optouts = Optouts()
    optouts.add(change(BLANK, OUT))
    optouts.add(change(BLANK, OUT, received=NOW - HOURS * HOUR))
    assert len(optouts._counts) == 1


def test_names_that_somebody_invents_do_not_grow_it():
    optouts = Optouts()
    for at in range(3 * MOST):
        optouts.add(change(BLANK, partial(f"p{at}"), tenant=f"t{at}", type=f"x{at}"))
    sheet = optouts.sheet("email", NOW)
    assert sheet.total == 3 * MOST
    for ranked in (sheet.program, sheet.tenant, sheet.event):
        assert len(ranked) == MOST + 1
        assert ranked[0] == (OTHERS, 2 * MOST)
