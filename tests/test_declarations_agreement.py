"""Windows of an export and of its source: what loads can always be cut, what is refused can't."""

from collections.abc import Iterator
from datetime import date
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctexport_dagster.core.interval import Cadence, Interval
from ctexport_dagster.declarations.agreement import boundary_outside

ZONES = [
    "UTC",
    "Etc/GMT-3",
    "Europe/London",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "Asia/Calcutta",
]
CADENCES = st.builds(
    Cadence,
    st.sampled_from(ZONES).map(ZoneInfo),
    st.sampled_from([3, 4, 6, 8, 12, 24]),
    st.just(date(2026, 3, 1)),
)


def windows(cadence: Cadence, count: int) -> list[Interval]:
    def from_the_first() -> Iterator[Interval]:
        window = cadence.first
        while True:
            yield window
            window = cadence.window_from(window.end)

    return list(islice(from_the_first(), count))


@pytest.mark.req("P24", "P26")
@settings(deadline=None, max_examples=20)
@given(CADENCES, CADENCES)
def test_an_export_loads_exactly_when_its_windows_are_made_of_its_sources(export: Cadence, source: Cadence) -> None:
    """Over 240 days, in which the clocks of every zone here change; the two can't differ for the first time later."""
    tiled = all(source.tiles(window) is not None for window in windows(export, 240 * 24 // export.hours)[1:])
    assert (boundary_outside(export, source) is None) == tiled
