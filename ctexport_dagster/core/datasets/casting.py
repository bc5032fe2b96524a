"""Values of a table's column in another type: exactly, or not at all."""

from typing import cast

import polars as pl

from ctexport_dagster.core.datasets.widening import NO_TYPE, widened, with_floats, within
from ctexport_dagster.core.nested_values import instance
from ctexport_dagster.core.normalise.json_text import canonical_json
from ctexport_dagster.core.normalise.values import EXACT_INTEGERS

_WIDEST = pl.Decimal(38, 0)
_INSTANT, _UTC_INSTANT = "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.fZ"


def cast_exactly(values: pl.Series, target: pl.DataType) -> tuple[pl.Series, pl.Series]:
    """The values in another type, and the rows (Boolean) whose values it can't hold: null.

    Everything but bytes can be text: numbers, flags and times spelt out, lists and structs as JSON.
    """
    nobody = nowhere(len(values))
    if values.dtype == target:
        return values, nobody
    if values.null_count() == len(values):
        return pl.Series(values.name, [None] * len(values), dtype=target), nobody
    if target == pl.String():
        texts = _spelt(values)
        return texts, texts.is_null() & values.is_not_null()
    if widened(target, values.dtype) is None:
        return pl.Series([None], dtype=target).new_from_index(0, len(values)), values.is_not_null()
    other = values.cast(target, strict=False)
    wrong = other.cast(values.dtype, strict=False).ne_missing(values) & values.is_not_null()
    if not wrong.any():
        return other, nobody
    return other.zip_with(~wrong, pl.Series([None], dtype=target)), wrong


def simplified(values: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The values without the types that files have no place for, and the rows (Boolean) whose value is lost by it.

    Categories and enums become text, whole numbers of 128 bits decimals of 38 digits, structs without fields nulls.
    """
    target = _simple(values.dtype)
    if target == values.dtype:
        return values, nowhere(len(values))
    if (filled := _filled(values.dtype)) != values.dtype:
        # Polars casts a struct without fields to nothing else, and from nothing else.
        values = pl.Series(values.name, [_unfilled(value, values.dtype) for value in values.to_list()], dtype=filled)
    return cast_exactly(values, target)


def holds_inexact(values: pl.Series) -> bool:
    """Whether a whole number here, or within, has no float64 of its own."""
    if values.dtype.is_integer():
        least, most = cast("int | None", values.min()), cast("int | None", values.max())
        if least is None or most is None or (least >= -EXACT_INTEGERS and most <= EXACT_INTEGERS):
            return False
    floats = with_floats(values.dtype)
    return floats != values.dtype and bool(cast_exactly(values, floats)[1].any())


def nowhere(rows: int) -> pl.Series:
    """No row (Boolean)."""
    return pl.repeat(value=False, n=rows, dtype=pl.Boolean, eager=True)


def _spelt(values: pl.Series) -> pl.Series:
    dtype = values.dtype
    if dtype == pl.Binary:
        return pl.Series(values.name, [None] * len(values), dtype=pl.String)
    if isinstance(dtype, pl.Datetime):
        return values.dt.convert_time_zone("UTC").dt.strftime(_UTC_INSTANT) if dtype.time_zone else _naive(values)
    if dtype == pl.Duration:
        return values.dt.to_string("iso")
    if dtype.is_nested():
        return pl.Series(values.name, [_json(value) for value in values.to_list()], dtype=pl.String)
    return values.cast(pl.String)


def _naive(values: pl.Series) -> pl.Series:
    return values.dt.strftime(_INSTANT)


def _json(value: object) -> str | None:
    """Null as well for what JSON can't say: numbers that aren't finite, bytes that aren't UTF-8."""
    try:
        return None if value is None else canonical_json(value)
    except ValueError:
        return None


def _simple(dtype: pl.DataType) -> pl.DataType:
    match dtype:
        case pl.Categorical() | pl.Enum():
            return pl.String()
        case pl.Int128() | pl.UInt128():
            return _WIDEST
        case pl.Struct() if not dtype.fields:
            return NO_TYPE
        case _:
            return within(dtype, _simple)


def _filled(dtype: pl.DataType) -> pl.DataType:
    """The type with nulls in place of structs without fields."""
    return NO_TYPE if isinstance(dtype, pl.Struct) and not dtype.fields else within(dtype, _filled)


def _unfilled(value: object, dtype: pl.DataType) -> object:
    match dtype, value:
        case ((pl.List() | pl.Array()), list()):
            return [_unfilled(item, instance(dtype.inner)) for item in value]
        case pl.Map(), dict():
            return {key: _unfilled(item, instance(dtype.value)) for key, item in value.items()}
        case pl.Struct(), dict():
            types = {field.name: instance(field.dtype) for field in dtype.fields}
            return {name: _unfilled(item, types[name]) for name, item in value.items()} if types else None
        case _:
            return value
