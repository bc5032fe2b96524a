"""The rows of one partition out of tables that grow, by a column that only grows.

Rows without a cursor, and those whose cursor is of another type than the column's, belong to every partition: they are
refused by each of them until they are mended, never lost and never kept twice.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import polars as pl

from ctexport_dagster.core.datasets.cursors import Bound, CursorKind, CursorSpan, kind_of, remembered
from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.datasets.source import Span
from ctexport_dagster.core.errors import SourceUnreadable
from ctexport_dagster.core.normalise.fields import read_field
from ctexport_dagster.core.normalise.refusals import Refusals
from ctexport_dagster.core.normalise.values import EXACT_INTEGERS
from ctexport_dagster.core.quarantine import Reason
from ctexport_dagster.core.schema import ValueType
from ctexport_dagster.core.source import RawBatch

_WIDEST = pl.Int128()
"""Whole numbers are compared in it, whatever their own type."""
_USABLE = "a cursor is a timestamp, a day, a whole number or a text"


@dataclass
class CursorRows:
    """Picks a span's rows out of batches, and learns where it ends. `attempted` begins its errors."""

    declared: DeclaredDataset
    span: Span
    zone: ZoneInfo
    attempted: str
    kind: CursorKind | None = None
    greatest: Bound | None = None

    def picked(self, batches: Iterable[RawBatch]) -> Iterator[RawBatch]:
        """The rows of the span and those without a cursor, in order; those that can't be compared are unreadable ones.

        Raises:
            SourceUnreadable: there is no such column, or its type is none of a cursor or not the one before.
        """
        for batch in batches:
            if not batch.frame.width:
                yield batch
                continue
            comparable, values = self._comparable(batch)
            yield _filtered(comparable, self._wanted(values))

    @property
    def upto(self) -> Bound:
        """Where the span ends, once all batches were picked from; without any row, where it began."""
        if self._given:
            return self._given
        if self.kind in ("instant", "day"):
            return CursorSpan.of_window(self.kind, None, self.span.window.end, self.zone).upto
        return self.greatest or self._since or Bound(kind=self.kind or "text", value=None)

    @property
    def _since(self) -> Bound | None:
        """None as well where there were no rows before."""
        since = remembered(self.span.since)
        return since if since and since.value is not None else None

    @property
    def _given(self) -> Bound | None:
        return remembered(self.span.upto)

    def settled(self, batch: RawBatch) -> RawBatch:
        """A batch of picked rows with whole numbers for cursors that are whole, though a fraction made them floats."""
        name = self._column
        if name not in batch.frame.columns or not self._are_numbers(batch.frame[name]):
            return batch
        whole = _whole(batch.frame[name].alias("cursor"))
        # By name: some names would be taken for patterns, and one that is called "" for none.
        columns = {column: whole if column == name else batch.frame[column] for column in batch.frame.columns}
        return replace(batch, frame=pl.DataFrame(columns))

    def _are_numbers(self, values: pl.Series) -> bool:
        """Whether floats stand where the cursors so far were whole numbers: `3.0` makes floats of a file's others."""
        return values.dtype == pl.Float64() and self._known_kind == "number"

    @property
    def _known_kind(self) -> CursorKind | None:
        before = self._since or self._given
        # A partition without rows has no value that would tell the kind.
        return before.kind if before and before.value is not None else self.kind

    def _comparable(self, batch: RawBatch) -> tuple[RawBatch, pl.Series]:
        """The batch without the rows whose cursor is of another type than the column, and the cursors of the others."""
        refusals = Refusals(batch)
        values = self._values(batch, refusals)
        if not refusals.any:
            return batch, values
        nobody = pl.Series([None] * batch.frame.height, dtype=pl.String)
        unreadable = pl.concat([batch.unreadable, refusals.quarantined(nobody)])
        sound = ~refusals.rows
        return replace(_filtered(batch, sound), unreadable=unreadable), values.filter(sound)

    def _values(self, batch: RawBatch, refusals: Refusals) -> pl.Series:
        """The cursors as the lake will have them: in the declared type, else in that of the column."""
        name = self._column
        if name not in batch.frame.columns:
            raise self._unusable(f"{batch.origin} has no column {name!r}, which is the cursor")
        columns = (name, *batch.variants.get(name, ()))
        # Polars takes some columns' names for patterns: so every series gets another one first.
        given = [(column, batch.frame[column].alias("cursor")) for column in columns]
        target = self.declared.types.get(name, ValueType.UNKNOWN)
        if target != ValueType.UNKNOWN:
            return self._in_type(target, given, refusals)
        for column, values in given[1:]:
            refusals.add(name, Reason.CONTRADICTS_TYPE, values.is_not_null(), column)
        (column, values), *_ = given
        if not self._are_numbers(values):
            return values
        whole = _whole(values)
        refusals.add(name, Reason.CONTRADICTS_TYPE, values.is_not_null() & whole.is_null(), column)
        return whole

    def _in_type(self, target: ValueType, given: list[tuple[str, pl.Series]], refusals: Refusals) -> pl.Series:
        """The values of several columns, of which a row has one at most, in one type."""
        united: pl.Series | None = None
        for column, values in given:
            reading = read_field(values, target, self.zone)
            refusals.take(self._column, reading.refusals, column)
            one = reading.values.cast(target.dtype)
            united = one if united is None else united.zip_with(united.is_not_null(), one)
        assert united is not None
        return united

    @property
    def _column(self) -> str:
        assert self.declared.cursor is not None
        return self.declared.cursor

    def _wanted(self, values: pl.Series) -> pl.Series:
        """Whether each row is picked (Boolean)."""
        if values.null_count() == len(values):
            return values.is_null()
        kind = self._kind_of(values)
        own = values.cast(_WIDEST) if kind == "number" else values
        bounds = CursorSpan(self._since, self._given or self._end_of(own, kind))
        cursor = pl.col("cursor")
        inside = bounds.has(cursor, own.dtype, self.zone) | cursor.is_null()
        return own.to_frame("cursor").select(inside).to_series()

    def _end_of(self, values: pl.Series, kind: CursorKind) -> Bound:
        """The window's end; or, by numbers and texts, whatever was read is before the end."""
        if kind == "instant" or kind == "day":
            return CursorSpan.of_window(kind, None, self.span.window.end, self.zone).upto
        greatest: object = values.max()
        assert isinstance(greatest, int | str)
        found = Bound.of(kind, greatest)
        known = self.greatest or self._since
        if known is None or known.scalar is None or known.scalar < greatest:  # pyright: ignore[reportOperatorIssue]
            self.greatest = found
        return found

    def _kind_of(self, values: pl.Series) -> CursorKind:
        kind = kind_of(values.dtype)
        if kind is None:
            raise self._unusable(f"{self._column!r} is of the type {values.dtype}, and {_USABLE}")
        known = self._known_kind
        if known is not None and kind != known:
            raise self._unusable(f"{self._column!r} is {_NAMES[kind]} now, and was {_NAMES[known]} before")
        self.kind = kind
        return kind

    def _unusable(self, what: str) -> SourceUnreadable:
        return SourceUnreadable(self.attempted, what, "Mend the files, or `cursor` and `types` of the dataset.")


def _whole(values: pl.Series) -> pl.Series:
    """Floats as Int64; null where one isn't whole, or so large that other whole numbers have the same float."""
    cursor = pl.col("cursor")
    is_whole = (cursor.abs() < EXACT_INTEGERS) & (cursor.floor() == cursor)
    whole = pl.when(is_whole).then(cursor).cast(pl.Int64, strict=False).alias("cursor")
    return values.to_frame("cursor").select(whole).to_series()


def _filtered(batch: RawBatch, rows: pl.Series) -> RawBatch:
    """Some rows (Boolean) of a batch, with all that is unreadable."""
    numbers = None if batch.numbers is None else batch.numbers.filter(rows)
    return replace(batch, frame=batch.frame.filter(rows), numbers=numbers)


_NAMES: dict[CursorKind, str] = {
    "instant": "a timestamp",
    "day": "a day",
    "number": "a whole number",
    "text": "a text",
}
