"""The names of events' files: split by event and day, and no two events under one name."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.core.events.export import EventExport
from ctexport_dagster.core.events.naming import event_naming, event_paths
from ctexport_dagster.core.interval import Cadence, Interval
from ctexport_dagster.core.naming import NamingMistake
from ctexport_dagster.core.run_names import FileOfEvent, run_names

CADENCE = Cadence(ZoneInfo("UTC"), 24, date(2026, 11, 1), None)
WINDOW = Interval(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC))
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def export(**files: str) -> EventExport:
    declared = {"name": "purchases", "owner": "a@example.com", "source": "crm", "destination": "disk", "account_id": 1}
    type_ = files.pop("format", "json")
    return EventExport.model_validate({**declared, "export_id": 1761651721, "format": type_, "files": files})


def key(event: str = "Charged", index: int = 0, instance: int = 0, **files: str) -> str:
    declared = export(**files)
    run = run_names(declared, CADENCE, WINDOW, "run")
    path = event_paths([event]).paths[event]
    return event_naming(declared).key(run, instance, index, FileOfEvent(path, date(2026, 10, 31)))


@pytest.mark.req("L6")
def test_the_default_name_has_event_day_and_an_index_from_0() -> None:
    assert key() == "1761651721-1793577600-Charged-20261031-0-0.json.gz"
    assert key(index=2, instance=3) == "1761651721-1793577600-Charged-20261031-2-3.json.gz"


@pytest.mark.req("L6", "P32")
def test_an_event_is_made_safe_in_paths() -> None:
    assert key("Product Viewed/é\x01") == "1761651721-1793577600-Product-Viewed-é?-20261031-0-0.json.gz"


@pytest.mark.req("L12")
def test_a_legacy_parquet_file_of_events_ends_in_parquet_gzip() -> None:
    assert key(name="clevertap_legacy", format="parquet").endswith("-Charged-20261031-0-0.parquet.gzip")
    assert key(name="clevertap_legacy", format="csv").endswith("-Charged-20261031-0-0.csv.gz")


@pytest.mark.req("P4")
def test_the_data_type_folder_of_events_is_events() -> None:
    assert key(folder="data_type").startswith("events/1761651721-")


@pytest.mark.req("P8")
def test_a_name_of_ones_own_gets_what_it_lacks() -> None:
    assert key(name="{{Event-name}}/part") == "Charged/part-1793577600-20261031-0.json.gz"
    assert key(name="{{Event-name}}/part", index=1) == "Charged/part-1793577600-20261031-1-0.json.gz"
    assert key(name="e") == "e-1793577600-Charged-20261031-0.json.gz"
    assert key(name="{{event-day}}-{{timestamp}}") == "20261031-1793577600-Charged-0.json.gz"


@pytest.mark.req("P5")
def test_an_event_that_runs_into_a_number_is_refused() -> None:
    with pytest.raises(NamingMistake, match="runs into the number after it"):
        event_naming(export(name="{{Event-name}}{{Instance-id}}-{{Index}}{{Timestamp}}"))


@pytest.mark.req("P32")
def test_events_that_become_one_path_are_kept_apart_and_told() -> None:
    found = event_paths(["a b", "a-b", "a/b", "other"])
    assert {"a-b": "a-b", "other": "other"}.items() <= found.paths.items()
    assert len(set(found.paths.values())) == 4
    assert found.shared == (("a b", "a-b", "a/b"),)
    assert found.warnings == (
        "the events a b, a-b, a/b have the same name in paths; they are kept apart as"
        f" {found.paths['a b']}, a-b, {found.paths['a/b']}",
    )


@given(st.lists(NAMES | st.sampled_from(["a b", "a-b", "a/b", "..", ".", "", "x" * 300, "x" * 301, "é" * 200])))
@pytest.mark.req("L6", "P32")
def test_any_events_get_safe_paths_and_no_two_the_same(names: list[str]) -> None:
    paths = event_paths(names).paths
    assert set(names) == set(paths)
    assert len(set(paths.values())) == len(paths)
    for path in paths.values():
        assert path
        assert path.strip(".")
        assert not any(character.isspace() or character in "/\0" for character in path)
        assert len(path.encode()) <= 130
    assert paths == event_paths(reversed(names)).paths
