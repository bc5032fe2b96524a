"""Chunks of any table: the rows in order, the same bytes however they were batched, one schema in all files."""

import gzip
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from dataset_strategies import frames
from golden_datasets import ROWS, SCHEMA, dataset_format, frame_of
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from ctexport_dagster.core.datasets.chunking import empty_dataset_file, write_dataset_chunks
from ctexport_dagster.core.datasets.format import DatasetFormat
from ctexport_dagster.core.row_slices import row_bytes
from ctexport_dagster.core.staging import StagedChunk

FORMATS = ["csv", "json", "xml", "parquet"]


@dataclass(frozen=True)
class Written:
    """The chunks of a table, and the bytes of their files."""

    chunks: tuple[StagedChunk, ...]
    contents: tuple[bytes, ...]


def write(
    batches: Sequence[pl.DataFrame], declared: DatasetFormat, chunk_bytes: int = 10**8, threads: int = 2
) -> Written:
    with TemporaryDirectory() as folder:
        schema = batches[0].schema
        chunks = tuple(write_dataset_chunks(batches, declared, schema, Path(folder), chunk_bytes, threads))
        return Written(chunks, tuple((Path(folder) / chunk.file).read_bytes() for chunk in chunks))


def orders(count: int, seed: int = 0) -> pl.DataFrame:
    """Rows that can't be compressed, so that a file's size is known from them."""
    random = Random(seed)
    return pl.DataFrame(
        {
            "id": range(count),
            "photo": [random.randbytes(random.randrange(40)) for _ in range(count)],
            "customer": [{"name": random.randbytes(8).hex(), "visits": random.choice([None, 1])} for _ in range(count)],
        }
    )


def body(content: bytes, type_: str) -> bytes:
    """The rows of a text file of orders, without its head and tail."""
    head = {"csv": b"id,photo,customer\r\n", "xml": b'<?xml version="1.0" encoding="UTF-8"?>\n<root>\n'}.get(type_, b"")
    return gzip.decompress(content).removeprefix(head).removesuffix(b"</root>\n")


@pytest.mark.parametrize("type_", ["csv", "json", "xml"])
@settings(max_examples=5)
@given(st.integers(1, 120), st.integers(200, 9_000))
@pytest.mark.req("P10")
def test_chunks_of_a_table_one_after_the_other_are_the_whole(type_: str, count: int, chunk_bytes: int) -> None:
    (whole,) = write([orders(count)], dataset_format(type_)).contents
    parts = write([orders(count)], dataset_format(type_), chunk_bytes).contents
    assert body(whole, type_) == b"".join(body(part, type_) for part in parts)


@settings(max_examples=4)
@given(st.integers(1, 300), st.integers(8_000, 30_000))
@pytest.mark.req("P10")
def test_parquet_chunks_of_a_table_one_after_the_other_are_the_whole(count: int, chunk_bytes: int) -> None:
    parts = write([orders(count)], dataset_format("parquet"), chunk_bytes).contents
    assert orders(count).rows() == pl.concat(pl.read_parquet(part) for part in parts).rows()


@pytest.mark.parametrize("type_", FORMATS)
@settings(max_examples=8)
@given(frames(max_rows=8), st.data())
@pytest.mark.req("P10")
def test_a_tables_bytes_depend_neither_on_its_batches_nor_on_threads(
    type_: str, frame: pl.DataFrame, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, frame.height))
    declared = dataset_format(type_)
    batches = [frame.head(cut), frame.clear(), frame.slice(cut)]
    assert write([frame], declared, 2_000) == write(batches, declared, 2_000, threads=1)


@pytest.mark.parametrize("type_", ["csv", "json", "xml"])
@pytest.mark.req("P10")
def test_every_chunk_of_a_table_but_the_last_closes_between_90_and_100_percent(type_: str) -> None:
    sizes = [chunk.bytes for chunk in write([orders(3_000)], dataset_format(type_), 20_000).chunks]
    assert len(sizes) > 2
    assert [size for size in sizes if size > 20_000] == []
    assert [size for size in sizes[:-1] if size < 0.9 * 20_000] == []


@pytest.mark.req("A1", "B1")
def test_all_parquet_chunks_of_a_table_have_one_schema_whatever_their_rows_hold() -> None:
    batches = [frame_of([row] * 20) for row in ROWS]
    contents = write(batches, dataset_format("parquet"), 8_000).contents
    assert len(contents) > 2
    footers = [parquet.ParquetFile(pa.BufferReader(content)).schema for content in contents]
    assert [True] * len(footers) == [footers[0].equals(footer) for footer in footers]


