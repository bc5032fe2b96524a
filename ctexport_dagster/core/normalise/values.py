"""What a raw column's values are by themselves: one of the model's types, and the rows whose values can't be."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import cast
from zoneinfo import ZoneInfo

import polars as pl

from ctexport_dagster.core.normalise.json_text import canonical_json, item_text
from ctexport_dagster.core.normalise.times import in_utc
from ctexport_dagster.core.normalise.utf8 import as_utf8
from ctexport_dagster.core.quarantine import Reason
from ctexport_dagster.core.schema import STRINGS, ValueType

EXACT_INTEGERS = 2**53
"""Up to here every integer is a float64 of its own."""
_EXACT_DIGITS = 15
"""A decimal of so many digits survives float64 and back (DBL_DIG)."""
_INTEGER_DIGITS = 18


@dataclass(frozen=True)
class Refusal:
    """Rows (Boolean, true = refused) whose value in a column can't be used."""

    reason: Reason
    rows: pl.Series


@dataclass(frozen=True)
class Reading:
    """A raw column's values in `type.dtype`, null where refused; `UNKNOWN` and all null where it holds none."""

    type: ValueType
    values: pl.Series
    refusals: tuple[Refusal, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the column holds nothing but nulls (a refused value is something)."""
        return self.values.null_count() == len(self.values) and not self.refusals


def read_values(raw: pl.Series, zone: ZoneInfo) -> Reading:
    """A raw column of any polars type in the model's types.

    Integers of any width → integer (beyond 64 bits refused); decimals without a scale and up to 18 digits → integer,
    up to 15 digits → float64, longer ones → their exact text; categories and enums → text; binary → UTF-8 text;
    naive timestamps are wall clocks of `zone`, all are cut to microseconds; times of day and durations → ISO text;
    lists and arrays → list of strings, other items as their JSON text; structs and maps → canonical JSON text.
    The type never depends on the values, else batches of one column would contradict each other.
    """
    if raw.null_count() == len(raw):
        return Reading(ValueType.UNKNOWN, pl.Series(raw.name, [None] * len(raw), dtype=pl.Null))
    text, broken = as_utf8(raw.alias("value"))  # Polars takes a name like ^a$ for a pattern
    reading = _read(text, zone)
    return Reading(reading.type, reading.values, (*refused(Reason.INVALID_TEXT, broken), *reading.refusals))


def _read(raw: pl.Series, zone: ZoneInfo) -> Reading:
    dtype = raw.dtype
    if dtype == pl.Boolean:
        return Reading(ValueType.BOOLEAN, raw)
    if dtype.is_integer():
        return _integers(raw)
    if dtype.is_float():
        return _floats(raw)
    if isinstance(dtype, pl.Decimal):
        return _decimals(raw, dtype)
    if dtype == pl.Date:
        return Reading(ValueType.DATE, raw)
    if isinstance(dtype, pl.Datetime):
        return Reading(ValueType.TIMESTAMP, in_utc(raw, zone))
    if isinstance(dtype, pl.List):
        return _lists(raw, dtype)
    if isinstance(dtype, (pl.Struct, pl.Map)):
        return _row_by_row(raw, ValueType.STRING, canonical_json)
    if dtype == pl.Duration:
        return Reading(ValueType.STRING, raw.dt.to_string("iso"))
    return Reading(ValueType.STRING, raw.cast(pl.String))


def cast_exactly(reading: Reading, target: ValueType) -> Reading:
    """The reading in a wider type that `schema.widened` allows; integers that a float64 can't hold are refused."""
    if reading.type == target:
        return reading
    values = reading.values
    if reading.type == ValueType.INTEGER:
        too_wide = beyond_exact(values)
        wide = values.zip_with(~too_wide, pl.Series([None], dtype=pl.Int64)).cast(target.dtype)
        return Reading(target, wide, (*reading.refusals, *refused(Reason.CONTRADICTS_TYPE, too_wide)))
    return Reading(target, values.cast(target.dtype), reading.refusals)


def beyond_exact(integers: pl.Series) -> pl.Series:
    """Which integers have no float64 of their own."""
    return ~integers.is_between(-EXACT_INTEGERS, EXACT_INTEGERS).fill_null(value=True)


def refused(reason: Reason, rows: pl.Series) -> tuple[Refusal, ...]:
    """The refusal of these rows; none where there are none."""
    return (Refusal(reason, rows),) if rows.any() else ()


def _integers(raw: pl.Series) -> Reading:
    values = raw.cast(pl.Int64, strict=False)
    return Reading(ValueType.INTEGER, values, refused(Reason.CONTRADICTS_TYPE, raw.is_not_null() & values.is_null()))


def _floats(raw: pl.Series) -> Reading:
    kind = ValueType.FLOAT64 if raw.dtype == pl.Float64 else ValueType.FLOAT32
    values = raw.cast(kind.dtype)
    odd = ~values.is_finite().fill_null(value=True)
    if odd.any():
        values = values.zip_with(~odd, pl.Series([None], dtype=kind.dtype))
    return Reading(kind, values, refused(Reason.NOT_FINITE, odd))


def _decimals(raw: pl.Series, dtype: pl.Decimal) -> Reading:
    digits = dtype.precision or 38
    if dtype.scale == 0 and digits <= _INTEGER_DIGITS:
        return Reading(ValueType.INTEGER, raw.cast(pl.Int64))
    if digits <= _EXACT_DIGITS:
        values = [None if value is None else float(cast("Decimal", value)) for value in raw]
        return Reading(ValueType.FLOAT64, pl.Series(raw.name, values, dtype=pl.Float64))
    return Reading(ValueType.STRING, raw.cast(pl.String))


def _lists(raw: pl.Series, dtype: pl.List) -> Reading:
    if dtype.inner in (pl.String, pl.Null, pl.Boolean, pl.Categorical) or dtype.inner.is_integer():
        return Reading(ValueType.STRINGS, raw.cast(STRINGS))
    return _row_by_row(raw, ValueType.STRINGS, lambda row: [item_text(item) for item in cast("list[object]", row)])


def _row_by_row(raw: pl.Series, kind: ValueType, read: Callable[[object], object]) -> Reading:
    """For nested values, which nothing vectorised can read; a number within that isn't finite refuses the row."""
    values: list[object] = []
    odd: list[bool] = []
    for value in raw.to_list():
        try:
            values.append(None if value is None else read(value))
            odd.append(False)
        except ValueError:
            values.append(None)
            odd.append(True)
    return Reading(
        kind,
        pl.Series(raw.name, values, dtype=kind.dtype),
        refused(Reason.NOT_FINITE, pl.Series(odd, dtype=pl.Boolean)),
    )
