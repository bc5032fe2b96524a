"""Profiles that go from one instance to another: neither born nor dead by it, and never in two places."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from lake_days import Days, Row, key

from ctexport_dagster.core.changes import classify
from ctexport_dagster.core.source import SourceMode
from ctexport_dagster.lake import Tally, Tuning, maintain

MODES: tuple[SourceMode, ...] = ("snapshot", "changes")


def person(name: str, instance: int, **values: object) -> Row:
    return {"clevertapId": name, "instanceId": instance, **values}


def plans(days: Days, day: int) -> dict[str, object]:
    return {identifier: row["Plan"] for identifier, row in days.state(day).items()}


def exported(days: Days, *numbers: int) -> list[tuple[str, str]]:
    """What became of the profiles that these days touched: (id, created, updated, unchanged or dead)."""
    schema = days.view().schema_as_of(key(numbers[-1]))
    found: list[tuple[str, str]] = []
    for part in days.touched(*numbers):
        changes = classify(part.before, part.after, schema)
        for became in ("created", "updated", "unchanged", "tombstones"):
            found += [(identifier, became) for identifier in getattr(changes, became)["clevertapId"]]
    return sorted(found)


@pytest.mark.req("P25", "B10")
@pytest.mark.parametrize("mode", MODES)
def test_a_profile_that_only_moved_has_not_changed(tmp_path: Path, mode: SourceMode) -> None:
    days = Days(tmp_path, mode=mode)
    days.put(1, [person("a", 0, Plan="x"), person("b", 0, Plan="x")])
    days.put(2, [person("a", 5, Plan="x"), person("b", 5, Plan="y"), person("c", 5, Plan="x")])
    assert exported(days, 2) == [("a", "unchanged"), ("b", "updated"), ("c", "created")]


@pytest.mark.req("P25", "P26", "B10")
@pytest.mark.parametrize("mode", MODES)
def test_a_profile_that_moves_twice_in_a_window_is_told_once(tmp_path: Path, mode: SourceMode) -> None:
    days = Days(tmp_path, mode=mode)
    days.put(1, [person("a", 0, Plan="x"), person("b", 0, Plan="x"), person("c", 0, Plan="x")])
    days.put(2, [person("a", 5, Plan="x"), person("b", 5, Plan="x"), person("c", 5, Plan="y")])
    days.put(3, [person("a", 7, Plan="x"), person("b", 0, Plan="x"), person("c", 0, Plan="z")])
    assert exported(days, 2, 3) == [("a", "unchanged"), ("b", "unchanged"), ("c", "updated")]


@pytest.mark.req("P25", "P26", "B10")
@pytest.mark.parametrize("mode", MODES)
def test_a_profile_that_moves_and_then_dies_in_a_window_leaves_one_tombstone(tmp_path: Path, mode: SourceMode) -> None:
    days = Days(tmp_path, mode=mode)
    days.put(1, [person("a", 0, deleted=False), person("b", 0, deleted=False)])
    days.put(2, [person("a", 5, deleted=False), person("b", 0, deleted=False)])
    days.put(3, [person("a", 5, deleted=True), person("b", 0, deleted=False)])
    assert [told for told in exported(days, 2, 3) if told[0] == "a"] == [("a", "tombstones")]
    assert sorted(days.state(3)) == ["b"]


@pytest.mark.req("P22", "B10")
@pytest.mark.parametrize("layers", [2, 40])
@pytest.mark.parametrize("with_base", [True, False])
@pytest.mark.parametrize("mode", MODES)
def test_a_profile_that_moved_keeps_the_values_of_a_column_that_had_vanished(
    tmp_path: Path, mode: SourceMode, layers: int, *, with_base: bool
) -> None:
    days = Days(tmp_path, mode=mode, tuning=Tuning(most_layers=layers, base_after_logs=0))
    days.put(1, [person("a", 0, Plan="x", City="Rome"), person("b", 0, Plan="x", City="Oslo")])
    days.put(2, [person("a", 5, City="Bonn"), person("b", 0, City="Oslo")])
    days.put(3, [person("a", 7, City="Bonn"), person("b", 7, City="Oslo")])
    if with_base:
        assert maintain(days.lake, key(3))
    days.put(4, [person("a", 0, City="Kiel"), person("b", 7, City="Oslo")])
    assert plans(days, 4) == {"a": "x", "b": "x"}
    assert exported(days, 3) == [("a", "unchanged"), ("b", "unchanged")]
    assert next(part.after["ps_^plan"].to_list() for part in days.touched(4)) == ["x"]


@pytest.mark.req("B10", "B6")
@pytest.mark.parametrize("places", [(5, 5), (5, 7), (0, 5)])
def test_a_profile_that_moves_and_contradicts_itself_keeps_its_last_good_state(
    tmp_path: Path, places: tuple[int, int]
) -> None:
    days = Days(tmp_path)
    days.put(1, [person("a", 0, Plan="x"), person("b", 0, Plan="x")])
    twins = [person("a", places[0], Plan="y"), person("a", places[1], Plan="z")]
    assert days.put(2, [person("b", 0, Plan="x"), *twins]).rows == Tally(source=3, unchanged=1, quarantined=2)
    assert plans(days, 2) == {"a": "x", "b": "x"}


@pytest.mark.req("B10")
def test_equal_copies_of_a_moving_profile_are_one(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.put(1, [person("a", 0, Plan="x")])
    assert days.put(2, [person("a", 5, Plan="x")] * 2).rows == Tally(source=2, superseded=1, logged=1, moved=1)


@pytest.mark.req("B10", "B6")
def test_a_source_that_names_instances_half_way_through_its_first_snapshot_gives_no_profile_twice(
    tmp_path: Path,
) -> None:
    days = Days(tmp_path)
    first, later = days.frame([{"clevertapId": "a"}]), days.frame([person("a", 5), person("b", 5)])
    assert days.take(1, first, later).rows == Tally(source=3, quarantined=2, logged=1)
    assert sorted(days.state(1)) == ["b"]


@pytest.mark.req("B10")
@pytest.mark.parametrize(("hour", "instance"), [(3, 0), (1, 5)])
def test_a_source_that_names_instances_half_way_through_its_first_changes_gives_the_last_word_alone(
    tmp_path: Path, hour: int, instance: int
) -> None:
    days = Days(tmp_path, mode="changes")
    first = days.frame([{"clevertapId": "a", "updatedAt": datetime(2026, 11, 1, hour, tzinfo=UTC)}])
    later = days.frame([person("a", 5, updatedAt=datetime(2026, 11, 1, 2, tzinfo=UTC))])
    days.take(1, first, later)
    view = days.view()
    assert [i for i in view.instances(key(1)) for _ in view.slices(key(1), i)] == [instance]
