"""Scalar values as text, the same in every format: ISO dates, RFC 3339 timestamps in UTC, shortest round-trip numbers.

Source: REQUIREMENTS P29, P30.
"""

import polars as pl

from ctexport_dagster.core.schema import ValueType

TIMESTAMP_PATTERN = "%Y-%m-%dT%H:%M:%S%.fZ"
"""`2026-11-18T10:00:00Z`; a fraction only where there is one."""


def scalar_texts(values: pl.Series, type_: ValueType) -> pl.Series:
    """Scalar values as plain, unescaped text (String, null for null)."""
    return values.dt.strftime(TIMESTAMP_PATTERN) if type_ == ValueType.TIMESTAMP else values.cast(pl.String)


def is_bare_in_json(type_: ValueType) -> bool:
    """Whether a value of this type stands in JSON without quotes."""
    return type_ in (ValueType.BOOLEAN, ValueType.INTEGER, ValueType.FLOAT32, ValueType.FLOAT64)
