"""Identity resolution: from a profile frame to the resolved frame that every format reads.

An identifier's value counts as missing when it is null or nothing but white space; every other value goes out as it
is. Values that aren't text become it: integers and whole floats as digits, other floats as their shortest text,
booleans as `true` and `false`, dates as ISO, timestamps as RFC 3339 in UTC. Whole floats have no `.0`, so that a
property that widens from integer to float changes nobody's identity.

Source: REQUIREMENTS P12 to P15.
"""

from typing import assert_never

import polars as pl

from ctexport_dagster.core.columns import ColumnPlan, OutputColumn
from ctexport_dagster.core.export import PersonExport
from ctexport_dagster.core.formats.values import TIMESTAMP_PATTERN
from ctexport_dagster.core.identifiers import ACCOUNT_DEFINED, IDENTITY, meant_identifier
from ctexport_dagster.core.ordered_values import distinct_values, first_value
from ctexport_dagster.core.schema import Role, SourceSchema, ValueType

_INTEGERS_END = 2.0**63
"""Below it every whole float is a 64-bit integer to the digit."""


def resolve(frame: pl.DataFrame, export: PersonExport, plan: ColumnPlan, schema: SourceSchema) -> pl.DataFrame:
    """The resolved frame of these profiles: the columns that core/columns.py describes, the rows in the same order.

    `frame` is a profile frame (core/profile.py) of living profiles with the value columns of every field of `schema`
    that has held a value so far.
    """
    columns: list[pl.Expr | pl.Series] = []
    for column in plan.columns:
        match column.role:
            case "identity":
                values = identifier_values(frame, export.identity.order, schema)
                pick = first_value if column.type == ValueType.STRING else distinct_values
                columns.append(pick(values, frame.height).alias(column.key))
            case "all_identities":
                values = identifier_values(frame, ACCOUNT_DEFINED, schema)
                columns.append(distinct_values(values, frame.height).alias(column.key))
            case _:
                columns.append(_carried(column, schema).alias(column.key))
    return frame.with_columns(columns).select(plan.frame_schema.keys())


def identifier_values(frame: pl.DataFrame, order: tuple[str, ...], schema: SourceSchema) -> list[pl.Series]:
    """One Series of String or List(String) for each identifier that the source knows, in order of priority."""
    texts: list[pl.Expr] = []
    for name in dict.fromkeys(meant_identifier(name, schema) for name in order):
        field = schema.by_name.get(("property", name))
        if name == IDENTITY:
            texts.append(pl.col("identity").alias(name))
        elif field is not None and field.type != ValueType.UNKNOWN:
            texts.append(_text(pl.col(field.column), field.type).alias(name))
    return frame.select(texts).get_columns()


def _carried(column: OutputColumn, schema: SourceSchema) -> pl.Expr:
    """A column that goes out as the profile frame holds it."""
    match column.role:
        case "device":
            return pl.when(pl.col("deviceToken") != "").then("deviceToken")
        case "preference" | "property":
            return _field_values(column.role, column, schema)
        case _:
            return pl.col(column.name)


def _field_values(role: Role, column: OutputColumn, schema: SourceSchema) -> pl.Expr:
    field = schema.by_name.get((role, column.name))
    if field is None or field.type == ValueType.UNKNOWN:
        return pl.lit(None, dtype=column.type.dtype)
    return pl.col(field.column)


def _text(values: pl.Expr, type_: ValueType) -> pl.Expr:
    match type_:
        case ValueType.STRING | ValueType.STRINGS:
            return values
        case ValueType.BOOLEAN | ValueType.INTEGER | ValueType.DATE | ValueType.UNKNOWN:
            return values.cast(pl.String())
        case ValueType.FLOAT32 | ValueType.FLOAT64:
            is_whole = (values == values.round(0)) & (values.abs() < _INTEGERS_END)
            digits = values.cast(pl.Int64(), strict=False).cast(pl.String())
            return pl.when(is_whole).then(digits).otherwise(values.cast(pl.String()))
        case ValueType.TIMESTAMP:
            return values.dt.to_string(TIMESTAMP_PATTERN)
        case _:
            assert_never(type_)
