"""Segments: the files that hold a partition's rows, in the source's order, each of bounded size.

A segment has columns of one type each; where a batch brings new columns or wider types, the next segment begins. So
segments of one partition may differ, and a read brings them all to the same columns.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ctexport_dagster.core.datasets.casting import cast_exactly
from ctexport_dagster.lake.datasets.record import Segment
from ctexport_dagster.lake.files import make_durable

_MB = 1_000_000
_BUFFER_BYTES = 1 << 18


@dataclass(frozen=True)
class SegmentSizes:
    """Bytes are of decoded rows in memory: at least so many a row group, and not twice as many; and so many a file."""

    group_bytes: int = 8 * _MB
    segment_bytes: int = 384 * _MB


class SegmentWriter:
    """Writes frames, given in order, into a folder; a context, whose end makes the files whole."""

    def __init__(self, folder: Path, sizes: SegmentSizes) -> None:
        self._folder, self._sizes = folder, sizes
        self._held: list[pa.Table] = []
        self._held_bytes = 0
        self._writer: pq.ParquetWriter | None = None
        self._rows = self._bytes = 0
        self._segments: list[Segment] = []

    def write(self, rows: pl.DataFrame) -> None:
        """Takes the next rows; they are held as Arrow, which copies them."""
        if rows.is_empty():
            return
        table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
        if self._held and self._held[0].schema != table.schema:
            self._write_held()
        if self._writer and self._writer.schema != table.schema:
            self._close()
        self._held.append(table)
        self._held_bytes += table.nbytes
        if self._held_bytes >= self._sizes.group_bytes:
            self._write_held()

    @property
    def segments(self) -> tuple[Segment, ...]:
        """The files, once the writer has been left."""
        return tuple(self._segments)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Writes what is left and makes it durable; after an error, closes what is open."""
        if kind is None:
            self._write_held()
            self._close()
        elif self._writer:
            self._writer.close()

    @property
    def _path(self) -> Path:
        return self._folder / f"{len(self._segments):06d}.parquet"

    def _write_held(self) -> None:
        if not self._held:
            return
        table, held_bytes = pa.concat_tables(self._held), self._held_bytes
        self._held, self._held_bytes = [], 0
        groups = max(1, held_bytes // self._sizes.group_bytes)
        rows_each = -(-table.num_rows // groups)
        self._writer = self._writer or self._opened(table.schema)
        for start in range(0, table.num_rows, rows_each):
            group = table.slice(start, rows_each)
            self._writer.write_table(group, row_group_size=group.num_rows)
        self._rows += table.num_rows
        self._bytes += held_bytes
        if self._bytes >= self._sizes.segment_bytes:
            self._close()

    def _opened(self, schema: pa.Schema) -> pq.ParquetWriter:
        return pq.ParquetWriter(self._path, schema, compression="zstd", compression_level=1, write_statistics=False)

    def _close(self) -> None:
        if self._writer is None:
            return
        self._writer.close()
        path = self._path
        make_durable(path)
        self._segments.append(Segment(file=path.name, rows=self._rows, bytes=path.stat().st_size))
        self._writer, self._rows, self._bytes = None, 0, 0


def read_segment(path: Path, schema: pl.Schema) -> Iterator[pl.DataFrame]:
    """The rows of a segment, a row group at a time, in the columns of `schema`: null where it has none such.

    Raises:
        ValueError: a column holds values that its type in `schema` can't; none of them is in the message.
    """
    # Without a buffer and with pre_buffer, pyarrow holds more than the group that it reads.
    with pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER_BYTES) as file:
        for number in range(file.num_row_groups):
            yield _frame(file.read_row_group(number), schema)


def _frame(table: pa.Table, schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame({name: _column(table, name, dtype) for name, dtype in schema.items()})


def _column(table: pa.Table, name: str, dtype: pl.DataType) -> pl.Series:
    if name not in table.column_names:
        return pl.Series([None], dtype=dtype).new_from_index(0, table.num_rows)
    # One by one: of a whole table, Polars gives a column that is called "" another name.
    given = pl.from_arrow(table[name])
    assert isinstance(given, pl.Series)
    values, wrong = cast_exactly(given, dtype)
    if wrong.any():
        raise ValueError(f"the column {name} holds values that {dtype} can't")
    return values
