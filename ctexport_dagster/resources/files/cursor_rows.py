"""The rows of one partition out of tables that grow, by a column that only grows.

Rows without a cursor belong to every partition: they are refused by each of them until they are mended, never lost.
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
        """The rows of the span and those without a cursor, in order.

        Raises:
            SourceUnreadable: there is no such column, or its type is none of a cursor or not the one before.
        """
        for batch in batches:
            if not batch.frame.width:
                yield batch
                continue
            wanted = self._wanted(self._values(batch))
            numbers = None if batch.numbers is None else batch.numbers.filter(wanted)
            yield replace(batch, frame=batch.frame.filter(wanted), numbers=numbers)

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

    def _values(self, batch: RawBatch) -> pl.Series:
        name = self.declared.cursor or ""
        if name not in batch.frame.columns:
            raise self._unusable(f"{batch.origin} has no column {name!r}, which is the cursor")
        values = batch.frame[name]
        if values.dtype == pl.String and name in self.declared.types:
            values = read_field(values, self.declared.types[name], self.zone).values
        return values

    def _wanted(self, values: pl.Series) -> pl.Series:
        """Whether each row is picked (Boolean)."""
        if values.null_count() == len(values):
            return values.is_null()
        kind = self._kind_of(values)
        own = values.cast(_WIDEST) if kind == "number" else values
        bounds = CursorSpan(self._since, self._given or self._end_of(own, kind))
        cursor = pl.col("cursor")
        inside = bounds.has(cursor, own.dtype, self.zone) | cursor.is_null()
        return own.alias("cursor").to_frame().select(inside).to_series()

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
            raise self._unusable(f"{values.name!r} is of the type {values.dtype}, and {_USABLE}")
        before = self._since or self._given
        known = before.kind if before else self.kind
        if known is not None and kind != known:
            raise self._unusable(f"{values.name!r} is {_NAMES[kind]} now, and was {_NAMES[known]} before")
        self.kind = kind
        return kind

    def _unusable(self, what: str) -> SourceUnreadable:
        return SourceUnreadable(self.attempted, what, "Mend the files, or `cursor` and `types` of the dataset.")


_NAMES: dict[CursorKind, str] = {
    "instant": "a timestamp",
    "day": "a day",
    "number": "a whole number",
    "text": "a text",
}
