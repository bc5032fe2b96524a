"""Parquet row groups that are both wide and long, read in bounded memory by way of a temporary folder.

A reader holds a page and a dictionary of every column that it reads, some 3 MB each: 256 columns in one row group of
200,000 rows took 750 MB. So a few columns at a time are read through, kept as Arrow batches of equal height on disk,
and put side by side again.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS_AT_ONCE = 32
_LONG_BYTES = 64_000_000


def is_wide_and_long(metadata: pq.FileMetaData, group: int) -> bool:
    """Whether reading this row group straight through would take too much memory."""
    return metadata.num_columns > COLUMNS_AT_ONCE and metadata.row_group(group).total_byte_size > _LONG_BYTES


def wide_batches(file: pq.ParquetFile, group: int, batch_rows: int) -> Iterator[pa.Table]:
    """The rows of a row group in order, all columns in the file's order, in tables of `batch_rows` rows."""
    names = file.schema_arrow.names
    with TemporaryDirectory(prefix="ctexport-") as folder, ExitStack() as stack:
        parts: list[pa.ipc.RecordBatchStreamReader] = []
        for start in range(0, len(names), COLUMNS_AT_ONCE):
            path = Path(folder) / f"{start}.arrow"
            _spool(file, group, names[start : start + COLUMNS_AT_ONCE], batch_rows, path)
            parts.append(stack.enter_context(pa.ipc.open_stream(stack.enter_context(pa.OSFile(str(path))))))
        for batches in zip(*parts, strict=True):
            columns = [column for batch in batches for column in batch.columns]
            yield pa.Table.from_arrays(columns, schema=file.schema_arrow.remove_metadata())


def _spool(file: pq.ParquetFile, group: int, names: list[str], batch_rows: int, path: Path) -> None:
    schema = pa.schema([file.schema_arrow.field(name) for name in names])
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, schema, options=options) as writer:
        for batch in file.iter_batches(batch_size=batch_rows, row_groups=[group], columns=names):
            # pyarrow reads `a` as a prefix: beside it would come a column `a.b`.
            writer.write_batch(batch.select(names))
