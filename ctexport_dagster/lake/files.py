"""Data files of the lake: sorted rows in Parquet, rolled and grouped so that reads can be bounded.

A data file of profiles has the key columns (`h` as int64, since Delta knows no unsigned numbers; `instance` is a
partition of the table and stands in no file) and the value columns of the fields present; one of events has those of
lake/events. Rows are sorted by (h, clevertapId).
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ctexport_dagster.core.atomic import sync_folder
from ctexport_dagster.core.profile import KEY_COLUMNS
from ctexport_dagster.core.schema import Field, ValueType
from ctexport_dagster.lake.tuning import Tuning

_PLAIN = frozenset(
    {
        *("h", "clevertapId", "clevertapIds", "identity", "deviceToken", "updatedAt"),
        *("ts", "profile", "eventProps", "seq"),
    }
)
"""Columns whose values hardly repeat: a dictionary would only cost time."""


@dataclass(frozen=True)
class DataFile:
    """A file just written, not yet committed; `path` is relative to the table's root."""

    path: str
    kind: str
    partition: str
    instance: int
    rows: int
    bytes: int
    h_range: tuple[int, int] | None = None


@dataclass(frozen=True)
class Place:
    """Where in the table a file belongs."""

    root: Path
    partition: str
    kind: str
    instance: int

    def file(self, name: str) -> Path:
        folder = f"partition={self.partition}/kind={self.kind}/instance={self.instance}"
        return self.root / folder / name


def stored_columns(fields: Sequence[Field]) -> dict[str, pl.DataType]:
    """The columns of a data file that holds these fields; one that has held nulls alone needs none."""
    keys = {name: dtype for name, dtype in KEY_COLUMNS.items() if name != "instance"}
    values = {field.column: field.type.dtype for field in fields if field.type != ValueType.UNKNOWN}
    return keys | {"h": pl.Int64()} | values


class SortedWriter:
    """Writes the rows of one place, given in order, into as many files as they need; `finish` tells which.

    With `small_groups`, few rows make a row group: many such files are read side by side.
    """

    def __init__(
        self, place: Place, prefix: str, columns: Mapping[str, pl.DataType], tuning: Tuning, *, small_groups: bool
    ) -> None:
        self._place, self._prefix, self._tuning = place, prefix, tuning
        self._columns = columns
        self._group_rows = tuning.small_group_rows if small_groups else tuning.group_rows
        self._group_bytes = tuning.small_group_bytes if small_groups else tuning.group_bytes
        self._held: list[pa.Table] = []
        self._held_rows = 0
        self._rows_per_group = 0
        self._open: _OpenFile | None = None
        self._files: list[DataFile] = []

    def write(self, rows: pl.DataFrame) -> None:
        """Takes the next rows: a frame with at least the columns.

        They are held as Arrow, which copies them: a few rows held as views would keep the slice that they come from.
        """
        if rows.is_empty():
            return
        stored = rows.select(pl.col(name).cast(dtype) for name, dtype in self._columns.items())
        table = stored.to_arrow(compat_level=pl.CompatLevel.oldest())
        if not self._rows_per_group:
            row_bytes = max(1, table.nbytes // table.num_rows)
            self._rows_per_group = max(1, min(self._group_rows, self._group_bytes // row_bytes))
        self._held.append(table)
        self._held_rows += table.num_rows
        if self._held_rows >= self._rows_per_group:
            self._write_groups(leave_rest=True)

    def finish(self) -> list[DataFile]:
        """Writes what is left, makes it durable and names the files."""
        self._write_groups(leave_rest=False)
        self._close()
        return self._files

    def _write_groups(self, *, leave_rest: bool) -> None:
        if not self._held_rows:
            return
        rows = pa.concat_tables(self._held)
        whole = rows.num_rows - rows.num_rows % self._rows_per_group if leave_rest else rows.num_rows
        for start in range(0, whole, self._rows_per_group):
            self._write_group(rows.slice(start, min(self._rows_per_group, whole - start)))
        self._held = [rows.slice(whole)] if whole < rows.num_rows else []
        self._held_rows = rows.num_rows - whole

    def _write_group(self, table: pa.Table) -> None:
        if self._open is None:
            path = self._place.file(f"{self._prefix}-{len(self._files):04d}.parquet")
            self._open = _OpenFile(path, table.schema)
        self._open.write(table)
        if self._open.rows >= self._tuning.file_rows:
            self._close()

    def _close(self) -> None:
        if self._open is None:
            return
        file, place = self._open, self._place
        size = file.close()
        self._files.append(
            DataFile(
                str(file.path.relative_to(place.root)), place.kind, place.partition, place.instance, file.rows, size,
                (file.first, file.last),
            )
        )  # fmt: skip
        self._open = None


class _OpenFile:
    """One Parquet file being written."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.rows = path, 0
        self.first = self.last = 0
        self._writer = pq.ParquetWriter(
            path,
            schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=[_leaf(field) for field in schema if field.name not in _PLAIN],  # pyright: ignore[reportArgumentType]
            write_statistics=["h"],  # pyright: ignore[reportArgumentType]
        )

    def write(self, table: pa.Table) -> None:
        self._writer.write_table(table, row_group_size=table.num_rows)
        hashes = table["h"]
        self.first = self.first if self.rows else hashes[0].as_py()
        self.last = hashes[-1].as_py()
        self.rows += table.num_rows

    def close(self) -> int:
        self._writer.close()
        make_durable(self.path)
        return self.path.stat().st_size


def make_durable(path: Path) -> None:
    """Brings a finished file and its name to the disk: the commit that names it must not outlive it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    sync_folder(path.parent)


def _leaf(field: pa.Field) -> str:
    return f"{field.name}.list.element" if pa.types.is_large_list(field.type) else field.name
