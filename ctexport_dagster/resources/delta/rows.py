"""The rows of a table's files as raw batches: every column of the table in its type, whatever a file was written with.

A file may lack columns that came later (null), have narrower types, or write instants in other units.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import polars as pl
import pyarrow as pa

from ctexport_dagster.core.errors import SourceUnreadable
from ctexport_dagster.core.normalise.refusals import Refusals
from ctexport_dagster.core.normalise.utf8 import as_utf8
from ctexport_dagster.core.quarantine import Reason
from ctexport_dagster.core.source import RawBatch
from ctexport_dagster.resources.delta.table import DataFile, TableVersion
from ctexport_dagster.resources.files.parquet import parquet_batches

CHANGE_TYPE = "_change_type"


def table_rows(table: TableVersion, files: Iterable[DataFile], id_column: str | None = None) -> Iterator[RawBatch]:
    """The rows of some files of a table in order; one empty batch with its columns where there is no file.

    Rows with text that isn't UTF-8 are told as unreadable; by `id_column` whose they are.

    Raises:
        SourceMissing: a file has been vacuumed.
        SourceUnreadable: a file is broken, or has other types than the table.
    """
    is_empty = True
    for file in files:
        is_empty = False
        with table.place.file(file.path) as path:
            for batch in parquet_batches(path, f"{table.place.name}/{file.path}"):
                yield _in_the_table(_kept(batch, file), table, file, id_column)
    if is_empty:
        yield RawBatch(table.schema.to_frame(), origin=table.place.name)


def _kept(batch: RawBatch, file: DataFile) -> RawBatch:
    """The rows that are still there, of a file of changes those that are meant."""
    if file.kept is not None and batch.numbers is not None and batch.frame.height:
        # A vector may end with its last deleted row.
        beyond = batch.numbers >= len(file.kept)
        at = batch.numbers.clip(upper_bound=len(file.kept) - 1) if len(file.kept) else None
        batch = filtered(batch, beyond | file.kept.gather(at) if at is not None else beyond)
    if file.change_types:
        types = as_utf8(batch.frame[CHANGE_TYPE])[0]
        batch = filtered(batch, types.is_in(file.change_types))
    return batch


def filtered(batch: RawBatch, rows: pl.Series) -> RawBatch:
    """Some rows of a batch (Boolean); those that couldn't be read stay told."""
    numbers = None if batch.numbers is None else batch.numbers.filter(rows)
    return replace(batch, frame=batch.frame.filter(rows), numbers=numbers)


def _in_the_table(batch: RawBatch, table: TableVersion, file: DataFile, id_column: str | None) -> RawBatch:
    refusals = Refusals(batch)
    columns: dict[str, pl.Series] = {}
    for field in table.arrow:
        dtype = table.schema[field.name]
        if field.name in file.values:
            column = pl.Series([file.values[field.name]], dtype=dtype).new_from_index(0, batch.frame.height)
        elif field.name in batch.frame.columns:
            column = _typed(batch.frame[field.name].alias("value"), field, dtype, refusals, table)
        else:
            column = pl.Series([None] * batch.frame.height, dtype=dtype)
        columns[field.name] = column
    typed = replace(batch, frame=pl.DataFrame(columns))
    if not refusals.any:
        return typed
    ids = typed.frame[id_column].cast(pl.String) if id_column in typed.frame.columns else _no_ids(batch.frame.height)
    return filtered(replace(typed, unreadable=refusals.quarantined(ids)), ~refusals.rows)


def _typed(given: pl.Series, field: pa.Field, dtype: pl.DataType, refusals: Refusals, table: TableVersion) -> pl.Series:
    """A column in the table's type; text that isn't UTF-8 is refused."""
    if given.dtype == dtype:
        return given
    try:
        if _has_binary(dtype):
            return _cast(given, field, dtype)
        text, broken = as_utf8(given)
        refusals.add(field.name, Reason.INVALID_TEXT, broken)
        return _cast(text, field, dtype)
    except (pa.ArrowException, pl.exceptions.PolarsError) as problem:
        what = f"a file holds {field.name} in another type than the table ({type(problem).__name__})"
        raise SourceUnreadable(table.place.attempted, what, "Rewrite that column, or leave it out of a copy.") from None


def _cast(given: pl.Series, field: pa.Field, dtype: pl.DataType) -> pl.Series:
    if given.dtype == dtype:
        return given
    if dtype.is_nested():  # Arrow gives a struct the fields that it lacks, Polars doesn't
        arrow = given.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(field.type)
        column = pl.from_arrow(arrow)
        assert isinstance(column, pl.Series)
        return column
    return given.cast(dtype)


def _has_binary(dtype: pl.DataType) -> bool:
    match dtype:
        case pl.Binary():
            return True
        case pl.List():
            return _has_binary(pl.Series(dtype=dtype.inner).dtype)
        case pl.Map():
            return _has_binary(pl.Series(dtype=dtype.key).dtype) or _has_binary(pl.Series(dtype=dtype.value).dtype)
        case pl.Struct():
            return any(_has_binary(pl.Series(dtype=inner.dtype).dtype) for inner in dtype.fields)
        case _:
            return False


def _no_ids(rows: int) -> pl.Series:
    return pl.Series([None] * rows, dtype=pl.String)
