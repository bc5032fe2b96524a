"""Lateness: an hour of grace, then late; far behind when two in a row are missing."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from ctexport_dagster.core.catch_up import DueWindows
from ctexport_dagster.core.interval import Cadence, Interval
from ctexport_dagster.core.lateness import GRACE, Punctuality, Standing, standing

DUE = DueWindows(Cadence(ZoneInfo("Asia/Kolkata"), 24, date(2026, 11, 18)), time(2))
"""Daily; the partition 2026-11-18 is due on the 19th at 02:00 in India, which is 20:30 UTC on the 18th."""
FIRST_DUE = datetime(2026, 11, 18, 20, 30, tzinfo=UTC)


def standing_at(now: datetime, delivered: set[str]) -> Standing:
    def is_delivered(window: Interval) -> bool:
        return DUE.cadence.key_of(window) in delivered

    return standing(DUE.until(now - GRACE), DUE.due, is_delivered)


@pytest.mark.parametrize(
    ("after", "delivered", "expected"),
    [
        (timedelta(minutes=59), set(), "nothing due"),
        (timedelta(hours=1), set(), "late"),
        (timedelta(hours=1), {"2026-11-18"}, "on time"),
        (timedelta(hours=24, minutes=59), {"2026-11-18"}, "on time"),
        (timedelta(hours=25), {"2026-11-18"}, "late"),
        (timedelta(hours=25), set(), "far behind"),
        (timedelta(hours=25), {"2026-11-19"}, "on time"),
    ],
)
def test_a_partition_is_late_an_hour_after_its_run_was_due(
    after: timedelta, delivered: set[str], expected: Punctuality
) -> None:
    assert standing_at(FIRST_DUE + after, delivered).punctuality == expected


def test_a_standing_names_the_window_and_when_it_was_due():
    found = standing_at(FIRST_DUE + timedelta(hours=2), set())
    assert found.newest == DUE.cadence.first
    assert (found.due, found.is_late) == (FIRST_DUE, True)
