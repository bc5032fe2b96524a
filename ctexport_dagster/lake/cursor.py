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


class SortedRun:
    """The rows of some files that together are sorted by (h, clevertapId), taken range by range, in order.

    With `keeps_little`, what is left of a row group is copied, so that it alone is held: one of many runs.
    """

    def __init__(self, paths: Sequence[Path], columns: Sequence[ColumnRead], *, keeps_little: bool = False) -> None:
        self._keeps_little = keeps_little
        self._paths = tuple(paths)
        self._columns = tuple(columns)
        self._wanted: Wanted | None = None
        self._groups = self._row_groups()
        self._ahead: tuple[pq.ParquetFile, int, int] | None = None
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
            rest = held[cut:] if cut < held.height else None
            self._held = compact(rest) if self._keeps_little and cut and rest is not None else rest
            if not piece.is_empty():
                yield piece if wanted is None else compact(piece.join(wanted.ids, on="clevertapId", how="semi"))
            if self._held is not None:
                return

    def _next(self, upper: int, wanted: Wanted | None) -> pl.DataFrame | None:
        if self._held is not None:
            return self._held
        while (group := self._ahead or next(self._groups, None)) is not None:
            file, index, first = group
            if first >= upper:
                self._ahead = group
                return None
            self._ahead = None
            last = _last(file, index)
            # A group that reaches beyond `upper` may hold what a later range wants.
            if wanted is None or last >= upper or wanted.is_within(first, last):
                return self._decode(file, index)
        return None

    def _row_groups(self) -> Iterator[tuple[pq.ParquetFile, int, int]]:
        for path in self._paths:
            with pq.ParquetFile(path, memory_map=True) as file:
                for index in range(file.metadata.num_row_groups):
                    yield file, index, file.metadata.row_group(index).column(0).statistics.min

    def _decode(self, file: pq.ParquetFile, index: int) -> pl.DataFrame:
        names = [column.stored for column in self._columns if column.stored]
        frame = pl.DataFrame(file.read_row_group(index, columns=names))
        return frame.select(column.expression for column in self._columns)


def _last(file: pq.ParquetFile, index: int) -> int:
    return file.metadata.row_group(index).column(0).statistics.max


def ranges(rows: int, rows_per_range: int) -> list[int]:
    """The upper bounds of equal ranges of h that hold about so many rows each: a hash spreads its ids evenly."""
    count = max(1, -(-rows // rows_per_range))
    return [END * (number + 1) // count for number in range(count)]
