"""The types of fields over one partition: settled batch by batch against what is known."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

import polars as pl

from ctexport_dagster.core.normalise.forced import as_declared
from ctexport_dagster.core.normalise.refusals import Refusals
from ctexport_dagster.core.normalise.values import Reading, beyond_exact, cast_exactly, read_values
from ctexport_dagster.core.quarantine import Reason
from ctexport_dagster.core.schema import Field, FieldKey, Role, SourceSchema, ValueType, widened

_NUMBERS = {ValueType.INTEGER, ValueType.FLOAT32, ValueType.FLOAT64}


def read_field(raw: pl.Series, declared: ValueType | None, zone: ZoneInfo) -> Reading:
    """A raw column's values, in the declared type if there is one."""
    reading = read_values(raw, zone)
    if declared is None or declared == ValueType.UNKNOWN:
        return reading
    return as_declared(reading, declared, zone)


class FieldTypes:
    """What each field's values are, from the schema before the partition and the partition's own rows so far."""

    def __init__(self, known: SourceSchema, wide: frozenset[FieldKey]) -> None:
        self._types: dict[FieldKey, ValueType] = {(field.role, field.name): field.type for field in known.fields}
        self._present: dict[FieldKey, ValueType] = {}
        self._held_wide_integers: set[FieldKey] = set(wide)

    @property
    def wide_integers(self) -> frozenset[FieldKey]:
        """The fields that hold, or held before, integers which no float64 can hold: they stay integers."""
        return frozenset(self._held_wide_integers)

    @property
    def present(self) -> tuple[Field, ...]:
        """The fields seen, in the order of their first column; UNKNOWN where all was null."""
        return tuple(Field(role, name, type_) for (role, name), type_ in self._present.items())

    def settle(
        self, role: Role, name: str, columns: Sequence[str], readings: Sequence[Reading], refusals: Refusals
    ) -> pl.Series | None:
        """One batch's value column of a field, named `Field.column`; None where it holds no value.

        `readings` are those of the raw `columns`; the rows whose values contradict the field's type are refused.
        """
        key: FieldKey = (role, name)
        self._present.setdefault(key, ValueType.UNKNOWN)
        fitting = [
            (column, reading)
            for column, reading in sorted(
                zip(columns, readings, strict=True), key=lambda pair: _rank(pair[1], readings)
            )
            if reading.type != ValueType.UNKNOWN and self._admits(key, name, column, reading, refusals)
        ]
        settled = self._types.get(key, ValueType.UNKNOWN)
        values: pl.Series | None = None
        for column, reading in fitting:
            exact = cast_exactly(reading, settled)
            refusals.take(name, exact.refusals, column)
            values = exact.values if values is None else values.zip_with(values.is_not_null(), exact.values)
        if values is None or values.null_count() == len(values):
            return None
        self._remember(key, settled, values)
        return values.alias(Field(role, name, settled).column)

    def _admits(self, key: FieldKey, name: str, column: str, reading: Reading, refusals: Refusals) -> bool:
        """Whether a reading's type goes with the field's, which it may widen; else its rows are refused."""
        given = reading.values.is_not_null()
        if not (given & ~refusals.rows).any():
            return False
        wider = widened(self._types.get(key, ValueType.UNKNOWN), reading.type)
        if wider is None or (wider != ValueType.INTEGER and key in self._held_wide_integers):
            refusals.add(name, Reason.CONTRADICTS_TYPE, given, column)
            return False
        self._types[key] = wider
        return True

    def _remember(self, key: FieldKey, settled: ValueType, values: pl.Series) -> None:
        self._present[key] = settled
        if settled == ValueType.INTEGER and (beyond_exact(values) & values.is_not_null()).any():
            self._held_wide_integers.add(key)


def _rank(reading: Reading, readings: Sequence[Reading]) -> int:
    """The types that most values have come first, numbers counted together; `sorted` keeps the rest in order."""
    alike = [r for r in readings if r.type == reading.type or {r.type, reading.type} <= _NUMBERS]
    return -sum(len(r.values) - r.values.null_count() for r in alike)
