"""Values of any type as text: scalars as all text formats write them, nested values as JSON. Null stays null.

    boolean, integer, decimal   true, 2147483648, 12.50: every digit, the scale's zeros too
    float                       the shortest text that reads back the same; NaN, Infinity, -Infinity (JSON: null)
    date, time                  1990-12-10, 09:30:00; a fraction of 3, 6 or 9 digits only where there is one
    timestamp                   2026-11-18T10:00:00, with a zone in UTC, 2026-11-18T10:00:00Z
    duration                    ISO 8601, P1DT2H0.5S
    binary                      base64

A day outside the years 1 to 9999 has no text that readers take: it is null.
Polars serialises what it writes as it should be; decimals (it makes them strings in JSON), timestamps, binary values
and maps with keys that are no text are put together here.
"""

from collections.abc import Callable

import polars as pl

from ctexport_dagster.core.formats.escapes import JSON
from ctexport_dagster.core.nested_values import Part, entry_parts, instance, struct_parts

_TICKS = {"ms": 10**3, "us": 10**6, "ns": 10**9}
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
"""0001-01-01 and 9999-12-31, in days from 1970-01-01."""
_DAY_SECONDS = 86_400
_TEXTS = (pl.String, pl.Enum, pl.Categorical)
_NULL = pl.lit("null")
_NAME = "value"


def is_nested(dtype: pl.DataType) -> bool:
    """Whether the text formats write the values as JSON text."""
    return isinstance(dtype, (pl.List, pl.Array, pl.Struct, pl.Map))


def is_text(dtype: pl.DataType) -> bool:
    """Whether the values are texts of the table's own, which may need escapes."""
    return isinstance(dtype, _TEXTS)


def is_bare_in_json(dtype: pl.DataType, *, as_string: bool) -> bool:
    """Whether the values stand in JSON without quotes."""
    return is_nested(dtype) or (not as_string and (dtype.is_numeric() or isinstance(dtype, pl.Boolean)))


def column_text(values: pl.Series, *, as_string: bool) -> pl.Series:
    """A column as the text that CSV and XML hold, unescaped (String, null for null)."""
    dtype = values.dtype
    if is_nested(dtype):
        return evaluated(values, lambda value: json_text(value, dtype, as_string=as_string))
    return evaluated(values, lambda value: scalar_text(value, dtype))


def column_json(values: pl.Series, *, as_string: bool) -> pl.Series:
    """A column as JSON values, those that stand in quotes without them (String, null for null)."""
    if is_text(values.dtype):
        return JSON.column(values.alias(_NAME).cast(pl.String))
    if values.dtype.is_float() and not as_string:
        return evaluated(values, _json_float)
    return column_text(values, as_string=as_string)


def evaluated(values: pl.Series, expression: Callable[[pl.Expr], pl.Expr]) -> pl.Series:
    """An expression over a column, under a name that Polars can't take for a pattern as it does `*` and `^a$`."""
    return values.alias(_NAME).to_frame().select(expression(pl.col(_NAME)).alias(_NAME)).to_series()


