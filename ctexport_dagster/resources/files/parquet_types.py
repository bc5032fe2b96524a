"""Parquet files as rows of a table: every type as Polars has it, its text known to be UTF-8.

Arrow doesn't look whether a file's text is UTF-8, and Polars relies on it; and Polars panics at decimals of more than
38 digits. So types that Polars lacks are cast first, in Arrow, and rows with broken text are refused.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa

from ctexport_dagster.core.quarantine import QUARANTINE_SCHEMA, Reason
from ctexport_dagster.core.source import RawBatch
from ctexport_dagster.resources.files.parquet import as_frame, parquet_tables

_MOST_DIGITS = 38


def typed_parquet_batches(path: Path, origin: str) -> Iterator[RawBatch]:
    """The file's rows in order; one empty batch with its columns if it has none.

    Raises:
        SourceUnreadable: no Parquet file, a broken one, or one that names a column twice.
    """
    start = 0
    for table in parquet_tables(path, _known_to_polars):
        broken = [start + place for place in _with_broken_text(table, 0)]
        yield _batch(table, broken, start, origin)
        start += table.num_rows


def _batch(table: pa.Table, broken: list[int], start: int, origin: str) -> RawBatch:
    numbers = pl.int_range(start, start + table.num_rows, dtype=pl.UInt64, eager=True)
    if not broken:
        return RawBatch(as_frame(table), origin=origin, numbers=numbers)
    kept = ~numbers.is_in(broken)
    whole = table.filter(pa.array(kept.to_list()))
    refused = [
        (None, Reason.INVALID_TEXT.value, None, None, _row_text(table.slice(number - start, 1)), f"{origin}:{number}")
        for number in broken
    ]
    unreadable = pl.DataFrame(refused, schema=QUARANTINE_SCHEMA, orient="row")
    return RawBatch(as_frame(whole), unreadable, origin, numbers.filter(kept))


def _with_broken_text(table: pa.Table, start: int) -> list[int]:
    """The numbers of the rows with text that isn't UTF-8, found by halving."""
    try:
        table.validate(full=True)
    except pa.ArrowInvalid:
        if table.num_rows == 1:
            return [start]
        half = table.num_rows // 2
        return [
            *_with_broken_text(_part(table, 0, half), start),
            *_with_broken_text(_part(table, half, table.num_rows), start + half),
        ]
    return []


def _part(table: pa.Table, start: int, end: int) -> pa.Table:
    """A copy: of a slice, Arrow looks at what lies outside as well, where it is nested."""
    return table.take(pa.array(range(start, end), pa.int64()))


def _row_text(row: pa.Table) -> str:
    schema = pa.schema([field.with_type(_readable(field.type)) for field in row.schema])
    return json.dumps(row.cast(schema).to_pylist()[0], ensure_ascii=False, default=_shown)


def _shown(value: object) -> str:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)


def _known_to_polars(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.BaseExtensionType):
        return _known_to_polars(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return _known_to_polars(kind.value_type)
    if pa.types.is_decimal(kind):
        return _decimal(kind)
    if pa.types.is_date64(kind):
        return pa.date32()
    if pa.types.is_timestamp(kind) and kind.tz and kind.tz[0] in "+-":
        return pa.timestamp(kind.unit, "UTC")
    return _with_children(kind, _known_to_polars)


def _decimal(kind: pa.DataType) -> pa.DataType:
    """Decimals that Polars can't hold are their digits as text."""
    digits = max(kind.precision, kind.scale, kind.precision - kind.scale)
    return pa.decimal128(digits, max(kind.scale, 0)) if digits <= _MOST_DIGITS else pa.string()


def _readable(kind: pa.DataType) -> pa.DataType:
    """The type with text as bytes, which may be broken."""
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.large_binary()
    return _with_children(kind, _readable)


def _with_children(kind: pa.DataType, retyped: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(retyped(field.type)) for field in kind.fields])
    if pa.types.is_map(kind):
        return pa.map_(retyped(kind.key_type), retyped(kind.item_type))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(retyped(kind.value_type), kind.list_size)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.large_list(retyped(kind.value_type))
    return kind
