"""Dagster's partitions are the core's windows, under keys that lead back, also where clocks change."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from ctexport_dagster.core.interval import Cadence, Interval
from ctexport_dagster.partitions import dagster_key, partitions_of

SPANS = {
    "UTC": (date(2026, 3, 27),),
    "America/New_York": (date(2026, 3, 6), date(2026, 10, 30)),
    "Asia/Kolkata": (date(2026, 3, 27),),
    "Europe/Berlin": (date(2026, 3, 27), date(2026, 10, 23)),
    "America/Santiago": (date(2026, 4, 3), date(2026, 9, 4)),
    "Australia/Lord_Howe": (date(2026, 4, 3), date(2026, 10, 2)),
}
SHORT = timedelta(days=4)
CADENCES = [
    (zone, start, hours) for zone, starts in SPANS.items() for start in starts for hours in (3, 4, 6, 8, 12, 24)
]


def cadence_of(zone: str, start: date, hours: int) -> Cadence:
    return Cadence(ZoneInfo(zone), hours, start, start + SHORT)


def windows_of(cadence: Cadence) -> list[Interval]:
    assert cadence.end is not None
    return [*cadence.windows(until=datetime.combine(cadence.end + timedelta(days=1), time(0), tzinfo=UTC))]


def dagsters_windows(partitions: dg.TimeWindowPartitionsDefinition) -> dict[str, Interval]:
    later = datetime(2027, 1, 1, tzinfo=UTC)
    keys = partitions.get_partition_keys(current_time=later)
    windows = {key: partitions.time_window_for_partition_key(key) for key in keys}
    return {key: Interval(window.start, window.end) for key, window in windows.items()}


@pytest.mark.req("P26", "P24")
@pytest.mark.parametrize(("zone", "start", "hours"), CADENCES)
def test_the_windows_of_dagster_are_the_cores(zone: str, start: date, hours: int) -> None:
    cadence = cadence_of(zone, start, hours)
    assert [*dagsters_windows(partitions_of(cadence)).values()] == windows_of(cadence)


@pytest.mark.req("P26", "P9")
@pytest.mark.parametrize(("zone", "start", "hours"), CADENCES)
def test_every_window_has_one_key_in_dagster_that_leads_back_to_it(zone: str, start: date, hours: int) -> None:
    cadence = cadence_of(zone, start, hours)
    ours = {dagster_key(cadence, window): window for window in windows_of(cadence)}
    assert ours == dagsters_windows(partitions_of(cadence))
    assert len(ours) == len(windows_of(cadence))


@pytest.mark.req("P26")
@pytest.mark.parametrize(("zone", "start", "hours"), CADENCES)
def test_windows_tile_the_span_without_gap_or_overlap(zone: str, start: date, hours: int) -> None:
    windows = windows_of(cadence_of(zone, start, hours))
    midnights = [
        datetime.combine(day, time(0), tzinfo=ZoneInfo(zone)).astimezone(UTC) for day in (start, start + SHORT)
    ]
    assert [window.start for window in windows] == [midnights[0], *(window.end for window in windows[:-1])]
    assert windows[-1].end == midnights[1]
