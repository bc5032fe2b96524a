"""What the lake of a dataset takes in, what it refuses, and what it gives back."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow.parquet as pq
import pytest
from dataset_days import DatasetDays, batch, column, key, window

from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.datasets.source import Span
from ctexport_dagster.core.errors import ConcurrentWrite, LakeError, PartitionMissing, TooManyQuarantined
from ctexport_dagster.core.interval import Cadence
from ctexport_dagster.core.quarantine import QUARANTINE_SCHEMA
from ctexport_dagster.core.schema import ValueType
from ctexport_dagster.core.source import RawBatch
from ctexport_dagster.lake.datasets import DatasetTally
from ctexport_dagster.lake.datasets.chain import span_of
from ctexport_dagster.lake.datasets.lake import KEPT_WHOLE

DAY = timedelta(days=1)
WHOLE = DeclaredDataset(holds="all")
BY_ID = DeclaredDataset(cursor="id")
UNREADABLE = pl.DataFrame({name: ["x"] for name in QUARANTINE_SCHEMA})


def aged(path: Path, by: timedelta) -> None:
    """Makes a file or folder look as if it were older."""
    then = path.stat().st_mtime - by.total_seconds()
    os.utime(path, (then, then))


def all_aged(days: DatasetDays, by: timedelta) -> None:
    for path in days.lake.root.iterdir():
        aged(path, by)


@pytest.mark.req("B1")
def test_source_rows_are_the_kept_and_the_quarantined_ones(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path)
    days.put(1, batch(a=column(1)))
    record = days.put(2, batch(a=column("x", "y")), batch(a=column(2)), RawBatch(pl.DataFrame(), UNREADABLE))
    assert record.rows == DatasetTally(source=4, quarantined=3, kept=1)


@pytest.mark.req("A1")
def test_every_type_comes_back_as_it_went_in(tmp_path: Path) -> None:
    given = pl.DataFrame(
        {
            "int": column(2**63 - 1, None),
            "uint": column(2**64 - 1, None, dtype=pl.UInt64),
            "float": column(float("nan"), float("-inf")),
            "half": column(1.5, None, dtype=pl.Float16),
            "decimal": column(Decimal("1.50"), Decimal("0.01"), dtype=pl.Decimal(38, 2)),
            "text": column("", "ノート\0"),
            "bytes": column(b"\xff\0", None),
            "day": column(date(1, 1, 1), date(9999, 12, 31)),
            "time": column(time(23, 59, 59, 999999), None),
            "naive": column(datetime.fromisoformat("1600-01-01"), None, dtype=pl.Datetime("ms")),
            "zoned": column(datetime(2026, 1, 1, tzinfo=UTC), None, dtype=pl.Datetime("ns", "Asia/Kolkata")),
            "span": column(timedelta(days=-1), None, dtype=pl.Duration("ns")),
            "list": column([{"a": 1, "b": [None]}], None),
            "array": column([1, 2], None, dtype=pl.Array(pl.Int8, 2)),
            "map": column({"k": 1}, None, dtype=pl.Map(pl.String, pl.Int64)),
            "flag": column(True, None),
            "nothing": column(None, None),
            "plan": column(1, 2),
            "Plan": column(3, 4),
            'a.b,"c"': column(1, 2),
            "": column(1, 2),
        }
    )
    days = DatasetDays(tmp_path)
    days.put(1, RawBatch(given))
    assert days.rows(1).equals(given, null_equal=True)
    assert days.rows(1).schema == given.schema


def test_rows_come_back_in_the_order_of_the_source_from_several_files(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path)
    record = days.put(1, *(batch(a=pl.Series(range(start, start + 7))) for start in range(0, 70, 7)))
    assert len(record.segments) > 2
    assert sum(segment.rows for segment in record.segments) == 70
    assert max(frame.height for frame in days.view().frames([key(1)])) < 20
    assert days.rows(1)["a"].to_list() == list(range(70))


def test_a_segment_is_a_plain_parquet_file(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path)
    record = days.put(1, batch(a=column(1, 2)))
    [segment] = record.segments
    path = days.lake.root / record.folder / segment.file
    assert pq.read_table(path).to_pydict() == {"a": [1, 2]}
    assert segment.bytes == path.stat().st_size == record.bytes


def test_an_input_that_is_there_already_is_not_written_again(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path)
    first = days.put(1, batch(a=column(1)))
    before = days.files()
    again = days.put(1, batch(a=column(1)))
    assert (first.is_new, again.is_new, again.generation, days.files()) == (True, False, 1, before)


@pytest.mark.parametrize("declared", [{"types": {"a": "string"}}, {"cursor": "a"}, {"holds": "all"}])
def test_an_input_is_written_again_once_it_is_declared_otherwise(tmp_path: Path, declared: dict[str, object]) -> None:
    DatasetDays(tmp_path).put(1, batch(a=column(1)))
    again = DatasetDays(tmp_path, DeclaredDataset.model_validate(declared)).put(1, batch(a=column(1)))
    assert (again.is_new, again.generation) == (True, 2)


def test_another_input_replaces_its_partition_alone(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path)
    days.put(1, batch(a=column(1)))
    days.put(2, batch(a=column(2)))
    assert days.put(1, batch(a=column(3, 4))).generation == 2
    assert (days.rows(1)["a"].to_list(), days.rows(2)["a"].to_list()) == ([3, 4], [2])


def test_rows_of_several_partitions_come_by_window_in_the_columns_of_all(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path)
    days.put(2, batch(c=column("x"), a=column(2.5)))
    days.put(1, batch(a=column(1), b=column(True)))
    assert days.rows(2, 1).rows() == [(1.0, True, None), (2.5, None, "x")]
    assert list(days.view().schema_of([key(2), key(1)])) == ["a", "b", "c"]


def test_a_column_keeps_its_place_and_its_type_when_it_is_gone(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path)
    days.put(1, batch(a=column(1.5), b=column("x")))
    record = days.put(2, batch(b=column("y"), c=column(1)))
    assert record.present == ("b", "c")
    assert days.rows(2).to_dict(as_series=False) == {"a": [None], "b": ["y"], "c": [1]}
    assert days.view().schema_of([key(2)])["a"] == pl.Float64()


def test_rows_are_given_in_the_columns_that_are_asked_for(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path)
    days.put(1, batch(a=column(1), b=column("x")))
    schema = pl.Schema({"z": pl.Date(), "a": pl.Float64()})
    [frame] = days.view().frames([key(1)], schema=schema)
    assert (frame.schema, frame.rows()) == (schema, [(None, 1.0)])


def test_values_that_cannot_be_had_in_a_type_are_an_error_without_them(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path)
    days.put(1, batch(a=column("secret")))
    with pytest.raises(LakeError, match="the column a holds values that Int64 can't") as told:
        list(days.view().frames([key(1)], schema=pl.Schema({"a": pl.Int64()})))
    assert "secret" not in str(told.value)


def test_types_that_contradict_each_other_after_an_edit_say_what_to_run(tmp_path: Path) -> None:
    DatasetDays(tmp_path).put(1, batch(a=column("1")))
    edited = DatasetDays(tmp_path, DeclaredDataset.model_validate({"types": {"a": "integer"}}))
    edited.put(2, batch(a=column("2")))
    with pytest.raises(LakeError, match=f"materialize shop/orders for {key(1)}, {key(2)} again"):
        edited.rows(1, 2)
    edited.put(1, batch(a=column("1")))
    assert edited.rows(1, 2)["a"].to_list() == [1, 2]


def test_an_empty_partition_has_its_columns_and_no_frame(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path)
    assert days.put(1, batch(a=column(dtype=pl.Int32))).rows == DatasetTally()
    assert days.view().schema_of([key(1)]) == pl.Schema({"a": pl.Int32()})
    assert list(days.view().frames([key(1)])) == []


def test_a_partition_without_any_batch_is_in_the_lake(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path)
    days.put(1)
    assert [record.partition for record in days.view().records()] == [key(1)]


def test_a_partition_that_is_not_there_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(PartitionMissing, match="Materialize shop/orders for 2026-11-01 first"):
        DatasetDays(tmp_path).view().record(key(1))


def test_the_state_of_partitions_changes_with_their_input_alone(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path)
    days.put(1, batch(a=column(1)))
    days.put(2, batch(a=column(2)))
    before = [days.view().state_of([key(1)]), days.view().state_of([key(1), key(2)])]
    days.put(2, batch(a=column(3)))
    after = [days.view().state_of([key(1)]), days.view().state_of([key(1), key(2)])]
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)


@pytest.mark.req("B6")
def test_a_refused_row_is_kept_whole_with_its_reason_and_place(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path)
    days.put(1, batch(a=column(1)))
    record = days.put(2, batch(5, a=column("x"), b=column(Decimal("1.10"), dtype=pl.Decimal(9, 2))))
    assert record.quarantine is not None
    assert days.quarantined().to_dicts() == [
        {
            "clevertapId": None,
            "reason": "contradicts_type",
            "field": "a",
            "value": "x",
            "row": '{"a":"x","b":"1.10"}',
            "place": "orders.ndjson:5",
        }
    ]


def test_a_mended_partition_drops_its_older_quarantine(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path)
    days.put(1, batch(a=column(1)))
    days.put(2, batch(a=column("x")))
    days.put(2, batch(a=column(2)))
    assert list((tmp_path / "quarantine").iterdir()) == []


@pytest.mark.parametrize(("limit", "is_refused"), [(0.25, True), (0.5, False), (1, True), (2, False)])
def test_more_refused_rows_than_allowed_stop_the_partition(
    tmp_path: Path, limit: float | int, *, is_refused: bool
) -> None:
    days = DatasetDays(tmp_path, DeclaredDataset(cursor="a"), max_quarantined=limit)
    given = batch(a=column(1, None, None, 4))
    if not is_refused:
        assert days.put(1, given).rows.quarantined == 2
        return
    with pytest.raises(TooManyQuarantined, match="2 of 4 rows were refused"):
        days.put(1, given)
    assert [path.name for path in days.files()] == ["2026-11-01-failed.parquet"]


@pytest.mark.req("B6")
def test_rows_that_fail_their_partition_are_told_by_reason_and_field_and_kept_where_the_message_says(
    tmp_path: Path,
) -> None:
    days = DatasetDays(tmp_path, DeclaredDataset(types={"price": ValueType.INTEGER}), max_quarantined=0)
    given = batch(price=column("1", "secret", "hidden", "2")), RawBatch(pl.DataFrame(), UNREADABLE)
    with pytest.raises(TooManyQuarantined) as error:
        days.put(1, *given)
    kept = tmp_path / "quarantine" / f"{key(1)}-failed.parquet"
    assert error.value.happened == (
        "3 of 5 rows were refused, `max_quarantined` allows 0:"
        " 2 contradicts_type in price, first at orders.ndjson:2; 1 x in x, first at x"
    )
    assert str(kept) in error.value.next_step
    assert pl.read_parquet(kept)["value"].to_list() == ["secret", "hidden", "x"]
    assert "secret" not in str(error.value)


@pytest.mark.req("B6")
def test_the_rows_that_failed_a_partition_go_once_it_is_taken_in(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path, BY_ID, max_quarantined=0)
    with pytest.raises(TooManyQuarantined):
        days.put(1, batch(id=column(1, None)))
    days.put(1, batch(id=column(1, 2)))
    assert list((tmp_path / "quarantine").iterdir()) == []


@pytest.mark.req("A2", "B6")
@pytest.mark.parametrize(
    ("before", "now"),
    [
        (column(1, 2), column("1x", "2x")),
        (column(date(2026, 1, 1), None), column(datetime.fromisoformat("2026-01-01T05:00"), None)),
        (column(datetime.fromisoformat("2026-01-01")), column(datetime(2026, 1, 1, tzinfo=UTC))),
        (column("a"), column(b"a")),
        (column(2**53 + 1), column(0.5)),
    ],
)
def test_of_a_table_given_whole_each_time_a_column_takes_another_type_with_its_values(
    tmp_path: Path, before: pl.Series, now: pl.Series
) -> None:
    days = DatasetDays(tmp_path, WHOLE)
    days.put(1, batch(v=before))
    record = days.put(2, batch(v=now))
    assert record.rows == DatasetTally(source=len(now), quarantined=0, kept=len(now))
    assert days.rows(2)["v"].equals(now.alias("v"), check_dtypes=True, null_equal=True)


@pytest.mark.req("B6")
def test_of_a_table_given_whole_each_time_a_few_values_of_another_type_are_refused(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path, WHOLE)
    days.put(1, batch(v=column(1, 2)))
    first = batch(variants={"v": ("v_text",)}, v=column(None, None), v_text=column("x", "y"))
    record = days.put(2, first, batch(3, v=column(3, 4)))
    assert record.rows == DatasetTally(source=4, quarantined=2, kept=2)
    assert days.rows(2)["v"].to_list() == [3, 4]


def test_a_table_given_whole_whose_new_type_is_mixed_holds_text_and_every_row(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path, WHOLE)
    days.put(1, batch(v=column(1)))
    mixed = batch(variants={"v": ("v_text",)}, v=column(None, None, 3), v_text=column("x", "y", None))
    record = days.put(2, mixed)
    assert record.rows == DatasetTally(source=3, quarantined=0, kept=3)
    assert days.rows(2)["v"].to_list() == ["x", "y", "3"]


def test_a_new_column_of_mixed_values_is_text_from_its_first_row_on(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path)
    record = days.put(1, batch(a=column(1), b=column(2)), batch(a=column("x"), b=column(3)), batch(a=column(2.5)))
    assert record.rows == DatasetTally(source=3, quarantined=0, kept=3)
    assert days.rows(1).rows() == [("1", 2), ("x", 3), ("2.5", None)]
    assert sum(segment.rows for segment in record.segments) == 3
    assert len(list((days.lake.root / record.folder).iterdir())) == len(record.segments)


def test_a_refused_row_of_a_partition_that_is_read_twice_is_told_once(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path)
    days.put(1, batch(k=column(1)))
    record = days.put(2, batch(a=column(1), k=column("no")), batch(a=column("x"), k=column(2)))
    assert (record.rows.quarantined, days.quarantined().height, days.rows(2).rows()) == (1, 1, [(2, "x")])


class Broken(Exception):
    """Something that no code of ours expects."""


def broken_after(*batches: RawBatch) -> Iterator[RawBatch]:
    yield from batches
    raise Broken


@pytest.mark.req("B2")
def test_an_ingest_that_fails_leaves_no_file_and_the_partition_as_it_was(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path, DeclaredDataset(cursor="a"))
    days.put(1, batch(a=column(1)))
    before = days.files()
    with pytest.raises(Broken):
        days.put_input(1, lambda: broken_after(batch(a=column(2, None))), "other")
    assert (days.files(), days.rows(1)["a"].to_list()) == (before, [1])


@pytest.mark.req("B2")
@pytest.mark.parametrize("moment", ["while it reads", "before the rename", "before its record"])
def test_an_ingest_that_is_killed_leaves_the_partition_as_it_was(tmp_path: Path, moment: str) -> None:
    days = DatasetDays(tmp_path)
    days.put(1, batch(a=column(1)))
    before = days.files()
    child = Path(__file__).with_name("dataset_killed_child.py")
    killed = subprocess.run([sys.executable, child, tmp_path, moment], check=False, cwd=child.parent)
    assert killed.returncode == -9
    assert days.files() != before
    assert days.rows(1)["a"].to_list() == [1]
    all_aged(days, 2 * DAY)
    days.lake.sweep()
    assert days.files() == before
    assert days.put(1, batch(a=column(2))).generation == 2


def test_of_two_writers_of_one_partition_the_second_keeps_nothing(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path)

    def batches() -> Iterator[RawBatch]:
        days.put(1, batch(a=column("theirs")))
        yield batch(a=column("mine"))

    with pytest.raises(ConcurrentWrite):
        days.put_input(1, batches, "mine")
    assert days.rows(1)["a"].to_list() == ["theirs"]
    assert len(list(days.lake.root.iterdir())) == 2


def test_replaced_rows_stay_for_whoever_is_reading_them_for_a_day(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path)
    days.put(1, batch(a=column(1)))
    all_aged(days, 9 * DAY)
    reading = days.view().frames([key(1)])
    days.put(1, batch(a=column(2)))
    assert days.lake.sweep() == 0
    assert [frame["a"].to_list() for frame in reading] == [[1]]
    aged(days.lake.root / f"{key(1)}.json", DAY)
    assert days.lake.sweep() == 1
    assert days.rows(1)["a"].to_list() == [2]


def test_a_reader_of_rows_that_are_gone_is_told_what_to_do(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path)
    days.put(1, batch(a=column(1)))
    view = days.view()
    days.put(1, batch(a=column(2)))
    days.lake.sweep(min_age_hours=0)
    with pytest.raises(PartitionMissing, match=f"written anew meanwhile. Materialize shop/orders for {key(1)} again"):
        list(view.frames([key(1)]))


def test_of_whole_tables_the_newest_seven_keep_their_rows(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path, WHOLE)
    for day in range(1, KEPT_WHOLE + 3):
        days.put(day, batch(a=column(day)))
    assert days.lake.sweep() == 0
    all_aged(days, DAY)
    assert days.lake.sweep() == 2
    assert [days.rows(day)["a"].to_list() for day in range(3, 10)] == [[day] for day in range(3, 10)]
    with pytest.raises(PartitionMissing, match=f"hold the whole table. Materialize shop/orders for {key(2)} again"):
        days.rows(2)


def test_a_whole_table_that_was_dropped_is_written_again(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path, WHOLE)
    for day in range(1, KEPT_WHOLE + 2):
        days.put(day, batch(a=column(day)))
    all_aged(days, DAY)
    days.lake.sweep()
    assert days.put(1, batch(a=column(1))).is_new
    assert days.lake.sweep() == 0
    assert days.rows(1)["a"].to_list() == [1]


def spans(days: DatasetDays, count: int) -> list[Span]:
    cadence = days.declaration.cadence
    return [span_of(days.view(), days.declared, cadence, window(day)) for day in range(1, count + 1)]


@pytest.mark.req("A3")
def test_a_partition_begins_where_the_one_before_ended(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path, BY_ID)
    days.put(1, batch(id=column(1)), upto="one")
    days.put(2, batch(id=column(2)), upto="two")
    found = spans(days, 3)
    assert [(span.since, span.upto) for span in found] == [(None, "one"), ("one", "two"), ("two", None)]
    assert all(before.window.end == after.window.start for before, after in pairwise(found))
    assert [list(span.earlier()) for span in found] == [[], [], ["one"]]


def test_where_partitions_end_is_in_no_record(tmp_path: Path) -> None:
    """A view holds all records: they must not grow with what a source writes down for itself."""
    days = DatasetDays(tmp_path, BY_ID)
    days.put(1, batch(id=column(1)), upto="x" * 100_000)
    assert spans(days, 2)[1].since == "x" * 100_000
    assert sum(path.stat().st_size for path in days.lake.root.glob("*.json")) < 5_000


def test_of_partitions_that_are_remembered_together_none_may_be_of_another_way(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path, BY_ID)
    days.put(1, batch(id=column(1)), upto="one")
    other = DatasetDays(tmp_path, DeclaredDataset())
    for day in (2, 3):
        other.put(day, batch(id=column(day)), upto=str(day))
    span = span_of(other.view(), other.declared, other.declaration.cadence, window(4))
    with pytest.raises(PartitionMissing, match=f"{key(1)}, was read in another way"):
        list(span.earlier())


def test_a_partition_that_begins_where_none_ended_names_the_one_to_run(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path, BY_ID)
    with pytest.raises(PartitionMissing, match=f"{key(1)}, is not in the lake. Materialize shop/orders for {key(1)}"):
        spans(days, 2)


@pytest.mark.parametrize("cursor", ["other", None])
def test_the_end_of_a_reading_by_another_cursor_means_nothing(tmp_path: Path, cursor: str | None) -> None:
    DatasetDays(tmp_path, DeclaredDataset(cursor=cursor)).put(1, batch(id=column(1), other=column(2)), upto="one")
    days = DatasetDays(tmp_path, BY_ID)
    assert [(span.since, span.upto) for span in spans(days, 1)] == [(None, None)]
    with pytest.raises(PartitionMissing, match=r"read in another way.*`--full`"):
        spans(days, 2)


@pytest.mark.req("A3")
def test_the_end_of_a_reading_in_another_time_zone_means_nothing(tmp_path: Path) -> None:
    """An instant without a zone of its own is another one there: rows between the two would be in no partition."""
    days = DatasetDays(tmp_path, BY_ID)
    days.put(1, batch(id=column(1)), upto="one")
    elsewhere = Cadence(ZoneInfo("Asia/Kolkata"), 24, date(2026, 11, 1))
    with pytest.raises(PartitionMissing, match="read in another way"):
        span_of(days.view(), days.declared, elsewhere, elsewhere.window_of(key(2)))


def test_records_of_old_that_tell_no_time_zone_end_where_they_say(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path, BY_ID)
    days.put(1, batch(id=column(1)), upto="one")
    path = days.lake.root / f"{key(1)}.json"
    document = json.loads(path.read_text())
    del document["zone"]
    path.write_text(json.dumps(document))
    assert spans(days, 2)[1].since == "one"


def test_partitions_that_stand_alone_may_come_in_any_order(tmp_path: Path) -> None:
    days = DatasetDays(tmp_path)
    days.put(3, batch(a=column(3)))
    days.put(1, batch(a=column(1)))
    assert [span.since for span in spans(days, 4)] == [None] * 4
    assert days.rows(3, 1)["a"].to_list() == [1, 3]
