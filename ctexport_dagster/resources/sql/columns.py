"""Rows of a query as a raw batch: each value in the type in which the driver gave it, none ever coerced to another.

Databases without strict types (SQLite) and columns of JSON may hold anything in one column: the commonest kind stands
under the column's own name, the others as its variants (core/source.py).
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

import polars as pl

from ctexport_dagster.core.normalise.json_text import canonical_json, item_text
from ctexport_dagster.core.schema import STRINGS
from ctexport_dagster.core.source import RawBatch

Kind = str
_MOST_DIGITS = 38


def raw_batch(names: Sequence[str], rows: Sequence[Sequence[object]], first_row: int, origin: str) -> RawBatch:
    """Some rows of a query; `first_row` is the number of the first (from 1)."""
    series: list[pl.Series] = []
    variants: dict[str, tuple[str, ...]] = {}
    values = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    for place, name in enumerate(names):
        own, *further = _columns(name, values[place])
        series += [own, *further]
        if further:
            variants[name] = tuple(column.name for column in further)
    numbers = pl.int_range(first_row, first_row + len(rows), dtype=pl.UInt64, eager=True)
    frame = pl.DataFrame({column.name: column for column in series})  # in a list, "" would get another name
    return RawBatch(frame, origin=origin, numbers=numbers, variants=variants)


def _columns(name: str, values: Sequence[object]) -> list[pl.Series]:
    """The column, and one more for each further kind of value in it, by how many values they have."""
    types = set(map(type, values)) - {type(None)}
    kinds = {type_: _kind_of(type_) for type_ in types}
    if not types:
        return [pl.Series(name, values, dtype=pl.Null)]
    if len(set(kinds.values())) == 1:
        return [_series(name, kinds[types.pop()], values)]
    parts: dict[Kind, list[object]] = {}
    for row, value in enumerate(values):
        if value is not None:
            parts.setdefault(kinds[type(value)], [None] * len(values))[row] = value
    ranked = sorted(parts, key=lambda kind: (sum(value is None for value in parts[kind]), kind))
    return [_series(name if kind == ranked[0] else f"{name}\0{kind}", kind, parts[kind]) for kind in ranked]


_KINDS: Mapping[type, Kind] = {
    bool: "boolean",
    int: "integer",
    float: "float",
    str: "text",
    bytes: "bytes",
    memoryview: "bytes",
    Decimal: "decimal",
    datetime: "timestamp",
    date: "date",
    time: "time",
    timedelta: "duration",
    list: "list",
    tuple: "list",
    dict: "object",
    UUID: "other",
}
_CONVERSIONS: Mapping[Kind, tuple[Callable[[object], object] | None, pl.DataType | None]] = {
    "boolean": (None, pl.Boolean()),
    "integer": (None, pl.Int64()),
    "float": (None, pl.Float64()),
    "text": (None, pl.String()),
    "bytes": (lambda value: bytes(value) if isinstance(value, memoryview) else value, pl.Binary()),
    "decimal": (None, None),
    "timestamp": (None, None),
    "date": (None, pl.Date()),
    "time": (str, pl.String()),
    "duration": (None, pl.Duration("us")),
    "list": (lambda value: [item_text(item) for item in value] if isinstance(value, list | tuple) else None, STRINGS),
    "object": (canonical_json, pl.String()),
    "other": (str, pl.String()),
}


def _kind_of(type_: type) -> Kind:
    """The kind of a driver's type; its own subclasses (an enum of text) count as what they derive from."""
    if type_ in _KINDS:
        return _KINDS[type_]
    return next((kind for known, kind in _KINDS.items() if issubclass(type_, known)), "other")


def _series(name: str, kind: Kind, values: Sequence[object]) -> pl.Series:
    convert, dtype = _CONVERSIONS[kind]
    if kind == "integer":
        return _integers(name, values)
    if kind == "timestamp":
        return _timestamps(name, values)
    if kind == "decimal":
        return _decimals(name, values)
    plain = values if convert is None else [None if value is None else convert(value) for value in values]
    return pl.Series(name, plain, dtype=dtype, strict=True)


def _decimals(name: str, values: Sequence[object]) -> pl.Series:
    """With no more digits than the values have, so that later ones can widen them; as text where 38 are too few."""
    decimals = [value if isinstance(value, Decimal) else None for value in values]
    given = [value for value in decimals if value is not None]
    if not all(value.is_finite() for value in given):
        # NaN and infinities of `numeric` are refused as such later on.
        return pl.Series(name, [None if value is None else float(value) for value in decimals], dtype=pl.Float64)
    whole, scale = (max(counts) for counts in zip(*map(_digits, given), strict=True))
    if whole + scale > _MOST_DIGITS:
        return pl.Series(name, [None if value is None else format(value, "f") for value in decimals], dtype=pl.String)
    return pl.Series(name, decimals, dtype=pl.Decimal(whole + scale, scale), strict=True)


def _digits(value: Decimal) -> tuple[int, int]:
    """How many digits stand before the point (at least one), and how many behind."""
    told = value.as_tuple()
    exponent = told.exponent if isinstance(told.exponent, int) else 0
    return max(1, len(told.digits) + exponent), max(0, -exponent)


def _integers(name: str, values: Sequence[object]) -> pl.Series:
    """In 64 bits where they fit, else in 128."""
    try:
        return pl.Series(name, values, dtype=pl.Int64, strict=True)
    except (OverflowError, TypeError):
        return pl.Series(name, values, dtype=pl.Int128, strict=True)


def _timestamps(name: str, values: Sequence[object]) -> pl.Series:
    """Aware ones as instants, naive ones as wall clocks; where a column has both, all as text with their offsets."""
    times = [value for value in values if isinstance(value, datetime)]
    aware = sum(value.tzinfo is not None for value in times)
    if 0 < aware < len(times):
        return pl.Series(name, [value.isoformat() if isinstance(value, datetime) else None for value in values])
    return pl.Series(name, values, dtype=pl.Datetime("us", "UTC" if aware else None))
