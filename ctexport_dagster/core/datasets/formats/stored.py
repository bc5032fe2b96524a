"""Values as Parquet can hold them: nearly all as they are.

    duration, 128-bit integer      text, as in the other formats: Parquet has no such type
    struct without fields          JSON text, `{}`: Parquet has no empty group
    float of 16 bits               float of 32: few readers know Parquet's own
    array of fixed length          list
    enum, categorical              text
    null (a column of nothing else) text

The same holds within lists, structs and maps.
"""

import polars as pl

from ctexport_dagster.core.datasets.formats.texts import json_text, scalar_text
from ctexport_dagster.core.nested_values import entry_parts, instance, struct_parts

_AS_TEXT = (pl.Duration, pl.Int128, pl.UInt128, pl.Enum, pl.Categorical, pl.Null)


def stored_type(dtype: pl.DataType) -> pl.DataType:
    """The type as which values of a type are stored."""
    match dtype:
        case pl.List() | pl.Array():
            return pl.List(stored_type(instance(dtype.inner)))
        case pl.Struct() if dtype.fields:
            return pl.Struct([pl.Field(field.name, stored_type(instance(field.dtype))) for field in dtype.fields])
        case pl.Struct():
            return pl.String()
        case pl.Map():
            return pl.Map(stored_type(instance(dtype.key)), stored_type(instance(dtype.value)))
        case pl.Float16():
            return pl.Float32()
        case _:
            return pl.String() if isinstance(dtype, _AS_TEXT) else dtype


def stored(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """A value in its `stored_type`."""
    if stored_type(dtype) == dtype:
        return value
    match dtype:
        case pl.List():
            return value.list.eval(stored(pl.element(), instance(dtype.inner)))
        case pl.Array():
            return stored(value.arr.to_list(), pl.List(dtype.inner))
        case pl.Struct() if dtype.fields:
            fields = [stored(part.value, part.dtype).alias(part.name) for part in struct_parts(value, dtype)]
            return pl.when(value.is_not_null()).then(pl.struct(fields))
        case pl.Struct():
            return json_text(value, dtype, as_string=False)
        case pl.Map():
            parts = entry_parts(pl.element(), dtype)
            entry = pl.struct(stored(part.value, part.dtype).alias(part.name) for part in parts)
            return value.map.entries().list.eval(entry).cast(stored_type(dtype))
        case pl.Float16():
            return value.cast(pl.Float32)
        case _:
            return scalar_text(value, dtype)
