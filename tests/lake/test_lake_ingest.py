"""What an ingest writes, counts and refuses."""

import json
from datetime import UTC, datetime
from pathlib import Path
from zlib import crc32

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_days import Days, Row, key

from ctexport_dagster.core.errors import (
    LakeError,
    PartitionMissing,
    PartitionStale,
    SourceShrunk,
    TooManyQuarantined,
)
from ctexport_dagster.core.schema import Field, ValueType
from ctexport_dagster.lake import Tally

ODD_NAMES = [
    *("plan", "Plan", "PLAN", "a b", "a,b;c", "{x}", "(y)", "t\tn\n", "a=b", "naïve", "😀", "p_plan", "%20", "^a", "."),
    *("ps_plan", "h", "deleted_", "mergedInto", "record", "partition", "kind", "instance"),
]


def people(*names: str, **values: object) -> list[Row]:
    return [{"clevertapId": name, **values} for name in names]


def at(hour: int) -> datetime:
    return datetime(2026, 11, 1, hour, tzinfo=UTC)


def values(days: Days, day: int, name: str) -> dict[str, object]:
    return {identifier: row[name] for identifier, row in days.state(day).items()}


def test_an_input_that_is_there_already_is_not_written_again(tmp_path: Path) -> None:
    days = Days(tmp_path)
    first = days.put(1, people("a", "b"))
    version = days.view().version
    again = days.put(1, people("a", "b"))
    assert (first.is_new, again.is_new) == (True, False)
    assert (again.generation, days.view().version) == (1, version)


