"""Delta tables as datasets: by version, by cursor, by predicate, and whole."""

import json
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from delta_tables import FEED, append, at, log_file, mark_deleted, opened, rows_of, window
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st
from line_fakes import TinyHome

from ctexport_dagster.core.datasets.source import DatasetInput, DatasetSource, Span
from ctexport_dagster.core.errors import SourceUnreadable
from ctexport_dagster.resources.delta.source import DeltaTables
from ctexport_dagster.stages.datasets import ingest_dataset_partition

FIRST, SECOND, THIRD = DAYS = "2026-11-18", "2026-11-19", "2026-11-20"


def orders(*numbers: int, **columns: pl.Series) -> pl.DataFrame:
    return pl.DataFrame({"id": list(numbers), **columns})


def read(source: DeltaTables, day: str, since: str | None = None, upto: str | None = None) -> DatasetInput:
    return source.dataset("orders", Span(day, window(day), since, upto))


def ids(given_: DatasetInput) -> list[object]:
    return [row["id"] for row in rows_of(list(given_.batches()))]


def chain(source: DeltaTables) -> list[DatasetInput]:
    """Each day's partition, each from where the one before ended."""
    inputs: list[DatasetInput] = []
    for day in DAYS:
        inputs.append(read(source, day, inputs[-1].upto if inputs else None))
    return inputs


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """1 and 2 before the first day, 3 on the second, 4 and 5 on the third."""
    append(tmp_path / "t", orders(1), "2026-10-01T10:00", configuration=FEED)
    append(tmp_path / "t", orders(2), "2026-11-01T10:00")
    append(tmp_path / "t", orders(3), "2026-11-19T10:00")
    append(tmp_path / "t", orders(4, 5), "2026-11-20T10:00")
    return tmp_path / "t"


@pytest.mark.req("B9", "A3", "S12")
def test_the_first_partition_has_everything_so_far_and_the_others_what_was_added(table: Path) -> None:
    source = opened(table.parent, datasets={"orders": "t"})
    assert isinstance(source, DatasetSource)
    assert [sorted(map(str, ids(part))) for part in chain(source)] == [["1", "2"], ["3"], ["4", "5"]]
    assert source.declaration.declared_datasets["orders"].is_chained


@pytest.mark.req("A3")
def test_a_second_reading_takes_in_the_rows_of_the_first_and_no_later_ones(table: Path) -> None:
    source = opened(table.parent, datasets={"orders": "t"})
    first = read(source, FIRST)
    append(table, orders(9), "2026-11-18T20:00")  # by a writer whose clock is behind
    again = read(source, FIRST, None, first.upto)
    assert (ids(again), again.fingerprint, again.upto) == (ids(first), first.fingerprint, first.upto)


def test_an_update_adds_the_row_as_it_is_now_and_a_deletion_adds_none(table: Path) -> None:
    before = read(opened(table.parent, datasets={"orders": "t"}), THIRD)
    DeltaTable(table).delete("id = 1")
    at(table, "2026-11-21T10:00")
    DeltaTable(table).update({"id": "20"}, predicate="id = 2")
    at(table, "2026-11-21T11:00")
    assert ids(read(opened(table.parent, datasets={"orders": "t"}), "2026-11-21", before.upto)) == [20]


def test_a_table_that_was_created_anew_is_told(table: Path) -> None:
    source = opened(table.parent, datasets={"orders": "t"})
    before = read(source, FIRST)
    renewed = table.parent / "renewed"
    append(renewed, orders(7), "2026-11-18T10:00")
    append(renewed, orders(8), "2026-11-19T10:00")
    append(renewed, orders(8), "2026-11-19T10:00")
    table.rename(table.parent / "gone")
    renewed.rename(table)
    with pytest.raises(SourceUnreadable, match="created anew"):
        read(source, SECOND, before.upto)


def test_commits_that_have_been_cleaned_up_are_told(table: Path) -> None:
    source = opened(table.parent, datasets={"orders": "t"})
    before = read(source, FIRST)
    DeltaTable(table).create_checkpoint()
    log_file(table, 2).unlink()
    with pytest.raises(SourceUnreadable, match="no longer has version 2"):
        read(source, THIRD, before.upto)


