"""Reads: as of any day, slice by slice, with bases or without."""

from dataclasses import replace
from pathlib import Path
from zlib import crc32

import polars as pl
import pytest
from lake_days import TINY, Days, Row, key

from ctexport_dagster.core.changes import classify
from ctexport_dagster.core.profile import KEY_COLUMNS
from ctexport_dagster.lake import Tuning, maintain

HUGE = Tuning()


def crowd(count: int, **values: object) -> list[Row]:
    return [{"clevertapId": f"id{n}", "identity": [f"u{n}"], "Plan": "x", **values} for n in range(count)]


def three_days(root: Path, tuning: Tuning = TINY) -> Days:
    days = Days(root, tuning=tuning)
    days.put(1, crowd(20))
    days.put(2, [{**row, "Plan": f"y{n}"} if n % 5 == 0 else row for n, row in enumerate(crowd(23))][3:])
    days.put(3, [{**row, "age": n} for n, row in enumerate(crowd(22))])
    return days


def rows(days: Days, day: int) -> pl.DataFrame:
    return pl.concat(days.view().slices(key(day), 0))


def test_slices_are_sorted_and_bounded_and_together_hold_each_profile_once(tmp_path: Path) -> None:
    slices = list(three_days(tmp_path).view().slices(key(3), 0))
    whole = pl.concat(slices)
    assert len(slices) > 5
    assert max(part.height for part in slices) < 15
    assert whole.equals(whole.sort("h", "clevertapId"))
    assert sorted(whole["clevertapId"]) == sorted(f"id{n}" for n in range(22))


def test_a_slice_is_a_profile_frame_in_the_schema_of_its_day(tmp_path: Path) -> None:
    days = three_days(tmp_path)
    for day in (1, 3):
        fields = {field.column: field.type.dtype for field in days.view().schema_as_of(key(day)).fields}
        assert dict(rows(days, day).schema) == KEY_COLUMNS | fields


@pytest.mark.parametrize("day", [1, 2, 3])
def test_the_size_of_slices_groups_and_files_never_shows_in_what_is_read(tmp_path: Path, day: int) -> None:
    tiny, huge = three_days(tmp_path / "tiny"), three_days(tmp_path / "huge", HUGE)
    assert rows(tiny, day).equals(rows(huge, day))


def test_whether_the_state_was_held_in_memory_shows_in_no_read_and_no_count(tmp_path: Path) -> None:
    held, not_held = three_days(tmp_path / "held"), three_days(tmp_path / "not", replace(TINY, most_known_rows=0))
    assert all(rows(held, day).equals(rows(not_held, day)) for day in (1, 2, 3))
    tallies = [[record.rows for record in days.view().records()] for days in (held, not_held)]
    assert tallies[0] == tallies[1]
    assert tallies[0][1].unchanged == 14


def test_a_base_never_shows_in_what_is_read(tmp_path: Path) -> None:
    days = three_days(tmp_path)
    plain = [rows(days, day) for day in (1, 2, 3)]
    state = days.view().state_of(key(3))
    assert maintain(days.lake, key(2))
    days.lake.sweep(0)
    assert len(days.view().listing.bases) > 0
    assert all(rows(days, day).equals(plain[day - 1]) for day in (1, 2, 3))
    assert days.view().state_of(key(3)) == state


def test_a_base_is_used_where_there_is_one(tmp_path: Path) -> None:
    days = three_days(tmp_path)
    maintain(days.lake, key(2))
    view = days.view()
    layers = view.stack_of(view.sound(key(3)), 0).layers
    assert [layer.upto for layer in layers] == [1, 2]
    assert "kind=base" in str(layers[0].paths[0])