def test_another_input_is_a_new_generation(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.put(1, people("a", "b"))
    assert days.put(1, people("a", "c")).generation == 2
    assert sorted(days.state(1)) == ["a", "c"]


def test_an_empty_day_of_changes_is_in_the_lake_and_changes_nothing(tmp_path: Path) -> None:
    days = Days(tmp_path, mode="changes")
    days.put(1, people("a", Plan="x"))
    days.put(2, [], ["clevertapId", "Plan"])
    assert [record.partition for record in days.view().records()] == [key(1), key(2)]
    assert days.state(2) == days.state(1)
    assert days.touched(2) == []


def test_a_lake_may_begin_with_an_empty_day(tmp_path: Path) -> None:
    days = Days(tmp_path)
    assert days.put(1, []).rows == Tally()
    assert days.state(1) == {}


@pytest.mark.req("B6")
def test_a_snapshot_that_lost_too_many_profiles_is_refused_and_the_state_stays(tmp_path: Path) -> None:
    days = Days(tmp_path, max_deleted=0.5)
    days.put(1, people("a", "b", "c", "d"))
    with pytest.raises(SourceShrunk, match="3 of 4 profiles are gone"):
        days.put(2, people("a"))
    assert [record.partition for record in days.view().records()] == [key(1)]
    assert days.put(2, people("a", "b")).rows.deleted == 2


def test_an_empty_snapshot_over_living_profiles_is_refused(tmp_path: Path) -> None:
    days = Days(tmp_path, max_deleted=0.2)
    days.put(1, people("a"))
    with pytest.raises(SourceShrunk):
        days.put(2, [])


@pytest.mark.req("B6")
@pytest.mark.parametrize(("limit", "is_refused"), [(0.25, True), (0.5, False), (1, True), (2, False), (0, True)])
def test_more_refused_rows_than_allowed_stop_the_partition(
    tmp_path: Path, limit: float | int, *, is_refused: bool
) -> None:
    days = Days(tmp_path, max_quarantined=limit)
    rows = [*people("a", "b"), {"clevertapId": None}, {"clevertapId": None}]
    if not is_refused:
        assert days.put(1, rows).rows.quarantined == 2
        return
    with pytest.raises(TooManyQuarantined, match="2 of 4 rows were refused"):
        days.put(1, rows)
    assert days.view().records() == ()
    assert [path.name for path in (tmp_path / "quarantine").iterdir()] == ["2026-11-01-failed.parquet"]


@pytest.mark.req("B6", "B1")
def test_copies_of_a_profile_that_differ_are_all_refused_and_it_keeps_its_last_good_state(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.put(1, people("a", "b", Plan="x"))
    tally = days.put(2, [*people("a", Plan="y"), *people("b", Plan="y"), *people("a", Plan="z")]).rows
    assert tally == Tally(source=3, quarantined=2, logged=1)
    assert values(days, 2, "Plan") == {"a": "x", "b": "y"}
    refused = days.quarantined()
    assert refused["reason"].to_list() == ["duplicate_id"] * 2
    assert refused["place"].to_list() == ["crm.parquet:1", "crm.parquet:3"]
    assert [json.loads(row)["Plan"] for row in refused["row"]] == ["y", "z"]


@pytest.mark.req("B1")
def test_of_equal_copies_one_is_kept_and_the_others_are_superseded(tmp_path: Path) -> None:
    days = Days(tmp_path)
    assert days.put(1, people("a", "a", "b", "a", Plan="x")).rows == Tally(source=4, superseded=2, logged=2)


@pytest.mark.req("B6")
def test_a_refused_row_neither_deletes_nor_changes_its_profile(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.put(1, people("a", "b", age=1))
    text = days.frame(people("a", "b", age="1.x"))
    tally = days.take(2, text).rows
    assert (tally.quarantined, tally.deleted) == (2, 0)
    assert values(days, 2, "age") == {"a": 1, "b": 1}


@pytest.mark.req("B6", "B1")
def test_a_good_row_beside_a_refused_one_of_its_profile_is_refused_too_in_a_snapshot(tmp_path: Path) -> None:
    days = Days(tmp_path, types={"age": pl.String})
    days.put(1, people("a", "b", age="x"))
    frame = days.frame([*people("a", age="y"), *people("b", age="y")])
    broken = days.frame(people("a", age="z")).with_columns(age=pl.lit(b"\xff"))
    days.take(2, pl.concat([frame.with_columns(pl.col("age").cast(pl.Binary)), broken]))
    assert values(days, 2, "age") == {"a": "x", "b": "y"}
    assert days.quarantined()["reason"].to_list() == ["invalid_text", "duplicate_id"]


@pytest.mark.req("B6")
@pytest.mark.parametrize("lost", [None, "", " "])
def test_while_a_row_may_be_anybodys_whoever_is_missing_from_the_snapshot_stays_until_the_next_clean_one(
    tmp_path: Path, lost: str | None
) -> None:
    days = Days(tmp_path)
    days.put(1, people("a", "b", "c", Plan="x"))
    tally = days.put(2, [*people("a", Plan="y"), {"clevertapId": lost, "Plan": "y"}]).rows
    assert tally == Tally(source=2, quarantined=1, logged=1, held=2)
    assert values(days, 2, "Plan") == {"a": "y", "b": "x", "c": "x"}
    assert days.put(3, people("a", "c", Plan="y")).rows == Tally(source=2, unchanged=1, logged=1, deleted=1)
    assert values(days, 3, "Plan") == {"a": "y", "c": "y"}


@pytest.mark.req("B6")
def test_rows_without_an_id_hold_nobody_where_the_source_says_so(tmp_path: Path) -> None:
    days = Days(tmp_path, rows_without_id="ignore")
    days.put(1, people("a", "b"))
    assert days.put(2, [*people("a"), {"clevertapId": None}]).rows.deleted == 1
    assert sorted(days.state(2)) == ["a"]


@pytest.mark.req("B6")
def test_a_row_whose_id_cannot_be_read_holds_everybody_though_rows_without_one_are_nobodys(tmp_path: Path) -> None:
    days = Days(tmp_path, rows_without_id="ignore")
    days.put(1, people("a", "b"))
    ids = pl.Series("clevertapId", [b"a", b"\xff"], dtype=pl.Binary)
    assert days.take(2, ids.to_frame()).rows == Tally(source=2, unchanged=1, quarantined=1, held=1)


@pytest.mark.req("B6")
def test_profiles_that_are_held_count_as_gone_for_the_limit(tmp_path: Path) -> None:
    days = Days(tmp_path, max_deleted=0.5)
    days.put(1, people("a", "b", "c", "d"))
    with pytest.raises(SourceShrunk, match="3 of 4 profiles are gone"):
        days.put(2, [*people("a"), {"clevertapId": None}])


@pytest.mark.req("B6", "P26")
def test_a_snapshot_that_holds_profiles_goes_stale_with_the_state_that_they_come_from(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.put(1, people("a", "b", Plan="x"))
    days.put(2, [*people("a", Plan="x"), {"clevertapId": None, "Plan": None}])
    days.put(3, people("a", "b", Plan="y"))
    days.put(1, people("a", "c", Plan="x"))
    days.put(2, [*people("a", Plan="x"), {"clevertapId": None, "Plan": None}])
    assert sorted(days.state(2)) == ["a", "c"]
    assert days.view().stale() == (key(3),)


@pytest.mark.req("P22")
def test_a_fraction_in_an_integer_property_is_drift_to_float_and_never_cut(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.put(1, people("a", "b", age=1))
    record = days.put(2, [*people("a", age=1.5), *people("b", age=1.0)])
    assert record.present == (Field("property", "age", ValueType.FLOAT64),)
    assert values(days, 2, "age") == {"a": 1.5, "b": 1.0}
    assert values(days, 1, "age") == {"a": 1, "b": 1}
    assert record.rows == Tally(source=2, unchanged=1, logged=1)


@pytest.mark.req("P22")
def test_a_property_may_widen_half_way_through_a_day(tmp_path: Path) -> None:
    days = Days(tmp_path, types={"age": pl.String})
    days.put(1, people("a", age="1"))
    mixed = Days(tmp_path / "mixed")
    mixed.take(1, mixed.frame([*people("a", "b", "c", "d", age=1.0), *people("e", age=1.5)]))
    assert values(mixed, 1, "age") == {"a": 1.0, "b": 1.0, "c": 1.0, "d": 1.0, "e": 1.5}


@pytest.mark.req("P22", "B6")
def test_a_rerun_cannot_contradict_a_type_that_later_days_rest_on(tmp_path: Path) -> None:
    days = Days(tmp_path, mode="changes")
    days.put(1, people("a", other=1))
    days.put(2, people("a", age=1))
    assert days.put(1, people("a", "b", age="old")).rows.quarantined == 2
    assert values(days, 2, "age") == {"a": 1}


def test_names_that_differ_by_case_or_hold_odd_characters_keep_their_own_values(tmp_path: Path) -> None:
    days = Days(tmp_path)
    row = {name: f"value of {name}" for name in ODD_NAMES}
    days.put(1, [{"clevertapId": "a", **row}])
    state = days.state(1)["a"]
    assert {name: state[name] for name in ODD_NAMES} == row
    assert [field.name for field in days.view().schema_as_of(key(1)).fields] == ODD_NAMES


@settings(max_examples=5)
@given(st.lists(st.text(min_size=1, max_size=6), unique=True, min_size=1, max_size=8))
def test_any_property_names_can_stand_side_by_side(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    days = Days(tmp_path_factory.mktemp("names"))
    row = {f"x{name}": name for name in names}
    days.put(1, [{"clevertapId": "a", **row}])
    state = days.state(1)["a"]
    assert {name: state[name] for name in row} == row


def test_a_day_without_the_one_before_it_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(PartitionMissing, match=f"Materialize crm/profiles for {key(1)} first"):
        Days(tmp_path).put(2, people("a"))


def test_a_read_of_a_missing_day_says_what_to_run(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.put(1, people("a"))
    with pytest.raises(PartitionMissing, match=f"Materialize crm/profiles for {key(2)}"):
        days.view().state_of(key(2))


def test_a_snapshot_after_one_that_was_written_anew_is_stale_until_it_is_too(tmp_path: Path) -> None:
    days = Days(tmp_path)
    for day in (1, 2, 3):
        days.put(day, people("a", "b", Plan=str(day)))
    before = days.view().state_of(key(3))
    days.put(1, people("a", "c", Plan="1"))
    with pytest.raises(PartitionStale, match=f"Materialize crm/profiles for {key(2)} again"):
        days.state(3)
    assert days.view().stale() == (key(2),)
    assert days.put(2, people("a", "b", Plan="2")).generation == 2
    assert days.view().stale() == ()
    assert sorted(days.state(3)) == ["a", "b"]
    assert days.view().state_of(key(3)) == before


def test_a_snapshot_that_carries_values_on_goes_stale_with_what_it_carries(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.put(1, people("a", Plan="x", City="Rome"))
    days.put(2, people("a", Plan="x"))
    days.put(3, people("a", Plan="y"))
    days.put(1, people("a", Plan="x", City="Oslo"))
    days.put(2, people("a", Plan="x"))
    assert days.view().stale() == (key(3),)
    days.put(3, people("a", Plan="y"))
    assert values(days, 3, "City") == {"a": "Oslo"}


def test_changes_are_never_stale_and_a_rerun_reaches_every_later_state(tmp_path: Path) -> None:
    days = Days(tmp_path, mode="changes")
    days.put(1, people("a", "b", Plan="x"))
    days.put(2, people("b", Plan="y"))
    before = days.view().state_of(key(2))
    days.put(1, people("a", "b", "c", Plan="z"))
    assert values(days, 2, "Plan") == {"a": "z", "b": "y", "c": "z"}
    assert days.view().stale() == ()
    assert days.view().state_of(key(2)) != before


def test_the_number_of_instances_is_fixed_once_there_is_data(tmp_path: Path) -> None:
    Days(tmp_path, instances=3).put(1, people("a"))
    with pytest.raises(LakeError, match="the lake has 3 instances, the declaration 1"):
        Days(tmp_path, instances=1).put(2, people("a"))


@pytest.mark.req("B4", "P15")
def test_a_profile_that_another_lists_is_merged_away_unless_its_own_row_is_newer(tmp_path: Path) -> None:
    days = Days(tmp_path, mode="changes")
    days.put(1, people("a", "b", "c", clevertapIds=None, updatedAt=at(0)))
    merge = {"clevertapId": "a", "clevertapIds": ["a", "b", "c", "ghost"], "updatedAt": at(2)}
    later = {"clevertapId": "c", "clevertapIds": None, "updatedAt": at(3)}
    older = {"clevertapId": "b", "clevertapIds": None, "updatedAt": at(1)}
    tally = days.put(2, [later, merge, older]).rows
    assert sorted(days.state(2)) == ["a", "c"]
    assert tally == Tally(source=3, superseded=1, logged=2, merged=2)
    gone = pl.concat([part.after for part in days.touched(2)]).filter("deleted")
    assert gone.select("clevertapId", "mergedInto").rows() == [("b", "a")]


@pytest.mark.req("B4", "P15")
def test_a_merge_holds_for_a_profile_that_only_a_rerun_of_an_older_day_brings(tmp_path: Path) -> None:
    days = Days(tmp_path, mode="changes", instances=3)
    days.put(1, people("a", clevertapIds=None))
    days.put(2, people("a", clevertapIds=["b"]))
    days.put(1, people("a", "b", clevertapIds=None))
    assert days.view().instances(key(2)) == tuple(sorted(crc32(i) % 3 for i in (b"a", b"b")))
    assert sorted(days.state(2)) == ["a"]


@pytest.mark.req("B10")
def test_a_day_of_changes_is_stale_once_an_older_one_brings_an_instance_that_it_did_not_know(tmp_path: Path) -> None:
    days = Days(tmp_path, mode="changes")
    days.put(1, people("a", instanceId=0))
    days.put(2, people("a", instanceId=5))
    days.put(1, people("a", instanceId=7))
    assert days.view().stale() == (key(2),)
    days.put(2, people("a", instanceId=5))
    assert sorted(days.state(2)) == ["a"]


@pytest.mark.req("B4", "P15")
def test_a_snapshot_tells_where_a_merged_profile_went(tmp_path: Path) -> None:
    days = Days(tmp_path, max_deleted=0.4)
    days.put(1, people("a", "b", "c", clevertapIds=None))
    tally = days.put(2, people("a", clevertapIds=["a", "b"]) + people("d", clevertapIds=None)).rows
    assert tally == Tally(source=2, logged=2, deleted=1, merged=1)
    gone = pl.concat([part.after for part in days.touched(2)]).filter("deleted").sort("clevertapId")
    assert gone.select("clevertapId", "mergedInto").rows() == [("b", "a"), ("c", None)]


@pytest.mark.req("B10")
@pytest.mark.parametrize("mode", ["changes", "snapshot"])
def test_a_profile_that_moves_to_another_instance_lives_once_and_leaves_no_tombstone(tmp_path: Path, mode: str) -> None:
    days = Days(tmp_path, mode=mode)  # type: ignore[arg-type]
    days.put(1, people("a", "b", "c", instanceId=0))
    tally = days.put(2, people("a", instanceId=5) + people("b", "c", instanceId=0)).rows
    assert sorted(days.state(2)) == ["a", "b", "c"]
    assert days.view().instances(key(2)) == (0, 5)
    assert (tally.moved, tally.deleted) == (1, 0)
    assert sum(int(part.after["deleted"].sum()) for part in days.touched(2)) == 0
    days.put(3, people("a", "b", "c", instanceId=0))
    assert sorted(days.state(3)) == ["a", "b", "c"]


@pytest.mark.req("B10", "B4")
def test_a_deletion_that_names_no_instance_holds_wherever_the_profile_stands(tmp_path: Path) -> None:
    days = Days(tmp_path, mode="changes")
    days.put(1, people("a", "b", instanceId=5, deleted=False))
    tally = days.put(2, people("a", instanceId=None, deleted=True)).rows
    assert sorted(days.state(2)) == ["b"]
    assert (tally.deleted, tally.moved) == (1, 1)
    gone = pl.concat([part.after for part in days.touched(2)])
    assert gone.select("clevertapId", "deleted", "mergedInto").rows() == [("a", True, None)]


@pytest.mark.req("B10")
def test_a_profile_given_in_two_instances_at_once_is_refused_and_keeps_its_last_good_state(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.put(1, people("a", "b", instanceId=0))
    tally = days.put(2, people("b", "a", instanceId=0) + people("a", instanceId=5)).rows
    assert tally == Tally(source=3, unchanged=1, quarantined=2)
    assert sorted(days.state(2)) == ["a", "b"]


@pytest.mark.req("P22", "P25")
def test_a_vanished_property_keeps_its_values_and_makes_no_change(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.put(1, people("a", "b", Plan="x", City="Rome"))
    assert days.put(2, people("a", "b", Plan="x")).rows == Tally(source=2, unchanged=2)
    days.put(3, people("a", "b", Plan="y"))
    assert values(days, 3, "City") == {"a": "Rome", "b": "Rome"}


@pytest.mark.req("P22")
def test_a_null_where_the_column_is_present_is_a_removal(tmp_path: Path) -> None:
    days = Days(tmp_path, types={"City": pl.String})
    days.put(1, people("a", "b", City="Rome"))
    days.put(2, people("a", "b", City=None))
    assert values(days, 2, "City") == {"a": None, "b": None}


def test_a_profile_that_comes_back_from_the_dead_remembers_nothing(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.put(1, people("a", "b", Plan="x", City="Rome"))
    days.put(2, people("b", Plan="x"))
    days.put(3, people("a", "b", Plan="x"))
    assert values(days, 3, "City") == {"a": None, "b": "Rome"}


def test_a_device_token_that_changes_is_kept_though_it_makes_no_change(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.put(1, people("a", deviceToken="t1"))
    assert days.put(2, people("a", deviceToken="t2")).rows.logged == 1
    assert days.view().find(key(2), "a")["deviceToken"].to_list() == ["t2"]


def test_only_the_newest_generation_of_a_quarantine_is_kept(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.put(1, [*people("a"), {"clevertapId": None}])
    record = days.put(1, [*people("a", "b"), {"clevertapId": ""}])
    assert [path.name for path in (tmp_path / "quarantine").iterdir()] == [record.quarantine]
    assert days.put(1, people("a")).quarantine is None
    assert list((tmp_path / "quarantine").iterdir()) == []


def test_nothing_is_left_in_scratch(tmp_path: Path) -> None:
    days = Days(tmp_path)
    days.put(1, people("a", "b"))
    assert list((tmp_path / "scratch").iterdir()) == []
