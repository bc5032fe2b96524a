"""Cursors: which rows of a growing table are new, by the value of a column that only grows.

A cursor of instants (a timestamp, a date) follows the windows: a partition has the rows before its window's end that
the one before did not have, `[its end, the window's end)`. A cursor of other values (a number, a text) follows what
there was: `(the greatest value at the reading before, the greatest now]`. Either way the upper bound is captured before
any row is read, spans never overlap, and a second reading of a partition uses the bounds of its first.
Source: REQUIREMENTS A3.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

import polars as pl
from pydantic import BaseModel, ConfigDict

CursorKind = Literal["instant", "day", "number", "text"]
CursorValue = datetime | date | int | str
"""An aware timestamp, a day, a whole number or a text."""


class Bound(BaseModel):
    """Where a partition ends, as it is remembered. `value` is written as text: ISO, digits, or the text itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: CursorKind
    value: str | None
    """None where the table had no rows."""

    @staticmethod
    def of(kind: CursorKind, value: CursorValue | None) -> "Bound":
        text = value.isoformat() if isinstance(value, date) else None if value is None else str(value)
        return Bound(kind=kind, value=text)

    @property
    def scalar(self) -> CursorValue | None:
        """The value in its own type."""
        if self.value is None:
            return None
        match self.kind:
            case "instant":
                return datetime.fromisoformat(self.value)
            case "day":
                return date.fromisoformat(self.value)
            case "number":
                return int(self.value)
            case "text":
                return self.value


@dataclass(frozen=True)
class CursorSpan:
    """The rows of one partition by their cursor; `since` None for all up to `upto`.

    Instants and days: `since` <= cursor < `upto`; numbers and texts: `since` < cursor <= `upto`.
    """

    since: Bound | None
    upto: Bound

    @staticmethod
    def of_window(kind: Literal["instant", "day"], since: str | None, end: datetime, zone: ZoneInfo) -> "CursorSpan":
        """The span of a cursor of instants or days: up to a window's end. `since` is a bound that was remembered."""
        upto = Bound.of(kind, end.astimezone(UTC) if kind == "instant" else end.astimezone(zone).date())
        return CursorSpan(remembered(since), upto)

    @property
    def takes_in_its_end(self) -> bool:
        return self.upto.kind in ("number", "text")

    def has(self, cursor: pl.Expr, dtype: pl.DataType, zone: ZoneInfo) -> pl.Expr:
        """Whether a row belongs to the span (Boolean), null where its cursor is; `zone` is that of naive instants."""
        upto = self.upto.scalar
        since = self.since.scalar if self.since else None
        if upto is None:
            return pl.lit(value=False)
        inside = cursor <= _as(upto, dtype, zone) if self.takes_in_its_end else cursor < _as(upto, dtype, zone)
        if since is None:
            return inside
        lower = _as(since, dtype, zone)
        return inside & (cursor > lower if self.takes_in_its_end else cursor >= lower)


def kind_of(dtype: pl.DataType) -> CursorKind | None:
    """How a column of this type serves as a cursor; None where it can't."""
    if isinstance(dtype, pl.Datetime):
        return "instant"
    if dtype == pl.Date:
        return "day"
    if dtype.is_integer():
        return "number"
    return "text" if dtype == pl.String else None


def remembered(upto: str | None) -> Bound | None:
    """The bound that a partition wrote down."""
    return Bound.model_validate_json(upto) if upto else None


def _as(value: CursorValue, dtype: pl.DataType, zone: ZoneInfo) -> pl.Expr:
    """A bound in the column's own type."""
    if isinstance(value, datetime) and isinstance(dtype, pl.Datetime):
        own = ZoneInfo(dtype.time_zone) if dtype.time_zone else None
        value = value.astimezone(own or zone).replace(tzinfo=own)
    return pl.lit(value, dtype)