def test_a_base_keeps_what_a_vanished_property_last_held(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.put(1, crowd(5, City="Rome"))
    days.put(2, [{**row, "Plan": "y"} for row in crowd(5)])
    maintain(days.lake, key(2))
    days.put(3, [{**row, "Plan": "z"} for row in crowd(5)])
    assert {row["City"] for row in days.state(3).values()} == {"Rome"}


def test_a_rerun_drops_the_bases_that_it_went_into_and_no_other(tmp_path: Path) -> None:
    days = Days(tmp_path, mode="changes", tuning=TINY)
    for day in (1, 2, 3):
        days.put(day, crowd(3 + day))
        maintain(days.lake, key(day))
    assert {base.partition for base in days.view().listing.bases} == {key(2), key(3)}
    days.put(3, crowd(2, City="Rome"))
    assert {base.partition for base in days.view().listing.bases} == {key(2)}
    days.put(1, crowd(9))
    assert days.view().listing.bases == ()


def test_no_base_is_written_while_few_rows_lie_above_the_last(tmp_path: Path) -> None:
    days = Days(tmp_path, tuning=HUGE)
    days.put(1, crowd(20))
    days.put(2, crowd(21))
    assert not maintain(days.lake, key(2))


def test_a_long_row_of_logs_without_a_base_reads_the_same(tmp_path: Path) -> None:
    days = Days(tmp_path, mode="changes")
    for day in range(1, 12):
        days.put(day, [row for n, row in enumerate(crowd(12, day=day)) if (n + day) % 3 == 0])
    view = days.view()
    assert len(view.stack_of(view.sound(key(11)), 0).layers) > TINY.most_layers
    state = days.state(11)
    assert {row["day"] for row in state.values()} == {9, 10, 11}
    assert len(state) == 12
    assert list((tmp_path / "scratch").iterdir()) == []


def test_chosen_columns_come_alone_with_the_key(tmp_path: Path) -> None:
    days = three_days(tmp_path)
    names = [part.columns for part in days.view().slices(key(3), 0, columns=["ps_^plan"])]
    assert set(map(tuple, names)) == {("h", "clevertapId", "deleted", "ps_^plan")}


def test_one_profile_is_found_as_of_each_day(tmp_path: Path) -> None:
    days = three_days(tmp_path)
    view = days.view()
    assert [view.find(key(day), "id20").height for day in (1, 2, 3)] == [0, 1, 1]
    assert view.find(key(2), "id20")["ps_^plan"].to_list() == ["y20"]
    assert view.find(key(2), "nobody").height == 0


@pytest.mark.req("P25")
def test_what_several_days_touched_is_told_with_the_state_before_them(tmp_path: Path) -> None:
    days = three_days(tmp_path)
    parts = days.touched(2, 3)
    schema = days.view().schema_as_of(key(3))
    changes = [classify(part.before, part.after, schema) for part in parts]
    assert sum(change.created.height for change in changes) == 2
    assert sum(change.updated.height for change in changes) == 20
    assert sum(part.superseded for part in parts) == sum(part.logged for part in parts) - 22


@pytest.mark.req("P25")
def test_a_row_group_without_a_touched_profile_of_one_range_still_serves_the_next(tmp_path: Path) -> None:
    days = Days(tmp_path, mode="changes", tuning=replace(TINY, slice_rows=1, group_rows=9))
    new, low, high = "id3", "id2", "id0"
    assert crc32(b"id3") < crc32(b"id2") < 2**31 <= crc32(b"id0")
    days.put(1, [{"clevertapId": low, "Plan": "x"}, {"clevertapId": high, "Plan": "x"}])
    days.put(2, [{"clevertapId": new, "Plan": "y"}, {"clevertapId": high, "Plan": "y"}])
    parts = days.touched(2)
    assert [part.after["clevertapId"].to_list() for part in parts] == [[new], [high]]
    assert [part.before["clevertapId"].to_list() for part in parts] == [[], [high]]


@pytest.mark.req("B10")
def test_three_instances_hold_together_what_one_holds(tmp_path: Path) -> None:
    one, three = Days(tmp_path / "1"), Days(tmp_path / "3", instances=3)
    for days in (one, three):
        days.put(1, crowd(30))
        days.put(2, crowd(25))
    assert three.view().instances(key(2)) == (0, 1, 2)
    assert one.state(2) == three.state(2)
    for instance in range(3):
        part = pl.concat(three.view().slices(key(2), instance))
        assert set(part["h"] % 3) == {instance}
