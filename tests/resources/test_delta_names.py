"""Delta tables with columns that are hard to name or to partition by: patterns, the empty name, bytes."""

from functools import partial
from pathlib import Path

import polars as pl
import pytest
from delta_tables import FEED, append, opened, rows_of, window
from deltalake import DeltaTable
from pydantic import ValidationError

from ctexport_dagster.core.datasets.source import DatasetInput, Span
from ctexport_dagster.core.errors import SourceUnreadable
from ctexport_dagster.resources.delta.source import DeltaTables
from ctexport_dagster.stages.datasets import ingest_dataset_partition
from ctexport_dagster.state import StateFolders

DAYS = "2026-11-18", "2026-11-19"
NAMES = ["^x$", "*", "a.b", "", "^.*$"]


def read(source: DeltaTables, day: str, since: str | None = None) -> DatasetInput:
    return source.dataset("orders", Span(day, window(day), since))


def rows(given: DatasetInput) -> list[dict[str, object]]:
    return rows_of(list(given.batches()))


def opened_on(table: Path, rows_: pl.DataFrame, **declared: object) -> DeltaTables:
    append(table, rows_, "2026-11-18T10:00", configuration=FEED)
    return opened(table.parent, datasets={"orders": {"table": table.name, **declared}})


@pytest.mark.req("B9")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("values", [[1, 2], ["a", "b"]])
def test_a_cursor_may_have_any_name(tmp_path: Path, name: str, values: list[object]) -> None:
    old = pl.DataFrame({"x": [8, 9], name: [None, values[0]], "y": [1, 1]})
    new = pl.DataFrame({"x": [7], name: values[1:], "y": [1]})
    source = opened_on(tmp_path / "t", old, cursor=name)
    first = read(source, DAYS[0])
    append(tmp_path / "t", new, "2026-11-19T10:00")
    second = read(source, DAYS[1], first.upto)
    assert [rows(first), rows(second)] == [old[1:].to_dicts(), new.to_dicts()]
    told = [batch.unreadable.select("reason", "field").rows() for batch in first.batches()]
    assert told == [[("missing_value", name)]]


def test_a_cursor_whose_type_changed_is_told(tmp_path: Path) -> None:
    source = opened_on(tmp_path / "t", pl.DataFrame({"c": [1]}), cursor="c")
    first = read(source, DAYS[0])
    append(tmp_path / "u", pl.DataFrame({"c": ["a"]}), "2026-11-18T10:00")
    (tmp_path / "t").rename(tmp_path / "gone")
    (tmp_path / "u").rename(tmp_path / "t")
    with pytest.raises(SourceUnreadable, match="c was a number at the partition before, and is a text now"):
        read(source, DAYS[1], first.upto)


@pytest.mark.req("B1", "B9")
def test_columns_of_any_name_reach_the_lake(tmp_path: Path) -> None:
    old = pl.DataFrame({name: [place, None] for place, name in enumerate([*NAMES, "x"])})
    new = old.with_columns(pl.lit("x").alias("note"))
    source = opened_on(tmp_path / "t", old)
    folders = StateFolders(tmp_path / "state")
    run = partial(ingest_dataset_partition, source.declaration, source, "orders", folders=folders, run_id="r")
    run(DAYS[0])
    append(tmp_path / "t", new, "2026-11-19T10:00", schema_mode="merge")
    run(DAYS[1])
    frames = folders.dataset_lake("lakehouse", "orders").view().frames(DAYS)
    assert pl.concat(frames, how="diagonal").rows(named=True) == [
        *({**r, "note": None} for r in old.to_dicts()),
        *new.to_dicts(),
    ]


def test_text_that_is_none_is_told_by_its_column_whatever_that_is_called(tmp_path: Path) -> None:
    table = tmp_path / "t"
    source = opened_on(table, pl.DataFrame({"^x$": ["ab", "cd"], "x": ["a", "b"]}))
    (path,) = DeltaTable(table).file_uris()
    pl.DataFrame({"^x$": [b"ab", b"\xff"], "x": [b"a", b"b"]}).write_parquet(path)
    (batch,) = read(source, DAYS[0]).batches()
    assert batch.frame.to_dicts() == [{"^x$": "ab", "x": "a"}]
    assert batch.unreadable.select("reason", "field").rows() == [("invalid_text", "^x$")]


def test_a_condition_tells_files_apart_by_a_column_without_a_name(tmp_path: Path) -> None:
    table = tmp_path / "t"
    old = pl.DataFrame({"p": ["a", "b"], "": [1, 2]})
    append(table, old, "2026-11-18T10:00", partition_by=["p"])
    source = opened(tmp_path, datasets={"orders": {"table": "t", "where": "p = 'b' AND \"\" = 2"}})
    assert rows(read(source, DAYS[0])) == [{"p": "b", "": 2}]


@pytest.mark.parametrize("where", ['"^x$" = 1', '"*" = 1 AND x = 2', '"^.*$" = 1'])
def test_a_condition_on_a_name_that_means_many_is_refused(where: str) -> None:
    with pytest.raises(ValidationError, match="name columns one by one"):
        opened(Path(), datasets={"orders": {"table": "t", "where": where}})


@pytest.mark.req("B9")
def test_a_table_partitioned_by_bytes_gives_the_bytes(tmp_path: Path) -> None:
    table, values = tmp_path / "t", [b"ab", b"\x00\xff", b"\\u0061", b"\xc3\xa9", None]
    append(table, pl.DataFrame({"p": values, "id": range(5)}), "2026-11-18T10:00", partition_by=["p"])
    source = opened(tmp_path, datasets={"orders": "t"})
    first = read(source, DAYS[0])
    append(table, pl.DataFrame({"p": values, "id": range(5, 10)}), "2026-11-19T10:00")
    second = read(source, DAYS[1], first.upto)
    expected = [[{"p": value, "id": start + place} for place, value in enumerate(values)] for start in (0, 5)]
    assert [sorted(rows(part), key=lambda row: str(row["id"])) for part in (first, second)] == expected


@pytest.mark.req("B9")
def test_bytes_that_a_writer_left_unescaped_are_its_texts(tmp_path: Path) -> None:
    table = tmp_path / "t"
    append(table, pl.DataFrame({"p": [b"ab"], "id": [1]}), "2026-11-18T10:00", partition_by=["p"])
    log = next((table / "_delta_log").glob("*.json"))
    log.write_text(log.read_text().replace("\\\\u0061\\\\u0062", "é"))
    assert rows(read(opened(tmp_path, datasets={"orders": "t"}), DAYS[0])) == [{"p": "é".encode(), "id": 1}]
