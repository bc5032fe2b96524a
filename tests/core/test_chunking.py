"""Chunks: the rows in order, none split, none too large, the same bytes however they were batched."""

import gzip
import hashlib
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from pyarrow import parquet

from ctexport_dagster.core.chunking import empty_file, write_chunks
from ctexport_dagster.core.columns import ColumnPlan, OutputColumn
from ctexport_dagster.core.export import Format
from ctexport_dagster.core.schema import ValueType
from ctexport_dagster.core.staging import StagedChunk

PLAN = ColumnPlan(
    (
        OutputColumn("identity", "identity", "identity", ValueType.STRING),
        OutputColumn("clevertapId", "clevertapId", "clevertapId", ValueType.STRING),
        OutputColumn("property", "Name", "Name", ValueType.STRING),
        OutputColumn("property", "Visits", "Visits", ValueType.INTEGER),
    )
)
TEXT_TYPES = ["csv", "json", "xml"]


@dataclass(frozen=True)
class Written:
    """The chunks of one export, and the bytes of their files."""

    chunks: tuple[StagedChunk, ...]
    contents: tuple[bytes, ...]


def profiles(count: int, seed: int = 0, name_bytes: int = 40) -> pl.DataFrame:
    """Profiles whose names can't be compressed, so that a file's size is known from its rows."""
    random = Random(seed)
    ids = [f"__g{random.getrandbits(64):016x}" for _ in range(count)]
    return pl.DataFrame(
        {
            "identity": ids,
            "clevertapId": ids,
            "property:Name": [random.randbytes(random.randrange(name_bytes)).hex() for _ in range(count)],
            "property:Visits": [random.choice([None, 1, 2**40]) for _ in range(count)],
        },
        schema=PLAN.frame_schema,
    )


def write(
    frames: Sequence[pl.DataFrame], declared: Format, chunk_bytes: int = 100_000_000, threads: int = 2
) -> Written:
    with TemporaryDirectory() as folder:
        chunks = tuple(write_chunks(frames, declared, PLAN, Path(folder), 3, chunk_bytes, threads))
        return Written(chunks, tuple((Path(folder) / chunk.file).read_bytes() for chunk in chunks))


def body(content: bytes, type_: str) -> bytes:
    """The rows of a gzipped text file, without its head and tail."""
    text = gzip.decompress(content)
    match type_:
        case "csv":
            return text.removeprefix(b"identity,clevertapId,Name,Visits\r\n")
        case "xml":
            head = b'<?xml version="1.0" encoding="UTF-8"?>\n<root>\n'
            return text.removeprefix(head).removesuffix(b"</root>\n")
        case _:
            return text


@pytest.mark.parametrize("type_", TEXT_TYPES)
@settings(max_examples=8)
@given(st.integers(1, 300), st.integers(1, 30_000), st.integers(0, 9))
@pytest.mark.req("P10")
def test_chunks_one_after_the_other_are_the_whole(type_: str, count: int, chunk_bytes: int, seed: int) -> None:
    frame = profiles(count, seed)
    declared = Format.model_validate({"type": type_})
    (whole,) = write([frame], declared).contents
    assert body(whole, type_) == b"".join(
        body(content, type_) for content in write([frame], declared, chunk_bytes).contents
    )


@settings(max_examples=6)
@given(st.integers(1, 300), st.integers(20_000, 60_000), st.integers(0, 9))
@pytest.mark.req("P10")
def test_parquet_chunks_one_after_the_other_are_the_whole(count: int, chunk_bytes: int, seed: int) -> None:
    frame = profiles(count, seed)
    declared = Format(type="parquet", style="typed")
    contents = write([frame], declared, chunk_bytes).contents
    tables = [pl.read_parquet(content) for content in contents]
    assert_frame_equal(frame.rename(lambda key: key.removeprefix("property:")), pl.concat(tables))


@pytest.mark.parametrize("compression", ["fast", "small"])
@pytest.mark.parametrize("type_", TEXT_TYPES)
@settings(max_examples=4)
@given(st.integers(20_000, 35_000), st.integers(0, 9))
@pytest.mark.req("P10")
def test_every_chunk_but_the_last_closes_between_90_and_100_percent(
    type_: str, compression: str, chunk_bytes: int, seed: int
) -> None:
    declared = Format.model_validate({"type": type_, "compression": compression})
    sizes = [chunk.bytes for chunk in write([profiles(3_000, seed)], declared, chunk_bytes).chunks]
    assert len(sizes) > 2
    assert [size for size in sizes if size > chunk_bytes] == []
    assert [size for size in sizes[:-1] if size < 0.9 * chunk_bytes] == []


@pytest.mark.parametrize("wrap", ["none", "gzip"])
@pytest.mark.parametrize("style", ["clevertap", "typed"])
@pytest.mark.req("P10")
def test_every_parquet_chunk_but_the_last_closes_between_90_and_100_percent(style: str, wrap: str) -> None:
    declared = Format.model_validate({"type": "parquet", "style": style, "wrap": wrap})
    sizes = [chunk.bytes for chunk in write([profiles(20_000)], declared, 200_000).chunks]
    assert len(sizes) > 2
    assert [size for size in sizes if size > 200_000] == []
    assert [size for size in sizes[:-1] if size < 180_000] == []


