"""What an export's line takes from the exports beside it: how long all of them wait for late rows of the source."""

from datetime import timedelta
from pathlib import Path

import pytest
from dataset_home import DatasetHome
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.core.datasets.export import DatasetExport
from ctexport_dagster.core.events.export import EventExport
from ctexport_dagster.core.export import DeclaredExport, Export
from ctexport_dagster.lines import longest_hold, open_line

LEAST = {"owner": "a@example.com", "source": "shop", "destination": "disk", "account_id": 1, "format": "json"}


def flow(*datasets: str, **declared: object) -> DatasetExport:
    return DatasetExport.model_validate({**LEAST, "name": "flow", "datasets": datasets, **declared})


def events(**declared: object) -> EventExport:
    return EventExport.model_validate({**LEAST, "name": "events", **declared})


@pytest.mark.parametrize(
    ("beside", "hours"),
    [
        (flow("orders", "carts", allowed_lateness="2h"), 2),
        (flow("orders", allowed_lateness="30m"), 1),
        (flow("carts", allowed_lateness="2h"), 1),
        (flow("orders", source="other", allowed_lateness="2h"), 1),
        (events(allowed_lateness="2h"), 1),
    ],
)
def test_a_flow_waits_as_long_as_any_that_needs_one_of_its_datasets(beside: DeclaredExport, hours: int) -> None:
    assert longest_hold(flow("orders", allowed_lateness="1h"), [beside]) == timedelta(hours=hours)


def test_events_are_waited_for_by_all_exports_of_them_and_by_none_of_profiles() -> None:
    profiles = Export.model_validate({**LEAST, "name": "profiles"})
    beside = [profiles, events(), events(allowed_lateness="2h"), flow("orders", allowed_lateness="3h")]
    assert [longest_hold(one, beside).total_seconds() for one in (events(), profiles)] == [7200, 0]


schedules = st.builds(
    lambda at, minutes: {"schedule": {"at": f"{at:02}:00"}, "allowed_lateness": f"{minutes}m"},
    st.integers(0, 23),
    st.integers(0, 600),
)


@pytest.mark.req("A3")
@given(st.lists(schedules, min_size=1, max_size=4))
def test_no_partition_of_the_source_is_due_before_all_that_need_it_have_waited(
    declared: list[dict[str, object]],
) -> None:
    home = DatasetHome.at(Path("never"), end="2026-11-04", orders={})
    exports = [flow("orders", **one) for one in declared]
    longest = max(export.allowed_lateness for export in exports)
    for export in exports:
        line = open_line(export, home.source, home.folders, beside=exports)
        for window in line.cadence.windows(until=line.window("2026-11-03").end):
            assert all(line.due.due(window) >= tile.end + longest for tile in home.source.cadence.tiles(window) or ())