def test_chunks_are_named_in_order_without_an_instance(tmp_path: Path) -> None:
    chunks = list(write_dataset_chunks([orders(300)], dataset_format("csv"), orders(1).schema, tmp_path, 5_000, 1))
    assert [f"000-{place:05d}.csv.gz" for place in range(len(chunks))] == [chunk.file for chunk in chunks]
    assert [(0, place) for place in range(len(chunks))] == [(chunk.instance, chunk.index) for chunk in chunks]
    assert sum(chunk.rows for chunk in chunks) == 300


@pytest.mark.parametrize("type_", FORMATS)
def test_a_table_without_rows_gives_no_chunk(type_: str) -> None:
    assert write([frame_of([])], dataset_format(type_)).chunks == ()


@pytest.mark.parametrize(
    ("type_", "content"),
    [
        ("csv", b'id,"a ""b"", c"\r\n'),
        ("json", b""),
        ("xml", b'<?xml version="1.0" encoding="UTF-8"?>\n<root>\n</root>\n'),
    ],
)
@pytest.mark.req("A1", "B1")
def test_an_empty_file_of_a_table_is_whole(type_: str, content: bytes) -> None:
    schema = pl.Schema({"id": pl.Int64(), 'a "b", c': pl.List(pl.Binary())})
    assert content == gzip.decompress(empty_dataset_file(dataset_format(type_), schema))


@pytest.mark.req("A1", "B1")
def test_an_empty_parquet_file_has_the_schema_of_the_others(tmp_path: Path) -> None:
    (tmp_path / "empty.parquet").write_bytes(empty_dataset_file(dataset_format("parquet"), SCHEMA))
    (tmp_path / "full.parquet").write_bytes(write([frame_of(ROWS)], dataset_format("parquet")).contents[0])
    described = [duckdb.execute(f"DESCRIBE FROM '{tmp_path / name}.parquet'").fetchall() for name in ("empty", "full")]
    assert described[1] == described[0]
    assert parquet.ParquetFile(tmp_path / "empty.parquet").metadata.num_rows == 0


@pytest.mark.parametrize("type_", FORMATS)
@pytest.mark.req("A1")
def test_a_table_without_columns_has_an_empty_file(type_: str) -> None:
    content = empty_dataset_file(dataset_format(type_), pl.Schema())
    assert content.startswith(b"PAR1" if type_ == "parquet" else b"\x1f\x8b")


@pytest.mark.parametrize(
    ("type_", "content"),
    [
        ("csv", b"\r\n\r\n\r\n"),
        ("json", b"{}\n{}\n"),
        ("xml", b'<?xml version="1.0" encoding="UTF-8"?>\n<root>\n<Row></Row>\n<Row></Row>\n</root>\n'),
    ],
)
@pytest.mark.req("A1")
def test_rows_without_columns_are_counted(type_: str, content: bytes) -> None:
    (written,) = write([pl.DataFrame(height=2)], dataset_format(type_)).contents
    assert content == gzip.decompress(written)


@pytest.mark.req("A1")
def test_days_that_no_calendar_has_are_null_in_text_and_stay_in_parquet() -> None:
    ticks = pl.Series("ticks", [0, 2**31 - 1, -(2**31)])
    frame = pl.DataFrame({"day": ticks.cast(pl.Date), "at": (ticks * 10**9).cast(pl.Datetime("ms"))})
    (csv,) = write([frame], dataset_format("csv")).contents
    assert gzip.decompress(csv) == b"day,at\r\n1970-01-01,1970-01-01T00:00:00\r\n,\r\n,\r\n"
    (content,) = write([frame], dataset_format("parquet")).contents
    assert frame.equals(pl.read_parquet(content))


def test_a_frame_of_other_columns_than_the_schemas_is_refused(tmp_path: Path) -> None:
    frames = [orders(2), orders(2).select("photo", "id", "customer")]
    with pytest.raises(ValueError, match="not those of the table's schema"):
        list(write_dataset_chunks(frames, dataset_format("csv"), orders(1).schema, tmp_path, 10**6, 1))


@pytest.mark.req("P10")
def test_slices_count_the_bytes_within_nested_values() -> None:
    frame = pl.DataFrame(
        {
            "photo": [b"12345", None],
            "*": [{"a": "1234", "b": 1, "^c$": None}, {"a": None, "b": None, "^c$": ["12", "3"]}],
            "lines": [[{"sku": "123"}, {"sku": "4"}], []],
            "extras": pl.Series([{"k": 1}, {}], dtype=pl.Map(pl.String, pl.Int64)),
            "numbers": [[1, 2, 3], None],
        }
    )
    photo, struct, lines, extras, numbers = [5, 0], [4 + 8, 8 + 3 + 16], [2 * 8 + 4, 0], [8 + 1 + 8, 0], [24, 0]
    expected = [sum(sizes) for sizes in zip(photo, struct, lines, extras, numbers, strict=True)]
    assert expected == row_bytes(frame).tolist()