@pytest.mark.parametrize("type_", [*TEXT_TYPES, "parquet"])
@pytest.mark.req("P10")
def test_a_record_larger_than_a_chunk_makes_one_of_its_own(type_: str) -> None:
    small = profiles(1)
    large = profiles(1, seed=1).with_columns(pl.lit(Random(0).randbytes(30_000).hex()).alias("property:Name"))
    declared = Format.model_validate({"type": type_})
    written = write([small, large, small], declared, chunk_bytes=20_000)
    assert [(chunk.rows, chunk.bytes <= 20_000) for chunk in written.chunks] == [(1, True), (1, False), (1, True)]


@pytest.mark.parametrize("type_", [*TEXT_TYPES, "parquet"])
@settings(max_examples=4)
@given(st.lists(st.integers(0, 900), max_size=6), st.sampled_from([1, 2, 4]))
@pytest.mark.req("P10", "B2")
def test_the_bytes_do_not_depend_on_batches_or_threads(type_: str, cuts: list[int], threads: int) -> None:
    frame = profiles(900)
    declared = Format.model_validate({"type": type_})
    chunk_bytes = 200_000 if type_ == "parquet" else 60_000
    edges = [0, *sorted(cuts), 900]
    batches = [frame.slice(start, stop - start) for start, stop in pairwise(edges)]
    assert write([frame], declared, chunk_bytes, threads=1) == write(batches, declared, chunk_bytes, threads)


@pytest.mark.req("B1", "P10")
def test_a_staged_chunk_tells_its_place_size_and_checksum() -> None:
    written = write([profiles(3_000)], Format(type="csv"), chunk_bytes=50_000)
    assert [f"003-{index:05d}.csv.gz" for index in range(len(written.chunks))] == [c.file for c in written.chunks]
    assert sum(chunk.rows for chunk in written.chunks) == 3_000
    assert [
        (3, index, len(content), hashlib.sha256(content).hexdigest()) for index, content in enumerate(written.contents)
    ] == [(chunk.instance, chunk.index, chunk.bytes, chunk.sha256) for chunk in written.chunks]


def test_no_rows_give_no_chunk() -> None:
    assert Written((), ()) == write([], Format(type="csv"))
    assert Written((), ()) == write([profiles(0)], Format(type="csv"))


@pytest.mark.parametrize("compression", ["fast", "small"])
@pytest.mark.req("P11")
def test_a_text_file_is_one_gzip_member_that_the_gzip_program_accepts(compression: str, tmp_path: Path) -> None:
    declared = Format.model_validate({"type": "csv", "compression": compression})
    (chunk,) = write_chunks([profiles(60_000)], declared, PLAN, tmp_path, 0, 100_000_000, 2)
    assert subprocess.run(["gzip", "-t", tmp_path / chunk.file], check=False).returncode == 0
    assert (tmp_path / chunk.file).read_bytes().count(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff") == 1
    assert duckdb.execute(f"SELECT count(*) FROM '{tmp_path / chunk.file}'").fetchall() == [(60_000,)]


@pytest.mark.req("P11")
def test_a_wrapped_parquet_file_is_the_plain_one_in_gzip() -> None:
    (plain,) = write([profiles(1_000)], Format(type="parquet")).contents
    (wrapped,) = write([profiles(1_000)], Format(type="parquet", wrap="gzip")).contents
    assert plain == gzip.decompress(wrapped)


@pytest.mark.parametrize(
    ("type_", "expected"),
    [
        ("csv", b"identity,clevertapId,Name,Visits\r\n"),
        ("json", b""),
        ("xml", b'<?xml version="1.0" encoding="UTF-8"?>\n<root>\n</root>\n'),
    ],
)
@pytest.mark.req("B1")
def test_an_empty_text_file_has_head_and_tail_alone(type_: str, expected: bytes) -> None:
    assert expected == gzip.decompress(empty_file(Format.model_validate({"type": type_}), PLAN))


@pytest.mark.parametrize("style", ["clevertap", "typed"])
@pytest.mark.req("B1")
def test_an_empty_parquet_file_has_the_schema_of_a_full_one(style: str, tmp_path: Path) -> None:
    declared = Format.model_validate({"type": "parquet", "style": style})
    (tmp_path / "empty.parquet").write_bytes(empty_file(declared, PLAN))
    (chunk,) = write_chunks([profiles(5)], declared, PLAN, tmp_path, 0, 100_000_000, 1)
    assert parquet.read_schema(tmp_path / chunk.file) == parquet.read_schema(tmp_path / "empty.parquet")
    assert duckdb.execute(f"SELECT count(*) FROM '{tmp_path / 'empty.parquet'}'").fetchall() == [(0,)]


@pytest.mark.req("P10")
def test_a_parquet_file_of_many_row_groups_has_true_offsets_and_counts(tmp_path: Path) -> None:
    frame = profiles(60_000)
    (chunk,) = write_chunks([frame], Format(type="parquet"), PLAN, tmp_path, 0, 16_000_000, 2)
    metadata = parquet.read_metadata(tmp_path / chunk.file)
    groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
    assert len(groups) > 1
    assert 60_000 == metadata.num_rows == sum(group.num_rows for group in groups)
    names = duckdb.execute(f"SELECT identity FROM '{tmp_path / chunk.file}'").fetchall()
    assert [(name,) for name in frame["identity"]] == names


def test_a_frame_that_fails_ends_the_writing() -> None:
    def frames() -> list[pl.DataFrame]:
        return [profiles(10), profiles(10).drop("property:Name")]

    with TemporaryDirectory() as folder, pytest.raises(pl.exceptions.PolarsError):
        list(write_chunks(frames(), Format(type="csv"), PLAN, Path(folder), 0, 1_000, 2))