def test_a_dataset_that_holds_all_is_the_table_as_of_each_windows_end(table: Path) -> None:
    source = opened(table.parent, datasets={"orders": {"table": "t", "holds": "all"}})
    inputs = [read(source, day) for day in DAYS]
    assert [(sorted(map(str, ids(part))), part.upto) for part in inputs] == [
        (["1", "2"], None),
        (["1", "2", "3"], None),
        (["1", "2", "3", "4", "5"], None),
    ]
    assert not source.declaration.declared_datasets["orders"].is_chained


@pytest.mark.req("A3")
@pytest.mark.parametrize("kind", ["number", "text", "instant", "day", "wall"])
def test_a_cursor_tells_what_is_new_whatever_its_type(tmp_path: Path, kind: str) -> None:
    instants = [datetime(2026, 11, 17, tzinfo=UTC) + timedelta(days=number) for number in range(4)]
    values = {
        "number": pl.Series([1, 2, 3, 4]),
        "text": pl.Series(["a", "b", "é", "😀"]),
        "instant": pl.Series(instants),
        "day": pl.Series([instant.date() for instant in instants]),
        "wall": pl.Series([instant.replace(tzinfo=None) for instant in instants]),
    }[kind]
    source = opened(tmp_path, datasets={"orders": {"table": "t", "cursor": "c"}})
    rows = orders(1, 2, 3, 4, c=values)
    inputs: list[DatasetInput] = []
    for number, day in enumerate(DAYS):
        new = rows[:2] if number == 0 else rows[number + 1 : number + 2]
        append(tmp_path / "t", new, f"{day}T10:00")
        inputs.append(read(source, day, inputs[-1].upto if inputs else None))
    assert [ids(part) for part in inputs] == [[1, 2], [3], [4]]
    assert [
        ids(read(source, day, part, own.upto)) for day, part, own in zip(DAYS, _before(inputs), inputs, strict=True)
    ] == [
        [1, 2],
        [3],
        [4],
    ]


def _before(inputs: list[DatasetInput]) -> list[str | None]:
    return [None, *(part.upto for part in inputs[:-1])]


def test_a_row_without_a_cursor_is_told_and_not_taken(tmp_path: Path) -> None:
    append(tmp_path / "t", orders(1, 2, c=pl.Series([1, None])), "2026-11-18T10:00")
    source = opened(tmp_path, datasets={"orders": {"table": "t", "cursor": "c"}})
    (batch,) = read(source, FIRST).batches()
    assert batch.frame["id"].to_list() == [1]
    assert batch.unreadable.select("reason", "field", "value").rows() == [("missing_value", "c", None)]


def test_an_empty_table_has_no_bound_and_the_next_partition_has_everything(tmp_path: Path) -> None:
    append(tmp_path / "t", orders(c=pl.Series([], dtype=pl.Int64)).cast({"id": pl.Int64}), "2026-11-18T10:00")
    source = opened(tmp_path, datasets={"orders": {"table": "t", "cursor": "c"}})
    first = read(source, FIRST)
    append(tmp_path / "t", orders(1, c=pl.Series([5])), "2026-11-19T10:00")
    assert (ids(first), ids(read(source, SECOND, first.upto))) == ([], [1])


def test_a_cursor_that_cant_grow_or_isnt_there_is_told(tmp_path: Path) -> None:
    append(tmp_path / "t", orders(1, c=pl.Series([True])), "2026-11-18T10:00")
    for column, expected in (("c", "can't serve as a cursor"), ("d", "no column 'd'")):
        with pytest.raises(SourceUnreadable, match=expected):
            read(opened(tmp_path, datasets={"orders": {"table": "t", "cursor": column}}), FIRST)


def test_a_dataset_that_was_read_otherwise_before_is_told(table: Path) -> None:
    by_version = read(opened(table.parent, datasets={"orders": "t"}), FIRST)
    by_cursor = opened(table.parent, datasets={"orders": {"table": "t", "cursor": "id"}})
    with pytest.raises(SourceUnreadable, match="in another way"):
        read(by_cursor, SECOND, by_version.upto)
    with pytest.raises(SourceUnreadable, match="in another way"):
        read(opened(table.parent, datasets={"orders": "t"}), SECOND, read(by_cursor, FIRST).upto)


