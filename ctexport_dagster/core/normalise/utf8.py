"""Bytes that are to be text: decoded wherever they stand in a column, the rows that aren't UTF-8 found."""

import polars as pl
from polars.datatypes import DataTypeClass

_BROKEN = object()


def as_utf8(raw: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The column with String wherever its dtype says Binary, and the rows (Boolean) that aren't UTF-8: null in it."""
    nobody = pl.Series([False] * len(raw), dtype=pl.Boolean)
    target = _textual(raw.dtype)
    if target == raw.dtype:
        return raw, nobody
    try:
        # A map's keys can't be cast, the entries beneath them can.
        entries = raw.to_physical().cast(_textual(raw.to_physical().dtype)) if isinstance(raw.dtype, pl.Map) else raw
        return entries.cast(target), nobody
    except (pl.exceptions.ComputeError, pl.exceptions.InvalidOperationError):
        decoded = [_decoded(value) for value in raw.to_list()]
    broken = pl.Series([value is _BROKEN for value in decoded], dtype=pl.Boolean)
    whole = [None if value is _BROKEN else value for value in decoded]
    return pl.Series(raw.name, whole, dtype=target), broken


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


def _decoded(value: object) -> object:
    try:
        return _text(value)
    except UnicodeDecodeError:
        return _BROKEN


def _text(value: object) -> object:
    match value:
        case bytes():
            return value.decode()
        case list():
            return [_text(item) for item in value]
        case dict():
            return {_text(key): _text(item) for key, item in value.items()}
        case _:
            return value
