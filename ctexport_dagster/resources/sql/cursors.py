"""The rows of a query that one partition of a dataset has by its cursor: asked of the database, bounds and all.

The upper bound is captured first, in the transaction in which the rows are read. Rows without a cursor belong to every
partition, whose lake refuses them: they are told, never lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl
from sqlalchemy import Connection, CursorResult, TextClause, text

from ctexport_dagster.core.datasets.cursors import Bound, CursorKind, CursorSpan, CursorValue, kind_of, remembered
from ctexport_dagster.core.datasets.source import Span
from ctexport_dagster.core.errors import SourceUnreadable
from ctexport_dagster.resources.sql.connection import quoted
from ctexport_dagster.resources.sql.postgres_types import is_psycopg, postgres_schema

ROWS = "ctexport_rows"
_SINCE, _UPTO = "ctexport_since", "ctexport_upto"
_USABLE = "Name a column of timestamps, days, whole numbers or texts; or cast it in the query."


@dataclass(frozen=True)
class CursorQuery:
    """A query, the column of it that only grows, and what its own variables stand for."""

    query: str
    column: str
    given: Mapping[str, str | datetime]
    zone: ZoneInfo
    attempted: str

    def captured(self, connection: Connection, span: Span) -> tuple[CursorSpan, bool]:
        """The bounds of a span, and whether the cursor's instants are without a zone.

        Raises:
            SourceUnreadable: there is no such column, or it can't serve as a cursor.
        """
        since, known = self._remembered(span.since), self._remembered(span.upto)
        kind, is_naive, greatest = self._looked_at(connection)
        now = kind if known is None else known.kind
        if since is not None and since.value is not None and now is not None and since.kind != now:
            raise self._unusable(f"{self.column} was a {since.kind} at the partition before, and is a {now} now")
        return CursorSpan(since, known or self._upto(connection, span, since, kind, greatest)), is_naive

    def rows(self, connection: Connection, bounds: CursorSpan, *, is_naive: bool) -> TextClause:
        """The query of the rows within the bounds, in the order of the cursor; the same order each time."""
        column = self._quoted(connection)
        upper, lower = ("<=", ">") if bounds.takes_in_its_end else ("<", ">=")
        inside = [f"{column} {upper} :{_UPTO}"] if bounds.upto.scalar is not None else ["1 = 0"]
        values = {} if bounds.upto.scalar is None else {_UPTO: self._bound(bounds.upto.scalar, is_naive=is_naive)}
        if bounds.since is not None and bounds.since.scalar is not None:
            inside.append(f"{column} {lower} :{_SINCE}")
            values[_SINCE] = self._bound(bounds.since.scalar, is_naive=is_naive)
        condition = f"({' AND '.join(inside)}) OR {column} IS NULL"
        asked = f"SELECT * FROM (\n{self.query}\n) AS {ROWS} WHERE {condition} ORDER BY {self._order(connection)}"  # noqa: S608 (declared)
        return text(asked).bindparams(**values, **self._own(asked))

    def _looked_at(self, connection: Connection) -> tuple[CursorKind | None, bool, CursorValue | None]:
        """The cursor's kind (None where there are no rows to tell), whether it is naive, and its greatest value."""
        answer = self._asked(connection, "SELECT *", "WHERE 1 = 0")
        if self.column not in answer.keys():  # noqa: SIM118 (no dictionary)
            raise self._unusable(f"the query gives no column {self.column!r} for the cursor")
        column = self._quoted(connection)
        if is_psycopg(connection):
            dtype = postgres_schema(answer)[self.column]
            kind = kind_of(dtype)
            if kind in ("instant", "day"):
                return kind, isinstance(dtype, pl.Datetime) and dtype.time_zone is None, None
        value = self._asked(connection, f"SELECT max({column})").scalar()
        if connection.dialect.name == "sqlite" and isinstance(value, str):  # which sorts any text after all numbers
            self._refuse_mixed(self._asked(connection, f"SELECT min({column})").scalar())
        return self._told(value)

    def _refuse_mixed(self, least: object) -> None:
        if not isinstance(least, str):
            what = f"{self.column} holds both numbers and texts, so that none of them tells what is new"
            fix = f"Cast it in the query, or leave the odd rows out: WHERE typeof({self.column}) = 'integer'."
            raise SourceUnreadable(self.attempted, what, fix)

    def _told(self, value: object) -> tuple[CursorKind | None, bool, CursorValue | None]:
        match value:
            case None:
                return None, False, None
            case datetime():
                return "instant", value.tzinfo is None, value
            case date():
                return "day", False, value
            case bool() | float():
                raise self._unusable(f"{self.column} can't serve as a cursor ({type(value).__name__})")
            case int():
                return "number", False, value
            case Decimal() if value.is_finite() and value == int(value):
                return "number", False, int(value)
            case str():
                return "text", False, value
            case _:
                raise self._unusable(f"{self.column} can't serve as a cursor ({type(value).__name__})")

    def _upto(
        self,
        connection: Connection,
        span: Span,
        since: Bound | None,
        kind: CursorKind | None,
        greatest: CursorValue | None,
    ) -> Bound:
        """Where the span ends, never before it began: rows with the greatest values may have been deleted since."""
        if kind == "instant" or kind == "day":
            return CursorSpan.of_window(kind, None, span.window.end, self.zone).upto
        if kind is None:
            return since or Bound(kind="number", value=None)
        if since is None or since.scalar is None:
            return Bound.of(kind, greatest)
        column = self._quoted(connection)  # the order of texts is the database's own
        newer = self._asked(connection, f"SELECT max({column})", f"WHERE {column} > :{_SINCE}", {_SINCE: since.scalar})
        found = self._told(newer.scalar())[2]
        return since if found is None else Bound.of(kind, found)

    def _remembered(self, upto: str | None) -> Bound | None:
        try:
            return remembered(upto)
        except ValueError:
            what = "the partition before was read in another way"
            fix = "Declare it as it was, or as another dataset, which begins anew."
            raise SourceUnreadable(self.attempted, what, fix) from None

    def _asked(
        self, connection: Connection, what: str, further: str = "", given: Mapping[str, CursorValue] | None = None
    ) -> "CursorResult[tuple[object, ...]]":
        asked = f"{what} FROM (\n{self.query}\n) AS {ROWS} {further}"
        return connection.execute(text(asked).bindparams(**self._own(asked), **(given or {})))

    def _order(self, connection: Connection) -> str:
        """Rows with one value of the cursor have an order too: by all that they hold."""
        column = self._quoted(connection)
        if connection.dialect.name == "postgresql":  # JSON has no order there, the text of a row has
            return f"{column}, CAST({ROWS} AS text)"
        names = list(self._asked(connection, "SELECT *", "WHERE 1 = 0").keys())
        return ", ".join([column, *(str(place) for place in range(1, len(names) + 1))])

    def _bound(self, value: CursorValue, *, is_naive: bool) -> CursorValue:
        if isinstance(value, datetime) and is_naive:
            return value.astimezone(self.zone).replace(tzinfo=None)
        return value

    def _own(self, asked: str) -> dict[str, str | datetime]:
        names = text(asked).compile().params
        return {name: value for name, value in self.given.items() if name in names}

    def _quoted(self, connection: Connection) -> str:
        return quoted(connection, self.column)

    def _unusable(self, what: str) -> SourceUnreadable:
        return SourceUnreadable(self.attempted, what, _USABLE)
