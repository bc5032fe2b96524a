"""Chunks of a table: its rows, in the order they come in, as files of about equal size. Source: REQUIREMENTS A7, P10.

Memory holds some `threads` + 3 slices, as with profiles (core/chunking.py).
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import polars as pl

from ctexport_dagster.core.atomic import sync_folder
from ctexport_dagster.core.chunking import (
    ChunkLayout,
    blocks_in_order,
    empty_file_of,
    formatting_threads,
    write_files,
)
from ctexport_dagster.core.datasets.format import DatasetFormat
from ctexport_dagster.core.datasets.formats import open_dataset_format
from ctexport_dagster.core.formats.gzip import open_packing
from ctexport_dagster.core.staging import StagedChunk


def write_dataset_chunks(
    frames: Iterable[pl.DataFrame],
    declared: DatasetFormat,
    schema: pl.Schema,
    folder: Path,
    chunk_bytes: int,
    threads: int,
) -> Iterator[StagedChunk]:
    """Writes frames of one schema into `folder`, and gives each chunk once its file is complete and synced.

    Files are named `000-<index>.<extension>`, as `000-00000.csv.gz`. No rows give no chunk.

    Raises:
        ValueError: a frame has other columns or types than the schema, or in another order.
    """
    layout = ChunkLayout(open_dataset_format(declared, schema), open_packing(declared), chunk_bytes)
    with formatting_threads(threads) as pool:
        yield from write_files(
            blocks_in_order(_of_schema(frames, schema), layout, pool, threads),
            layout,
            lambda index: folder / f"000-{index:05d}.{declared.extension}",
            StagedChunk(file="", instance=0, index=0, rows=0, bytes=0, sha256=""),
        )
    sync_folder(folder)


def empty_dataset_file(declared: DatasetFormat, schema: pl.Schema) -> bytes:
    """A whole file of the format without rows: a CSV header, an empty XML root, a Parquet schema, gzip of nothing."""
    return empty_file_of(open_dataset_format(declared, schema), declared)


def _of_schema(frames: Iterable[pl.DataFrame], schema: pl.Schema) -> Iterator[pl.DataFrame]:
    for frame in frames:
        if frame.schema != schema or frame.columns != schema.names():
            raise ValueError("a frame whose columns are not those of the table's schema")
        yield frame
