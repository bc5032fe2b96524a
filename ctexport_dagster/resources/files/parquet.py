"""Parquet files as raw batches: types as the file has them, text as bytes until it is known to be UTF-8."""

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ctexport_dagster.core.source import RawBatch
from ctexport_dagster.resources.files.bytes import unreadable
from ctexport_dagster.resources.files.parquet_wide import is_wide_and_long, wide_batches

_BATCH_BYTES = 8_000_000
_BATCH_ROWS = 25_000
_MOST_BYTES, _FEW_ROWS = 32_000_000, 1_000
"""A batch of fewer rows than these costs more than its values: so it may be larger, up to a bound."""
_BUFFER_BYTES = 1 << 18


def parquet_batches(path: Path, origin: str) -> Iterator[RawBatch]:
    """The file's rows in order; one empty batch with its columns if it has none.

    Raises:
        SourceUnreadable: no Parquet file, a broken one, or one that names a column twice.
    """
    start = 0
    for table in parquet_tables(path, _as_bytes):
        numbers = pl.int_range(start, start + table.num_rows, dtype=pl.UInt64, eager=True)
        yield RawBatch(as_frame(table), origin=origin, numbers=numbers)
        start += table.num_rows


def parquet_tables(path: Path, retyped: Callable[[pa.DataType], pa.DataType]) -> Iterator[pa.Table]:
    """The file's rows in order, each column cast to another type; one empty table if it has none.

    Raises:
        SourceUnreadable: as `parquet_batches`; or a column can't be cast.
    """
    try:
        # Without a buffer and with pre_buffer, pyarrow holds whole row groups: 1 M rows and more.
        # INT96 as nanoseconds, pyarrow's default, wraps beyond the years 1677 to 2262: 9999-12-31 came out as 1816.
        with pq.ParquetFile(
            path, pre_buffer=False, buffer_size=_BUFFER_BYTES, coerce_int96_timestamp_unit="us"
        ) as file:
            twice = _first_twice(file.schema_arrow.names)
            if twice is not None:
                raise unreadable(path, f"it has two columns {twice!r}")
            schema = pa.schema([field.with_type(retyped(field.type)) for field in file.schema_arrow])
            tables = _tables(file) if file.metadata.num_rows else ()
            for table in tables or (file.schema_arrow.empty_table(),):
                yield table.cast(schema)
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, f"it is no whole Parquet file ({type(error).__name__})") from None


def parquet_row_count(path: Path) -> int:
    """The rows that the footer states; 0 where there is none to read."""
    try:
        return pq.read_metadata(path).num_rows
    except (pa.ArrowException, OSError):
        return 0


def _tables(file: pq.ParquetFile) -> Iterator[pa.Table]:
    for group in range(file.metadata.num_row_groups):
        batch_rows = _rows_per_batch(file.metadata, group)
        if is_wide_and_long(file.metadata, group):
            yield from wide_batches(file, group, batch_rows)
        else:
            for batch in file.iter_batches(batch_size=batch_rows, row_groups=[group]):
                yield pa.Table.from_batches([batch])


def as_frame(table: pa.Table) -> pl.DataFrame:
    """The table with the types that Polars has."""
    # Polars gives a column called "" another name, which a further one may have.
    frame = pl.from_arrow(table.rename_columns([str(place) for place in range(table.num_columns)]))
    assert isinstance(frame, pl.DataFrame)
    frame.columns = table.column_names
    return frame


def _rows_per_batch(metadata: pq.FileMetaData, group: int) -> int:
    """By the rows of this row group alone: among millions of short rows, a group of long ones took 1.9 GB."""
    told = metadata.row_group(group)
    row_bytes = max(1, told.total_byte_size // max(1, told.num_rows), 8 * metadata.num_columns)
    rows = max(_BATCH_BYTES // row_bytes, min(_FEW_ROWS, _MOST_BYTES // row_bytes))
    return max(1, min(_BATCH_ROWS, rows))


def _as_bytes(kind: pa.DataType) -> pa.DataType:
    """The type with all text as bytes: Arrow doesn't look whether a file's text is UTF-8, polars relies on it."""
    if isinstance(kind, pa.BaseExtensionType):
        return _as_bytes(kind.storage_type)
    if pa.types.is_dictionary(kind):
        return _as_bytes(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_string_view(kind):
        return pa.binary()
    if pa.types.is_large_string(kind):
        return pa.large_binary()
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_as_bytes(field.type)) for field in kind.fields])
    if pa.types.is_map(kind):
        return pa.map_(_as_bytes(kind.key_type), _as_bytes(kind.item_type))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return pa.large_list(_as_bytes(kind.value_type))
    return kind


def _first_twice(names: list[str]) -> str | None:
    return next((name for place, name in enumerate(names) if name in names[:place]), None)
