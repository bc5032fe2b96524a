"""The parts of nested values as Polars expressions, whatever their fields are called."""

from dataclasses import dataclass

import polars as pl
from polars.datatypes import DataTypeClass


@dataclass(frozen=True)
class Part:
    """A field of a struct, or the key or value of a map's entry."""

    name: str
    value: pl.Expr
    dtype: pl.DataType


def struct_parts(value: pl.Expr, dtype: pl.Struct) -> list[Part]:
    """The fields of a struct; null where the struct is null.

    They are called by numbers on the way: Polars takes a field named `*` or `^a$` for a pattern.
    """
    numbered = value.struct.rename_fields([str(place) for place in range(len(dtype.fields))])
    return [
        Part(field.name, numbered.struct.field(str(place)), instance(field.dtype))
        for place, field in enumerate(dtype.fields)
    ]


def entry_parts(entry: pl.Expr, dtype: pl.Map) -> tuple[Part, Part]:
    """Key and value of an element of `value.map.entries()`."""
    fields = (("key", dtype.key), ("value", dtype.value))
    key, value = (Part(name, entry.struct.field(name), instance(inner)) for name, inner in fields)
    return key, value


def instance(dtype: pl.DataType | DataTypeClass) -> pl.DataType:
    """A nested type's inner type, which Polars may hold as a class or as an instance of it."""
    return dtype if isinstance(dtype, pl.DataType) else dtype()  # pyright: ignore[reportReturnType]
