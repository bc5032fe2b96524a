"""PostgreSQL's types as Polars has them: a column of a table keeps its own, whatever values a batch of it holds.

`numeric(p, s)` is a decimal; `numeric` without them, or of more than 38 digits, is text with all its digits. JSON,
ranges, records and intervals (ISO 8601) are the texts that the database gives, as is what Polars has no type for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time
from decimal import Decimal

import polars as pl
from polars.exceptions import PolarsError
from sqlalchemy import Connection, CursorResult
from typing_extensions import Protocol

from ctexport_dagster.core.normalise.refusals import Refusals
from ctexport_dagster.core.quarantine import Reason
from ctexport_dagster.core.source import RawBatch

_DTYPES: Mapping[str, pl.DataType] = {
    "bool": pl.Boolean(),
    "int2": pl.Int16(),
    "int4": pl.Int32(),
    "int8": pl.Int64(),
    "oid": pl.Int64(),
    "float4": pl.Float32(),
    "float8": pl.Float64(),
    "bytea": pl.Binary(),
    "date": pl.Date(),
    "time": pl.Time(),
    "timestamp": pl.Datetime("us"),
    "timestamptz": pl.Datetime("us", "UTC"),
}
_RANGES = tuple(
    f"{of}{kind}" for kind in ("range", "multirange") for of in ("int4", "int8", "num", "date", "ts", "tstz")
)
_AS_TEXT = ("record", *_RANGES)
_EXACT_AS_TEXT = ("json", "jsonb", "interval")
_MOST_DIGITS = 38
_TEXT = pl.String()


class DescribedColumn(Protocol):
    """A column of an answer, as psycopg describes it."""

    @property
    def name(self) -> str: ...
    @property
    def type_code(self) -> int: ...
    @property
    def precision(self) -> int | None: ...
    @property
    def scale(self) -> int | None: ...


class UnfitValues(Exception):
    """Values of a column that its type can't hold."""

    def __init__(self, column: str) -> None:
        self.column = column
        super().__init__(column)


def is_psycopg(connection: Connection) -> bool:
    """Whether answers come with PostgreSQL's types."""
    return connection.dialect.name == "postgresql" and connection.dialect.driver == "psycopg"


def speak_as_it_is(connection: Connection) -> None:
    """Makes PostgreSQL give ranges and records as its own texts; other databases and drivers stay."""
    if is_psycopg(connection):
        _give_as_text(connection, _AS_TEXT)


def speak_exactly(connection: Connection) -> None:
    """Makes PostgreSQL give JSON and intervals as texts; other databases and drivers stay."""
    if is_psycopg(connection):
        _give_as_text(connection, _EXACT_AS_TEXT)
        connection.exec_driver_sql("SET LOCAL intervalstyle = 'iso_8601'")


def _give_as_text(connection: Connection, types: Sequence[str]) -> None:
    from psycopg.types.string import TextLoader

    adapters = connection.connection.driver_connection.adapters  # pyright: ignore[reportOptionalMemberAccess]
    for name in types:
        adapters.register_loader(name, TextLoader)


def postgres_schema(answer: CursorResult[tuple[object, ...]]) -> pl.Schema:
    """The columns of an answer with their types."""
    described: Sequence[DescribedColumn] = answer.cursor.description if answer.cursor else ()  # pyright: ignore
    return pl.Schema({column.name: _dtype(column) for column in described})


def typed_batch(schema: pl.Schema) -> Callable[[Sequence[str], Sequence[Sequence[object]], int, str], RawBatch]:
    """How rows of an answer become a batch with these types; as `columns.raw_batch`.

    A row with NaN or an infinity in a decimal column, which `numeric(p, s)` may hold, is told as unreadable.
    """

    def batch(names: Sequence[str], rows: Sequence[Sequence[object]], first_row: int, origin: str) -> RawBatch:
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(names)
        values: dict[str, Sequence[object]] = dict(zip(names, columns, strict=True))
        numbers = pl.int_range(first_row, first_row + len(rows), dtype=pl.UInt64, eager=True)
        odd = {name: _not_finite(values[name]) for name in names if isinstance(schema[name], pl.Decimal)}
        frame = pl.DataFrame({name: _column(name, values[name], schema[name]) for name in names})
        whole = RawBatch(frame, origin=origin, numbers=numbers)
        return _without_odd_rows(whole, {name: texts for name, texts in odd.items() if texts.null_count() < len(texts)})

    return batch


def _not_finite(values: Sequence[object]) -> pl.Series:
    odd = (isinstance(value, Decimal) and not value.is_finite() for value in values)
    return pl.Series([str(value) if is_odd else None for value, is_odd in zip(values, odd, strict=True)], dtype=_TEXT)


def _without_odd_rows(batch: RawBatch, odd: Mapping[str, pl.Series]) -> RawBatch:
    if not odd:
        return batch
    shown = batch.frame.with_columns(_filled(batch.frame[name].cast(_TEXT), texts) for name, texts in odd.items())
    refusals = Refusals(replace(batch, frame=shown))
    for name, texts in odd.items():
        refusals.add(name, Reason.NOT_FINITE, texts.is_not_null())
    unreadable = refusals.quarantined(pl.Series([None] * shown.height, dtype=_TEXT))
    kept, numbers = ~refusals.rows, batch.numbers
    return replace(
        batch,
        frame=batch.frame.filter(kept),
        unreadable=unreadable,
        numbers=None if numbers is None else numbers.filter(kept),
    )


def _filled(values: pl.Series, further: pl.Series) -> pl.Series:
    """The values, and the further ones where there are none."""
    both = pl.DataFrame({"values": values, "further": further})
    return both.select(pl.coalesce("values", "further").alias(values.name)).to_series()


def _dtype(column: DescribedColumn) -> pl.DataType:
    import psycopg

    known = psycopg.adapters.types.get(column.type_code)
    if known is None:
        return _TEXT
    if known.name == "numeric" and known.oid == column.type_code:
        return _decimal(column.precision, column.scale)
    own = _DTYPES.get(known.name, _TEXT)
    return pl.List(own) if known.array_oid == column.type_code else own


def _decimal(precision: int | None, scale: int | None) -> pl.DataType:
    if precision is None or scale is None or precision > _MOST_DIGITS or not 0 <= scale <= precision:
        return _TEXT
    return pl.Decimal(precision, scale)


def _column(name: str, values: Sequence[object], dtype: pl.DataType) -> pl.Series:
    if isinstance(dtype, pl.Decimal):
        values = [value if isinstance(value, Decimal) and value.is_finite() else None for value in values]
    plain = [_as_text(value) for value in values] if _holds_text(dtype) else values
    try:
        return pl.Series(name, plain, dtype=dtype, strict=True)
    except (TypeError, PolarsError):
        raise UnfitValues(name) from None


def _holds_text(dtype: pl.DataType) -> bool:
    return dtype in (_TEXT, pl.List(_TEXT))


def _as_text(value: object) -> object:
    match value:
        case None | str():
            return value
        case list():
            return [_as_text(item) for item in value]
        case Decimal() if value.is_finite():
            return format(value, "f")
        case datetime() | time():
            return value.isoformat()
        case _:
            return str(value)
