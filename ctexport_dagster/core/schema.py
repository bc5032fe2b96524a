"""The property registry: which typed fields a source has, in which order, as of a partition.

A *field* is a user property or a communication preference. Each lake column is named by role, type and name, so
that one property may change its type (losslessly) without ever rewriting a file: `pi_age` holds its integers,
`pf_age` its later floats. Source: REQUIREMENTS P22, P23; LAKE on columns.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Literal, assert_never

import polars as pl

from ctexport_dagster.core.lake_columns import escape_column

Role = Literal["property", "preference"]
FieldKey = tuple[Role, str]
"""Which field: its role and name, whatever its type."""

TIMESTAMP = pl.Datetime("us", "UTC")
STRINGS = pl.List(pl.String)


class ValueType(StrEnum):
    """The types that a field's values may have. `UNKNOWN`: a column that has held nothing but nulls so far."""

    UNKNOWN = "unknown"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    STRING = "string"
    DATE = "date"
    TIMESTAMP = "timestamp"
    STRINGS = "strings"

    @property
    def dtype(self) -> pl.DataType:
        """The polars type that holds the values."""
        return _DTYPES[self]

    @property
    def letter(self) -> str:
        """The letter that stands for the type in a lake column's name."""
        return _LETTERS[self]


_DTYPES: dict[ValueType, pl.DataType] = {
    ValueType.UNKNOWN: pl.Null(),
    ValueType.BOOLEAN: pl.Boolean(),
    ValueType.INTEGER: pl.Int64(),
    ValueType.FLOAT32: pl.Float32(),
    ValueType.FLOAT64: pl.Float64(),
    ValueType.STRING: pl.String(),
    ValueType.DATE: pl.Date(),
    ValueType.TIMESTAMP: TIMESTAMP,
    ValueType.STRINGS: STRINGS,
}
_LETTERS: dict[ValueType, str] = {
    ValueType.UNKNOWN: "n",
    ValueType.BOOLEAN: "b",
    ValueType.INTEGER: "i",
    ValueType.FLOAT32: "e",
    ValueType.FLOAT64: "f",
    ValueType.STRING: "s",
    ValueType.DATE: "d",
    ValueType.TIMESTAMP: "t",
    ValueType.STRINGS: "l",
}


def widened(known: ValueType, seen: ValueType) -> ValueType | None:
    """The narrowest type that holds both losslessly; None where they contradict each other.

    An unknown type gives way to any; integers and 32-bit floats together need 64-bit floats.
    """
    if known == seen or seen == ValueType.UNKNOWN:
        return known
    if known == ValueType.UNKNOWN:
        return seen
    numbers = {ValueType.INTEGER, ValueType.FLOAT32, ValueType.FLOAT64}
    return ValueType.FLOAT64 if {known, seen} <= numbers else None


@dataclass(frozen=True)
class Field:
    """One typed field of a source: a user property or a communication preference."""

    role: Role
    name: str
    type: ValueType

    @cached_property
    def column(self) -> str:
        """The lake column that holds its values of this type, e.g. `ps_%20^plan`; unique per (role, type, name)."""
        prefix: str
        match self.role:
            case "property":
                prefix = "p"
            case "preference":
                prefix = "m"
            case _:
                assert_never(self.role)
        return f"{prefix}{self.type.letter}_{escape_column(self.name)}"


@dataclass(frozen=True)
class Drift:
    """A type that widened in a partition, losslessly: reported, never quarantined."""

    role: Role
    name: str
    before: ValueType
    now: ValueType


@dataclass(frozen=True)
class SourceSchema:
    """The fields of a source as of a partition: properties and preferences by first partition, then source order."""

    fields: tuple[Field, ...] = ()

    @cached_property
    def by_name(self) -> dict[tuple[Role, str], Field]:
        return {(field.role, field.name): field for field in self.fields}

    @property
    def properties(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.role == "property")

    @property
    def preferences(self) -> tuple[Field, ...]:
        return tuple(field for field in self.fields if field.role == "preference")

    def evolved(self, present: Sequence[Field]) -> "SourceSchema":
        """The schema after a partition that holds these fields: new ones at the end, known ones widened in place.

        Raises:
            ValueError: a field contradicts its known type (the ingest quarantines such values before).
        """
        types: dict[tuple[Role, str], ValueType] = {(f.role, f.name): f.type for f in self.fields}
        for field in present:
            known = types.get((field.role, field.name), ValueType.UNKNOWN)
            wider = widened(known, field.type)
            if wider is None:
                raise ValueError(f"{field.role} {field.name}: {field.type} contradicts {known}")
            types[field.role, field.name] = wider
        return SourceSchema(tuple(Field(role, name, type_) for (role, name), type_ in types.items()))

    def drifts_to(self, later: "SourceSchema") -> list[Drift]:
        """The known fields whose type is wider in `later`."""
        return [
            Drift(old.role, old.name, old.type, new.type)
            for old in self.fields
            if (new := later.by_name.get((old.role, old.name)))
            and new.type != old.type
            and old.type != ValueType.UNKNOWN
        ]


def schema_as_of(partitions: Iterable[Sequence[Field]]) -> SourceSchema:
    """The schema after these partitions' fields, oldest first: a pure fold, so any order of re-runs gives the same."""
    schema = SourceSchema()
    for present in partitions:
        schema = schema.evolved(present)
    return schema
