"""Bytes that are to be text: decoded wherever they stand in a column, the rows that aren't UTF-8 found."""

import polars as pl
from polars.datatypes import DataTypeClass

from ctexport_dagster.core.normalise_json import canonical_json


def as_utf8(raw: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The column with String wherever its dtype says Binary, and the rows (Boolean) that aren't UTF-8: null in it."""
    nobody = pl.Series([False] * len(raw), dtype=pl.Boolean)
    target = _textual(raw.dtype)
    if target == raw.dtype:
        return raw, nobody
    try:
        return raw.cast(target), nobody
    except pl.exceptions.ComputeError:
        broken = pl.Series([not _is_utf8(value) for value in raw.to_list()], dtype=pl.Boolean)
        whole = [None if bad else value for value, bad in zip(raw.to_list(), broken, strict=True)]
        return pl.Series(raw.name, whole, dtype=raw.dtype).cast(target), broken


def _textual(dtype: pl.DataType | DataTypeClass) -> pl.DataType:
    match dtype:
        case pl.Binary():
            return pl.String()
        case pl.List():
            return pl.List(_textual(dtype.inner))
        case pl.Array():
            return pl.List(_textual(dtype.inner))
        case pl.Map():
            return pl.Map(_textual(dtype.key), _textual(dtype.value))
        case pl.Struct():
            return pl.Struct({entry.name: _textual(entry.dtype) for entry in dtype.fields})
        case DataTypeClass():
            return dtype()
        case _:
            return dtype


def _is_utf8(value: object) -> bool:
    try:
        canonical_json(value)
    except UnicodeDecodeError:
        return False
    except ValueError:
        return True
    return True