def scalar_text(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """A scalar as plain text."""
    match dtype:
        case pl.Binary():
            return value.bin.encode("base64")
        case pl.Date():
            return in_calendar(value, dtype).dt.strftime("%Y-%m-%d")
        case pl.Time():
            return value.dt.strftime("%H:%M:%S%.f")
        case pl.Datetime():
            pattern = "%Y-%m-%dT%H:%M:%S%.f" + ("Z" if dtype.time_zone else "")
            instant = in_calendar(value, dtype)
            return (instant.dt.convert_time_zone("UTC") if dtype.time_zone else instant).dt.strftime(pattern)
        case pl.Duration():
            return value.dt.to_string("iso")
        case pl.Float16() | pl.Float32() | pl.Float64():
            infinity = pl.when(value > 0).then(pl.lit("Infinity")).otherwise(pl.lit("-Infinity"))
            return pl.when(value.is_infinite()).then(infinity).otherwise(value.cast(pl.String))
        case _:
            return value.cast(pl.String)


def in_calendar(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """The days and instants of the years 1 to 9999; Polars panics where it has to spell, or give Python, others."""
    match dtype:
        case pl.Date():
            day_ticks = 1
        case pl.Datetime():
            day_ticks = _DAY_SECONDS * _TICKS[dtype.time_unit]
        case _:
            return value
    ticks = value.to_physical()
    return pl.when(ticks.is_between(_FIRST_DAY * day_ticks, (_LAST_DAY + 1) * day_ticks - 1)).then(value)


def json_text(value: pl.Expr, dtype: pl.DataType, *, as_string: bool) -> pl.Expr:
    """A value as JSON; nulls within it are `null`, and floats that aren't finite. `as_string` quotes all scalars."""
    if _is_as_polars_writes_it(dtype, as_string=as_string):
        return pl.when(value.is_not_null()).then(_encoded(value))
    match dtype:
        case pl.List():
            items = value.list.eval(_member(Part("", pl.element(), instance(dtype.inner)), as_string=as_string))
            return pl.concat_str(pl.lit("["), items.list.join(","), pl.lit("]"))
        case pl.Array():
            return json_text(value.arr.to_list(), pl.List(dtype.inner), as_string=as_string)
        case pl.Map():
            entries = value.map.entries().list.eval(_entry(pl.element(), dtype, as_string=as_string))
            return pl.concat_str(pl.lit("{"), entries.list.join(","), pl.lit("}"))
        case pl.Struct():
            return pl.when(value.is_not_null()).then(_object(value, dtype, as_string=as_string))
        case _ if is_bare_in_json(dtype, as_string=as_string):
            return value.cast(pl.String)
        case _:
            return pl.concat_str(pl.lit('"'), scalar_text(value, dtype), pl.lit('"'))


def _is_as_polars_writes_it(dtype: pl.DataType, *, as_string: bool) -> bool:
    match dtype:
        case pl.List() | pl.Array():
            return _is_as_polars_writes_it(instance(dtype.inner), as_string=as_string)
        case pl.Map():
            is_text_key = is_text(instance(dtype.key))
            return is_text_key and _is_as_polars_writes_it(instance(dtype.value), as_string=as_string)
        case pl.Struct():
            return all(_is_as_polars_writes_it(instance(field.dtype), as_string=as_string) for field in dtype.fields)
        case pl.Boolean():
            return not as_string
        case _ if dtype.is_integer() or dtype.is_float():
            return not as_string
        case _:
            return is_text(dtype) or isinstance(dtype, pl.Null)


def _encoded(value: pl.Expr) -> pl.Expr:
    """As Polars writes it; it encodes structs alone."""
    return pl.struct(value.alias("")).struct.json_encode().str.strip_prefix('{"":').str.strip_suffix("}")


def _member(part: Part, *, as_string: bool) -> pl.Expr:
    return json_text(part.value, part.dtype, as_string=as_string).fill_null(_NULL)


def _object(value: pl.Expr, dtype: pl.Struct, *, as_string: bool) -> pl.Expr:
    pieces: list[pl.Expr] = []
    for part in struct_parts(value, dtype):
        lead = "," if pieces else "{"
        pieces += [pl.lit(f'{lead}"{JSON.text(part.name)}":'), _member(part, as_string=as_string)]
    return pl.concat_str(*pieces, pl.lit("}"))


def _entry(entry: pl.Expr, dtype: pl.Map, *, as_string: bool) -> pl.Expr:
    """`"key":value`; a key is a string in JSON, whatever it is."""
    key, value = entry_parts(entry, dtype)
    text = json_text(key.value, key.dtype, as_string=as_string)
    is_string = not is_bare_in_json(key.dtype, as_string=as_string)
    quoted = text if is_string else _encoded(text)
    return pl.concat_str(quoted.fill_null(pl.lit('"null"')), pl.lit(":"), _member(value, as_string=as_string))


def _json_float(value: pl.Expr) -> pl.Expr:
    text = pl.when(value.is_finite()).then(value.cast(pl.String)).otherwise(_NULL)
    return pl.when(value.is_not_null()).then(text)
