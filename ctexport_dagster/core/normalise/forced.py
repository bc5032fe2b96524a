"""Declared types: what a source's `types:` make of a column's values, mostly text such as CSV's."""

from typing import assert_never
from zoneinfo import ZoneInfo

import polars as pl

from ctexport_dagster.core.normalise.json_text import canonical_json
from ctexport_dagster.core.normalise.lists import lists_in_text
from ctexport_dagster.core.normalise.times import from_epoch, from_text
from ctexport_dagster.core.normalise.values import Reading, beyond_exact, refused
from ctexport_dagster.core.quarantine import Reason
from ctexport_dagster.core.schema import ValueType

_NO_TEXT = pl.Series([None], dtype=pl.String)
_FLAGS = {"true": True, "false": False, "1": True, "0": False}


def as_declared(reading: Reading, target: ValueType, zone: ZoneInfo) -> Reading:
    """The values as the declared type; those that it can't hold are refused, blank text is null unless text is wanted.

    boolean: true, false, 1, 0 in any case · integer: digits, whole floats · float: any finite number · date:
    2026-11-18, or an instant that is midnight in `zone` · timestamp: what `times.from_text` reads, or epoch
    seconds · strings: a JSON array, `[a,b]`, or one text · string: numbers, flags, times and lists spelt out.
    """
    if reading.type in (target, ValueType.UNKNOWN):
        return reading
    given = reading.values
    if given.dtype == pl.String:
        clean = given.str.strip_chars()
        given = (given if target == ValueType.STRINGS else clean).zip_with(clean != "", _NO_TEXT)
    values = _converted(given, reading.type, target, zone)
    refusals = refused(Reason.CONTRADICTS_TYPE, given.is_not_null() & values.is_null())
    return _finite(Reading(target, values, (*reading.refusals, *refusals)))


def _converted(given: pl.Series, seen: ValueType, target: ValueType, zone: ZoneInfo) -> pl.Series:
    nothing = pl.Series([None] * len(given), dtype=target.dtype)
    is_text = seen == ValueType.STRING
    match target:
        case ValueType.BOOLEAN:
            spelt = given.str.to_lowercase() if is_text else given.cast(pl.String) if given.dtype.is_integer() else None
            return nothing if spelt is None else spelt.replace_strict(_FLAGS, default=None, return_dtype=pl.Boolean)
        case ValueType.INTEGER:
            return given.cast(pl.Int64, strict=False) if is_text else _whole(given, nothing)
        case ValueType.FLOAT32 | ValueType.FLOAT64:
            return _as_floats(given, nothing)
        case ValueType.DATE:
            return given.str.to_date("%Y-%m-%d", strict=False) if is_text else _midnights(given, nothing, zone)
        case ValueType.TIMESTAMP:
            return _instants(given, nothing, zone)
        case ValueType.STRINGS:
            return lists_in_text(given) if is_text else nothing
        case ValueType.STRING:
            return _spelt(given)
        case ValueType.UNKNOWN:
            return nothing
        case _:
            assert_never(target)


def _whole(given: pl.Series, nothing: pl.Series) -> pl.Series:
    if not given.dtype.is_float():
        return nothing
    whole = (given == given.floor()) & (given.abs() < 2.0**63)
    return given.zip_with(whole.fill_null(value=False), pl.Series([None], dtype=given.dtype)).cast(pl.Int64)


def _as_floats(given: pl.Series, nothing: pl.Series) -> pl.Series:
    if given.dtype.is_integer():
        given = given.zip_with(~beyond_exact(given), pl.Series([None], dtype=given.dtype))
    elif not (given.dtype.is_float() or given.dtype == pl.String):
        return nothing
    return given.cast(nothing.dtype, strict=False)


def _midnights(given: pl.Series, nothing: pl.Series, zone: ZoneInfo) -> pl.Series:
    if not isinstance(given.dtype, pl.Datetime):
        return nothing
    local = given.dt.convert_time_zone(zone.key)
    is_midnight = (local.dt.truncate("1d") == local).fill_null(value=False)
    return local.dt.date().zip_with(is_midnight, nothing)


def _instants(given: pl.Series, nothing: pl.Series, zone: ZoneInfo) -> pl.Series:
    if given.dtype == pl.String:
        return from_text(given, zone)
    if given.dtype == pl.Date:
        return from_text(given.cast(pl.String), zone)
    return from_epoch(given) if given.dtype.is_numeric() else nothing


def _spelt(given: pl.Series) -> pl.Series:
    if isinstance(given.dtype, pl.List):
        return pl.Series([None if row is None else canonical_json(row.to_list()) for row in given], dtype=pl.String)
    if isinstance(given.dtype, pl.Datetime):
        return given.dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ")
    return given.cast(pl.String)


def _finite(reading: Reading) -> Reading:
    if not reading.values.dtype.is_float():
        return reading
    odd = ~reading.values.is_finite().fill_null(value=True)
    if not odd.any():
        return reading
    values = reading.values.zip_with(~odd, pl.Series([None], dtype=reading.values.dtype))
    return Reading(reading.type, values, (*reading.refusals, *refused(Reason.NOT_FINITE, odd)))
