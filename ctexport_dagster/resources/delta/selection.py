"""The rows of one partition: some files of a table at one version, and which of their rows belong to it."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow.parquet as pq
from polars.exceptions import PolarsError
from polars.selectors import by_name

from ctexport_dagster.core.datasets.cursors import Bound, CursorKind, CursorSpan, CursorValue, kind_of, remembered
from ctexport_dagster.core.datasets.source import Span
from ctexport_dagster.core.errors import SourceUnreadable
from ctexport_dagster.core.normalise.refusals import Refusals
from ctexport_dagster.core.quarantine import Reason
from ctexport_dagster.core.source import RawBatch
from ctexport_dagster.resources.delta.predicate import Predicate
from ctexport_dagster.resources.delta.rows import filtered, table_rows
from ctexport_dagster.resources.delta.table import DataFile, TableVersion

_STATISTICS_ARE_CUT_TO = timedelta(milliseconds=1)


@dataclass(frozen=True)
class CursorRows:
    """The rows of a span, by a column; `zone` is that of instants without one."""

    column: str
    span: CursorSpan
    zone: ZoneInfo

    def of(self, batch: RawBatch, id_column: str | None = None) -> RawBatch:
        """The batch's rows within the span; those without a cursor are told as unreadable: who knows when they came."""
        frame = batch.frame
        cursor = frame[self.column].alias("cursor")  # a name of its own: Polars takes some for patterns
        inside = self.span.has(pl.col("cursor"), cursor.dtype, self.zone).alias("inside")
        rows = cursor.to_frame().select("cursor", inside)["inside"]
        missing = cursor.is_null()
        if not missing.any():
            return filtered(batch, rows.fill_null(value=False))
        refusals = Refusals(batch)
        refusals.add(self.column, Reason.MISSING_VALUE, missing)
        ids = pl.Series([None] * frame.height, dtype=pl.String) if id_column is None else frame[id_column]
        told = replace(batch, unreadable=pl.concat([batch.unreadable, refusals.quarantined(ids)]))
        return filtered(told, rows.fill_null(value=False) & ~missing)

    def may_be_in(self, file: DataFile, dtype: pl.DataType) -> bool:
        """Whether a file may hold rows of the span, by what the log tells; texts are cut short there."""
        if file.spread is None or dtype == pl.String:
            return True
        least, greatest = (pl.lit(value, dtype) for value in file.spread)
        if isinstance(dtype, pl.Datetime):
            greatest += pl.lit(_STATISTICS_ARE_CUT_TO)
        begins_within = CursorSpan(None, self.span.upto).has(least, dtype, self.zone)
        if self.span.since is None or self.span.since.scalar is None:
            return pl.select(begins_within).item()
        ends_before = CursorSpan(None, self.span.since).has(greatest, dtype, self.zone)
        return pl.select(begins_within & ~ends_before).item()


@dataclass(frozen=True)
class Selection:
    """The rows of one partition. `known_by` is what tells them apart from another partition's, for the fingerprint."""

    table: TableVersion
    files: Sequence[DataFile]
    known_by: Sequence[str | int]
    predicate: Predicate | None = None
    cursor: CursorRows | None = None

    def batches(self, id_column: str | None = None) -> Iterator[RawBatch]:
        """The rows in order; at least one batch, though it may be empty."""
        return (batch for batch, _ in self.batches_with_files(id_column))

    def batches_with_files(self, id_column: str | None = None) -> Iterator[tuple[RawBatch, DataFile | None]]:
        """The same, each batch with the file that it stands in."""
        gave_any = False
        for file in self.files:
            for batch in table_rows(self.table, [file], id_column):
                wanted = self._wanted(batch, id_column)
                if wanted.frame.height or wanted.unreadable.height:
                    gave_any = True
                    yield wanted, file
        if not gave_any:
            yield from ((batch, None) for batch in table_rows(self.table, []))

    def fingerprint(self, shape: Mapping[str, object]) -> str:
        """sha256 (hex) over the table's id, what the partition is known by, and what shapes its reading."""
        columns = [[name, str(dtype)] for name, dtype in self.table.schema.items()]
        return hashlib.sha256(json.dumps([self.table.id, self.known_by, columns, shape]).encode()).hexdigest()

    @property
    def row_estimate(self) -> int:
        return sum(file.rows for file in self.files)

    def _wanted(self, batch: RawBatch, id_column: str | None) -> RawBatch:
        if self.predicate is not None and batch.frame.height:
            batch = filtered(batch, self.predicate.holds(batch.frame))
        return batch if self.cursor is None or not batch.frame.height else self.cursor.of(batch, id_column)


def cursor_rows(table: TableVersion, column: str, span: Span, zone: ZoneInfo) -> CursorRows:
    """Which rows of a table a span has by a cursor; the upper bound is captured now, unless it was before.

    Raises:
        SourceUnreadable: the table has no such column, or one that can't serve as a cursor.
    """
    if column not in table.schema:
        what = f"the table {table.place.name} has no column {column!r} for the cursor"
        raise SourceUnreadable(table.place.attempted, what, "Mend `cursor:`.")
    kind = kind_of(table.schema[column])
    if kind is None:
        what = f"{column} is a {table.schema[column]}, which can't serve as a cursor"
        raise SourceUnreadable(table.place.attempted, what, "Name a column of instants, days, whole numbers or texts.")
    try:
        since, upto = remembered(span.since), remembered(span.upto)
    except ValueError:
        raise read_otherwise(table.place.attempted) from None
    before = since if since is not None and since.value is not None else upto
    if before is not None and before.value is not None and before.kind != kind:
        what = f"{column} was a {before.kind} at the partition before, and is a {kind} now"
        raise SourceUnreadable(table.place.attempted, what, "Declare it as another dataset, which begins anew.")
    if upto is None and (kind == "instant" or kind == "day"):
        upto = CursorSpan.of_window(kind, None, span.window.end, zone).upto
    return CursorRows(column, CursorSpan(since, upto or _captured(table, column, kind, since)), zone)


def read_otherwise(attempted: str) -> SourceUnreadable:
    """The error for a partition before that wasn't read by the way that is declared now."""
    what = "the partition before was read in another way (by a cursor or by version)"
    return SourceUnreadable(attempted, what, "Declare it as it was, or as another dataset, which begins anew.")


def _captured(table: TableVersion, column: str, kind: CursorKind, since: Bound | None) -> Bound:
    """The greatest value that there is, never less than that of the partition before."""
    values = [value for value in (_greatest(table, file, column) for file in table.files(column)) if value is not None]
    before = since.scalar if since is not None else None
    known = [value for value in (*values, before) if isinstance(value, str if kind == "text" else int)]
    return Bound.of(kind, max(known, default=None))  # pyright: ignore[reportArgumentType]  (all of one kind)


def _greatest(table: TableVersion, file: DataFile, column: str) -> CursorValue | None:
    if column in file.values:
        value = file.values[column]
        return value if isinstance(value, str | int) else None
    if file.spread is not None and isinstance(file.spread[1], int):
        return file.spread[1]
    with table.place.file(file.path) as path:
        if column not in pq.read_schema(path).names:
            return None
        try:
            return pl.scan_parquet(path).select(by_name(column).max()).collect(engine="streaming").item()
        except PolarsError as problem:
            what = f"a file holds no {column} that can be compared ({type(problem).__name__})"
            raise SourceUnreadable(table.place.attempted, what, "Rewrite that column.") from None
