"""Reading sorted data files side by side: each row group is decoded once, and held no longer than needed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from ctexport_dagster.lake.compact import compact

END = 2**32
"""The first number that no crc32 reaches."""


@dataclass(frozen=True)
class ColumnRead:
    """A column to be read: its name and dtype in the frame, and its name in the file, or what stands in its place."""

    name: str
    dtype: pl.DataType
    stored: str | None
    constant: int | None = None

    @property
    def expression(self) -> pl.Expr:
        """The column, out of the file's columns."""
        value = pl.lit(self.constant) if self.stored is None else pl.col(self.stored)
        return value.cast(self.dtype).alias(self.name)


@dataclass(frozen=True)
class Wanted:
    """The profiles that a read is for: their `clevertapId` (a frame of that column) and sorted `h`."""

    ids: pl.DataFrame
    hashes: pl.Series

    @staticmethod
    def of(keys: pl.DataFrame) -> "Wanted":
        """Of a frame with `h` and `clevertapId`."""
        unique = keys.select("h", "clevertapId").unique().sort("h")
        return Wanted(unique.select("clevertapId"), unique["h"])

    def is_within(self, first: int, last: int) -> bool:
        start = self.hashes.search_sorted(first, side="left")
        return start < self.hashes.search_sorted(last, side="right")


@dataclass(frozen=True)
class _RowGroup:
    """A row group of a file, and the h of its first and last row."""

    path: Path
    metadata: pq.FileMetaData
    index: int

    @property
    def first(self) -> int:
        return self._hashes.min

    @property
    def last(self) -> int:
        return self._hashes.max

    @property
    def _hashes(self) -> pq.Statistics:
        return self.metadata.row_group(self.index).column(0).statistics

    def read(self, columns: Sequence[ColumnRead]) -> pl.DataFrame:
        """Its rows. The file is open for as long as that takes: thousands of runs may be read side by side."""
        names = [column.stored for column in columns if column.stored]
        with pq.ParquetFile(self.path, memory_map=True, metadata=self.metadata) as file:
            frame = pl.DataFrame(file.read_row_group(self.index, columns=names))
        return frame.select(column.expression for column in columns)


class SortedRun:
    """The rows of some files that together are sorted by (h, clevertapId), taken range by range, in order."""

    def __init__(self, paths: Sequence[Path], columns: Sequence[ColumnRead]) -> None:
        self._paths = tuple(paths)
        self._columns = tuple(columns)
        self._groups = self._row_groups()
        self._ahead: _RowGroup | None = None
        self._held: pl.DataFrame | None = None

    @property
    def empty(self) -> pl.DataFrame:
        return pl.DataFrame(schema={column.name: column.dtype for column in self._columns})

    def take(self, upper: int, wanted: Wanted | None = None) -> pl.DataFrame:
        """The rows from where the last call stopped up to `h` < `upper`; if some are wanted, those alone."""
        taken = list(self._pieces(upper, wanted))
        return pl.concat(taken) if taken else self.empty

    def _pieces(self, upper: int, wanted: Wanted | None) -> Iterator[pl.DataFrame]:
        while (held := self._next(upper, wanted)) is not None:
            cut = held["h"].search_sorted(upper, side="left")
            piece = held[:cut]
            self._held = held[cut:] if cut < held.height else None
            if not piece.is_empty():
                yield piece if wanted is None else compact(piece.join(wanted.ids, on="clevertapId", how="semi"))
            if self._held is not None:
                return

    def _next(self, upper: int, wanted: Wanted | None) -> pl.DataFrame | None:
        if self._held is not None:
            return self._held
        while (group := self._ahead or next(self._groups, None)) is not None:
            if group.first >= upper:
                self._ahead = group
                return None
            self._ahead = None
            # A group that reaches beyond `upper` may hold what a later range wants.
            if wanted is None or group.last >= upper or wanted.is_within(group.first, group.last):
                return group.read(self._columns)
        return None

    def _row_groups(self) -> Iterator[_RowGroup]:
        for path in self._paths:
            metadata = pq.read_metadata(path, memory_map=True)
            for index in range(metadata.num_row_groups):
                yield _RowGroup(path, metadata, index)


def ranges(rows: int, rows_per_range: int) -> list[int]:
    """The upper bounds of equal ranges of h that hold about so many rows each: a hash spreads its ids evenly."""
    count = max(1, -(-rows // rows_per_range))
    return [END * (number + 1) // count for number in range(count)]
