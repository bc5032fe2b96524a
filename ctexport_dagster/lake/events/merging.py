"""Several partitions' events side by side: merged in order, in slices that are never large."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from ctexport_dagster.core.events.model import EVENT_COLUMNS
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.lake.compact import compact
from ctexport_dagster.lake.cursor import ColumnRead, SortedRun, ranges

ORDER = ("h", "clevertapId", "ts")
_MANY = 40
"""Of more partitions read side by side, the rest of each one's row group is kept in buffers of its own."""


@dataclass(frozen=True)
class Choice:
    """Which events are wanted: those of some names (None: all) that happened in a span (None: whenever)."""

    names: Collection[str] | None = None
    span: Interval | None = None

    def of(self, events: pl.DataFrame) -> pl.DataFrame:
        """The wanted rows of a frame with `eventName` and `ts`."""
        wanted: list[pl.Expr] = []
        if self.names is not None:
            wanted.append(pl.col("eventName").is_in(sorted(self.names)))
        if self.span is not None:
            wanted.append(pl.col("ts").is_between(self.span.start, self.span.end, closed="left"))
        return events.filter(wanted) if wanted else events


def merged(
    partitions: Sequence[Sequence[Path]], instance: int, rows: int, rows_per_slice: int, choice: Choice
) -> Iterator[pl.DataFrame]:
    """Event frames in order of (h, clevertapId, ts, partition, seq): ranges of h; empty ones are left out.

    `partitions`: the files of each, oldest first; together they have so many `rows`.
    """
    runs = [SortedRun(paths, reads(instance), keeps_little=len(partitions) > _MANY) for paths in partitions]
    for upper in ranges(rows, rows_per_slice):
        pieces = [piece for run in runs if not (piece := choice.of(run.take(upper))).is_empty()]
        if pieces:
            whole = pl.concat(pieces)
            yield from _cut(whole.sort(ORDER, maintain_order=True) if len(pieces) > 1 else whole, rows_per_slice)


def in_file_order(paths: Sequence[Path], instance: int, choice: Choice, rows_per_slice: int) -> Iterator[pl.DataFrame]:
    """Event frames of files as they lie, one row group after the other, some together."""
    held: list[pl.DataFrame] = []
    for path in paths:
        with pq.ParquetFile(path, memory_map=True) as file:
            for index in range(file.metadata.num_row_groups):
                stored = pl.DataFrame(file.read_row_group(index))
                held.append(choice.of(stored.select(column.expression for column in reads(instance))))
                if sum(frame.height for frame in held) >= rows_per_slice:
                    yield pl.concat(held)
                    held = []
    if any(frame.height for frame in held):
        yield pl.concat(held)


def reads(instance: int) -> list[ColumnRead]:
    """How the columns of the event model are read from an instance's files."""
    return [
        ColumnRead(name, dtype, None, instance) if name == "instance" else ColumnRead(name, dtype, name)
        for name, dtype in EVENT_COLUMNS.items()
    ]


def _cut(rows: pl.DataFrame, most_rows: int) -> Iterator[pl.DataFrame]:
    """Pieces of at most about so many rows, cut between two values of h alone."""
    start = 0
    hashes = rows["h"]
    while rows.height - start > most_rows * 3 // 2:
        stop = int(hashes.search_sorted(hashes[start + most_rows], side="left"))
        if stop <= start:
            stop = int(hashes.search_sorted(hashes[start], side="right"))
        yield compact(rows[start:stop])
        start = stop
    if start < rows.height:
        yield rows[start:] if start else rows
