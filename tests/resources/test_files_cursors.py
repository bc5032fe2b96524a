"""Rows of growing files by their cursor: each in one partition, the same at a second reading, none lost unsaid."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import ValidationError

from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.datasets.normalise import KnownTable, TableNormaliser
from ctexport_dagster.core.datasets.source import DatasetInput, DatasetSource, Span
from ctexport_dagster.core.errors import SourceUnreadable
from ctexport_dagster.core.source import RawBatch
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.files.declaration import FilesSource
from ctexport_dagster.resources.files.kept_rows import kept
from ctexport_dagster.resources.files.ndjson import ndjson_batches
from ctexport_dagster.resources.files.ndjson_types import typed_ndjson_batches
from ctexport_dagster.resources.files.parquet_types import typed_parquet_batches
from ctexport_dagster.resources.files.text_columns import text_batches

DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")
ODD_NAMES = ("^b$", "^.*$", "*", "", "b")


def declared(name: str = "id", **settings: object) -> FilesSource:
    dataset = {"path": "*.*", "cursor": name, **settings}
    return FilesSource.model_validate({"name": "shop", "start": date(2026, 11, 1), "datasets": {"orders": dataset}})


def read(home: Path, source: FilesSource, day: str, since: str | None = None, upto: str | None = None) -> DatasetInput:
    files = source.open(Surroundings(home))
    assert isinstance(files, DatasetSource)
    return files.dataset("orders", Span(day, source.cadence.window_of(day), since, upto))


def rows(found: DatasetInput) -> list[dict[str, object]]:
    return [row for batch in found.batches() for row in batch.frame.to_dicts()]


def ids(found: DatasetInput, name: str = "id") -> list[object]:
    return [row[name] for row in rows(found)]


def refused(found: DatasetInput) -> list[tuple[object, ...]]:
    columns = ("reason", "field", "value", "place")
    return [row for batch in found.batches() for row in batch.unreadable.select(columns).rows()]


def kept_of(source: FilesSource, found: DatasetInput) -> list[dict[str, object]]:
    """The rows as the lake takes them in."""
    normaliser = TableNormaliser(source.declared_datasets["orders"], ZoneInfo("UTC"), KnownTable())
    return [row for batch in found.batches() for row in normaliser.normalise(batch).frame.to_dicts()]


# Cursors of another type


@pytest.mark.req("A3", "B1")
def test_a_cursor_of_another_type_than_the_columns_is_refused_by_each_partition_and_kept_by_none(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.ndjson").write_text('{"id":1}\n{"id":"7"}\n{"id":3}\n')
    first = read(tmp_path, declared(), DAYS[0])
    (tmp_path / "b.ndjson").write_text('{"id":4}\n')
    second = read(tmp_path, declared(), DAYS[1], first.upto)
    assert (ids(first), ids(second)) == ([1, 3], [4])
    expected = [("contradicts_type", "id", "7", "a.ndjson:2")]
    assert (refused(first), refused(second)) == (expected, expected)


@pytest.mark.parametrize("kind", ["ndjson", "parquet"])
def test_a_fraction_among_cursors_that_are_whole_numbers_is_refused_alone(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.ndjson").write_text('{"id":1}\n')
    first = read(tmp_path, declared(), DAYS[0])
    numbers = pl.DataFrame({"id": [1.0, 2.0, 3.5, 4.0, 2.0**54]})
    (numbers.write_ndjson if kind == "ndjson" else numbers.write_parquet)(tmp_path / f"b.{kind}")
    second = read(tmp_path, declared(), DAYS[1], first.upto)
    third = read(tmp_path, declared(), DAYS[2], second.upto)
    assert ([repr(one) for one in ids(second)], ids(third)) == (["2", "4"], [])
    assert [row[:2] for row in refused(third)] == [("contradicts_type", "id")] * 2
    assert refused(second) == refused(third)


def test_a_cursor_of_another_type_that_the_declared_one_reads_is_in_one_partition(tmp_path: Path) -> None:
    source = declared("at", types={"at": "timestamp"})
    lines = ('{"at":"2026-11-01T05:00:00Z"}', '{"at":17}', '{"at":true}', '{"at":"2026-11-02T06:00:00Z"}')
    (tmp_path / "a.ndjson").write_text("".join(f"{line}\n" for line in lines))
    first = read(tmp_path, source, DAYS[0])
    second = read(tmp_path, source, DAYS[1], first.upto)
    instants = [datetime(2026, 11, 1, 5, tzinfo=UTC), datetime.fromtimestamp(17, UTC)]
    assert [row["at"] for row in kept_of(source, first)] == instants
    assert [row["at"] for row in kept_of(source, second)] == [datetime(2026, 11, 2, 6, tzinfo=UTC)]
    assert refused(first) == refused(second) == [("contradicts_type", "at", "true", "a.ndjson:3")]


def test_a_first_partition_without_rows_can_be_read_again_once_there_are_some(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text("")
    first = read(tmp_path, declared(), DAYS[0])
    (tmp_path / "a.ndjson").write_text('{"id":1}\n')
    again = read(tmp_path, declared(), DAYS[0], None, first.upto)
    second = read(tmp_path, declared(), DAYS[1], first.upto)
    assert (ids(again), again.fingerprint, ids(second)) == ([], first.fingerprint, [1])


# Cursors of CSV


@pytest.mark.req("A3")
def test_a_cursor_of_csv_is_compared_as_the_type_that_is_declared(tmp_path: Path) -> None:
    source = declared(types={"id": "integer"})
    (tmp_path / "a.csv").write_text("id\n8\n9\n")
    first = read(tmp_path, source, DAYS[0])
    (tmp_path / "a.csv").write_text("id\n8\n9\n10\n")
    assert ids(read(tmp_path, source, DAYS[1], first.upto)) == ["10"]


@pytest.mark.parametrize("types", [{}, {"id": "unknown"}])
def test_a_cursor_of_csv_without_a_type_is_told_for_text_would_lose_rows(tmp_path: Path, types: dict[str, str]) -> None:
    (tmp_path / "a.csv").write_text("id\n9\n10\n")
    with pytest.raises(SourceUnreadable, match=r"a\.csv is CSV, and nothing says how 'id' sorts.*`types:`, as integer"):
        read(tmp_path, declared(types=types), DAYS[0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": "*.csv"}, "CSV doesn't say how the cursor sorts: write 'id' under `types:`"),
        ({"path": "*.CSV.gz"}, "CSV doesn't say how the cursor sorts"),
        ({"path": "*.txt", "format": "csv"}, "CSV doesn't say how the cursor sorts"),
        ({"holds": "all"}, "write `cursor:` or `holds: all`.*`timestamp:`"),
    ],
)
def test_what_no_partition_could_be_read_by_is_a_mistake_of_the_declaration(
    settings: dict[str, object], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        declared("id", **settings)


def test_a_csv_name_with_another_format_needs_no_type() -> None:
    assert declared(path="*.csv", format="ndjson").declared_datasets["orders"].cursor == "id"


# A second reading, once the files have grown


@pytest.mark.req("A3")
def test_rows_of_ndjson_have_their_own_shape_whatever_was_added_since(tmp_path: Path) -> None:
    path = tmp_path / "a.ndjson"
    path.write_text('{"id":1,"v":0}\n{"id":2,"v":5}\n')
    first = read(tmp_path, declared(), DAYS[0])
    path.write_text(path.read_text() + '{"id":7,"v":1.5,"w":{"x":"y"}}\n{"id":8,"v":[1]}\n')
    again = read(tmp_path, declared(), DAYS[0], None, first.upto)
    second = read(tmp_path, declared(), DAYS[1], first.upto)
    assert [batch.frame.schema for batch in again.batches() if batch.frame.height] == [{"id": pl.Int64, "v": pl.Int64}]
    assert (rows(again), again.fingerprint) == (rows(first), first.fingerprint)
    assert ids(second) == [7, 8]


grown = st.lists(st.tuples(st.text("aé", max_size=40) | st.none(), st.none() | st.just(1.5)), min_size=1, max_size=8)


@pytest.mark.req("A3")
@examples(max_examples=15, deadline=None)
@given(before=grown, after=grown, kind=st.sampled_from(["csv", "ndjson", "parquet"]))
def test_over_any_growth_the_first_rows_keep_their_fingerprint(
    tmp_path_factory: pytest.TempPathFactory,
    before: list[tuple[str | None, float | None]],
    after: list[tuple[str | None, float | None]],
    kind: str,
) -> None:
    home, source = tmp_path_factory.mktemp("shop"), declared(types={"id": "integer"})
    written(home / f"a.{kind}", before)
    first = read(home, source, DAYS[0])
    written(home / f"a.{kind}", [*before, *after])
    again = read(home, source, DAYS[0], None, first.upto)
    assert (again.fingerprint, rows(again)) == (first.fingerprint, rows(first))
    changed = [("another text, longer than what a view holds inline", None), *before[1:]]
    written(home / f"a.{kind}", [*changed, *after])
    assert read(home, source, DAYS[0], None, first.upto).fingerprint != first.fingerprint


def written(path: Path, given: Sequence[tuple[str | None, float | None]]) -> None:
    schema = {"id": pl.Int64, "note": pl.String, "v": pl.Float64}
    frame = pl.DataFrame([(place, *row) for place, row in enumerate(given)], schema=schema, orient="row")
    match path.suffix:
        case ".csv":
            frame.write_csv(path, quote_style="non_numeric")
        case ".ndjson":
            frame.write_ndjson(path)
        case _:
            frame.write_parquet(path)


def test_the_fingerprint_of_rows_is_the_same_however_they_are_divided() -> None:
    frame = pl.DataFrame({"id": range(6), "v": [["a"], [], None, ["b" * 20], ["c"], [None]]})
    parts = [RawBatch(frame[:2]), RawBatch(frame[:0]), RawBatch(frame[2:])]
    assert kept([RawBatch(frame)]).fingerprint == kept(parts).fingerprint
    assert kept([RawBatch(frame)]).fingerprint != kept([RawBatch(frame[1:]), RawBatch(frame[:1])]).fingerprint


# Odd names of columns


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_cursor_may_be_called_anything(tmp_path: Path, name: str) -> None:
    source = declared(name)
    pq.write_table(pa.table({name: [1, None, 2], "a": [7, 8, 9]}), tmp_path / "a.parquet")
    first = read(tmp_path, source, DAYS[0])
    (tmp_path / "b.ndjson").write_text(f'{{"{name}":3}}\n{{"{name}":"x"}}\n{{"{name}":4}}\n')
    second = read(tmp_path, source, DAYS[1], first.upto)
    assert (ids(first, name), ids(second, name)) == ([1, None, 2], [None, 3, 4])
    assert [field for _, field, _, _ in refused(second)] == [name]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_column_of_ndjson_may_be_called_anything(tmp_path: Path, name: str) -> None:
    lines = [*(f'{{"{name}":{number},"a":1}}\n' for number in range(40)), f'{{"{name}":"x","a":1}}\n']
    (tmp_path / "a.ndjson").write_text("".join(lines))
    batches = list(typed_ndjson_batches(tmp_path / "a.ndjson", "a.ndjson", 100))
    frame = pl.concat([batch.frame for batch in batches], how="diagonal")
    assert frame.columns == [name, "a", f"{name}\0string"]
    assert frame[:, 0].to_list() == [*range(40), None]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_column_of_parquet_may_be_called_anything(tmp_path: Path, name: str) -> None:
    pq.write_table(pa.table({name: [1], "column_0": [2]}), tmp_path / "a.parquet")
    (batch,) = typed_parquet_batches(tmp_path / "a.parquet", "a.parquet")
    assert batch.frame.to_dicts() == [{name: 1, "column_0": 2}]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_property_of_ndjson_has_one_name_however_it_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.ndjson").write_text(f'{{"clevertapId":"x","{name}":1}}\n' * 9)
    batches = list(ndjson_batches(tmp_path / "a.ndjson", "a.ndjson", (), 100))
    assert len(batches) > 2
    assert {tuple(batch.frame.columns) for batch in batches} == {("clevertapId", name)}


@pytest.mark.parametrize("name", [name for name in ODD_NAMES if name])
def test_a_column_of_csv_may_be_called_anything(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.csv").write_bytes(f'"{name}",a\n1,\n,2\n,\n'.encode() + b"\xff,3\n")
    batches = list(text_batches(tmp_path / "a.csv", "a.csv"))
    assert pl.concat([batch.frame for batch in batches]).rows() == [("1", None), (None, "2"), (None, None)]
    assert [row for batch in batches for row in batch.unreadable["place"]] == ["a.csv:5"]


def test_a_key_called_as_a_column_of_further_values_loses_none(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text('{"v":1,"v\\u0000string":"own"}\n{"v":2}\n{"v":"x"}\n')
    (batch,) = typed_ndjson_batches(tmp_path / "a.ndjson", "a.ndjson")
    (further,) = batch.variants["v"]
    assert batch.frame["v\0string"].to_list() == ["own", None, None]
    assert batch.frame[further].to_list() == [None, None, "x"]


# Rows without columns


@pytest.mark.req("B1")
def test_rows_without_any_column_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text("{}\n\n{}\n")
    (batch,) = typed_ndjson_batches(tmp_path / "a.ndjson", "a.ndjson")
    taken = TableNormaliser(DeclaredDataset(), ZoneInfo("UTC"), KnownTable()).normalise(batch)
    assert (taken.frame.height, taken.quarantined["place"].to_list()) == (0, ["a.ndjson:1", "a.ndjson:3"])
    assert set(taken.quarantined["reason"]) == {"missing_value"}


def test_a_row_without_columns_beside_others_is_one_of_nulls(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text('{}\n{"v":1}\n')
    (batch,) = typed_ndjson_batches(tmp_path / "a.ndjson", "a.ndjson")
    assert (batch.frame["v"].to_list(), batch.unreadable.height) == ([None, 1], 0)
