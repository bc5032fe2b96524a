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
from ctexport_dagster.lake.events.table import LOG, STORED_COLUMNS
from ctexport_dagster.lake.files import Place, SortedWriter
from ctexport_dagster.lake.tuning import Tuning

ORDER = ("h", "clevertapId", "ts")


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


@dataclass(frozen=True)
class Run:
    """Files that together are in `ORDER`, and how many rows they have."""

    paths: tuple[Path, ...]
    rows: int


def merged(runs: Sequence[Run], instance: int, rows_per_slice: int, choice: Choice) -> Iterator[pl.DataFrame]:
    """Event frames in order of (h, clevertapId, ts, run, place in the run): ranges of h; empty ones are left out.

    A single run stands in that order as it is, and is read row group by row group: one id may have most of its rows.
    """
    if len(runs) == 1:
        yield from in_file_order(runs[0].paths, instance, choice, rows_per_slice)
        return
    readers = [SortedRun(run.paths, reads(instance)) for run in runs]
    for upper in ranges(sum(run.rows for run in runs), rows_per_slice):
        pieces = [piece for reader in readers if not (piece := choice.of(reader.take(upper))).is_empty()]
        if pieces:
            whole = pl.concat(pieces)
            yield from _cut(whole.sort(ORDER, maintain_order=True) if len(pieces) > 1 else whole, rows_per_slice)


def folded(
    runs: Sequence[Run], instance: int, rows_per_slice: int, choice: Choice, folder: Path, tuning: Tuning
) -> Sequence[Run]:
    """The chosen events of all runs in at most `tuning.most_layers`: neighbours merged into one, as often as it takes.

    A read holds a row group of every run: of a year of days they would take a gigabyte.
    """
    while len(runs) > tuning.most_layers:
        starts = range(0, len(runs), tuning.most_layers)
        level = folder / str(len(runs))
        runs = [
            _fold(
                runs[start : start + tuning.most_layers], instance, rows_per_slice, choice, level / str(start), tuning
            )
            for start in starts
        ]
    return runs


def _fold(runs: Sequence[Run], instance: int, rows_per_slice: int, choice: Choice, folder: Path, tuning: Tuning) -> Run:
    writer = SortedWriter(Place(folder, "fold", LOG, instance), "fold", STORED_COLUMNS, tuning, small_groups=True)
    for rows in merged(runs, instance, rows_per_slice, choice):
        writer.write(rows)
    files = writer.finish()
    return Run(tuple(folder / file.path for file in files), sum(file.rows for file in files))


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
    """Pieces of at most about so many rows."""
    start = 0
    while rows.height - start > most_rows * 3 // 2:
        yield compact(rows[start : start + most_rows])
        start += most_rows
    yield rows[start:] if start else rows