def test_a_files_statistics_spare_reading_it_and_cut_off_no_row(tmp_path: Path) -> None:
    instant = datetime(2026, 11, 19, 0, 0, 0, 999, tzinfo=UTC)  # statistics are cut to milliseconds
    for number, when in enumerate((datetime(2026, 11, 17, tzinfo=UTC), instant)):
        append(tmp_path / "t", orders(number, c=pl.Series([when])), f"2026-11-{18 + number}T10:00")
    source = opened(tmp_path, datasets={"orders": {"table": "t", "cursor": "c"}})
    first = read(source, FIRST)
    second = read(source, SECOND, first.upto)
    assert (ids(first), ids(second)) == ([0], [1])
    assert [first.row_estimate, second.row_estimate] == [1, 1]


def test_deleted_rows_are_in_no_dataset(tmp_path: Path) -> None:
    append(tmp_path / "t", orders(1, 2, 3), "2026-11-18T10:00")
    mark_deleted(tmp_path / "t", [1])
    at(tmp_path / "t", "2026-11-18T11:00")
    for declared in ("t", {"table": "t", "holds": "all"}, {"table": "t", "cursor": "id"}):
        assert ids(read(opened(tmp_path, datasets={"orders": declared}), FIRST)) == [1, 3]


def test_a_condition_narrows_what_was_added(table: Path) -> None:
    source = opened(table.parent, datasets={"orders": {"table": "t", "where": "id <> 2 AND id <> 5"}})
    assert [ids(part) for part in chain(source)] == [[1], [3], [4]]


def test_a_dataset_keeps_dates_decimals_and_binary(tmp_path: Path) -> None:
    rows = orders(1, d=pl.Series([date(2026, 11, 18)]), b=pl.Series([b"\xff"]), m=pl.Series([[{"k": b"\x00"}]]))
    append(tmp_path / "t", rows, "2026-11-18T10:00")
    (batch,) = read(opened(tmp_path, datasets={"orders": "t"}), FIRST).batches()
    assert batch.frame.to_dicts() == rows.to_dicts()


@pytest.mark.req("B1", "B9")
@pytest.mark.parametrize("declared", ["t", {"table": "t", "cursor": "id"}, {"table": "t", "holds": "all"}])
def test_a_delta_table_feeds_the_lake_of_datasets(table: Path, declared: object) -> None:
    source = opened(table.parent, datasets={"orders": declared})
    home = TinyHome(table.parent / "home", source.declaration)
    run = partial(ingest_dataset_partition, source.declaration, source, "orders", folders=home.folders)
    records = [run(day, run_id="r") for day in DAYS]
    append(table, orders(9), "2026-11-21T10:00")
    again = [run(day, run_id="r2") for day in DAYS]
    assert [record.is_new for record in again] == [False] * 3
    holds_all = source.declaration.declared_datasets["orders"].holds == "all"
    assert sum(record.rows.kept for record in records) == (10 if holds_all else 5)
    frames = home.folders.dataset_lake("lakehouse", "orders").view().frames(DAYS[-1:] if holds_all else DAYS)
    assert sorted(pl.concat(frames)["id"]) == [1, 2, 3, 4, 5]


@pytest.mark.req("A3")
@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3 * 24 * 60 - 1), st.integers(1, 3), st.booleans()), min_size=1, max_size=6))
def test_whatever_the_commits_each_row_is_in_exactly_one_partition(commits: list[tuple[int, int, bool]]) -> None:
    with TemporaryDirectory() as home:
        table, start, count = Path(home) / "t", datetime(2026, 11, 18), 0  # noqa: DTZ001 (told as UTC below)
        append(table, orders(0), "2026-11-01T00:00")
        for minutes, rows, optimizes in commits:  # in whatever order of instants
            append(table, orders(*range(count + 1, count + 1 + rows)), (start + timedelta(minutes=minutes)).isoformat())
            count += rows
            if optimizes:
                DeltaTable(table).optimize.compact()
                at(table, (start + timedelta(minutes=minutes)).isoformat())
        source = opened(Path(home), datasets={"orders": "t"})
        inputs = chain(source)
        got = [row for part in inputs for row in ids(part)]
        assert len(got) == len(set(got))
        version = json.loads(inputs[-1].upto or "")["version"]
        expected = pl.from_arrow(DeltaTable(table, version=version).to_pyarrow_table())
        assert isinstance(expected, pl.DataFrame)
        assert sorted(map(str, got)) == sorted(map(str, expected["id"].to_list()))
