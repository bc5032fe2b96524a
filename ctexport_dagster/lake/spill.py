"""Rows in any order, parted by instance and range of h on disk, so that they can be taken back range by range."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pyarrow as pa

from ctexport_dagster.lake.cursor import END


@dataclass(frozen=True)
class _Piece:
    """The rows of one bucket in one spilled file."""

    file: Path
    batch: int


class Spill:
    """Takes frames of any columns that hold `instance` and `h`, and gives them back bucket by bucket.

    Bucket k of n holds the rows with h from k/n to (k+1)/n of all values. `add` gathers `most_bytes` before they are
    written, one Arrow record batch per bucket; a bucket is read by decoding its pieces alone.
    """

    def __init__(self, folder: Path, buckets: int, most_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self.buckets, self._most_bytes = folder, buckets, most_bytes
        self._held: list[pl.DataFrame] = []
        self._held_bytes = 0
        self._pieces: dict[tuple[int, int], list[_Piece]] = {}
        self._rows: dict[tuple[int, int], int] = {}
        self._file_count = 0
        self.bytes = 0

    @property
    def instances(self) -> tuple[int, ...]:
        return tuple(sorted({instance for instance, _ in self._rows}))

    def upper(self, bucket: int) -> int:
        """The first h above a bucket."""
        return (END * (bucket + 1) + self.buckets - 1) // self.buckets

    def rows(self, instance: int, bucket: int) -> int:
        return self._rows.get((instance, bucket), 0)

    def add(self, frame: pl.DataFrame) -> None:
        if frame.is_empty():
            return
        self._held.append(frame)
        self._held_bytes += frame.estimated_size()
        if self._held_bytes >= self._most_bytes:
            self.flush()

    def flush(self) -> None:
        """Writes what is held; to be called once after the last `add`."""
        if not self._held:
            return
        rows = pl.concat(self._held, how="diagonal")
        self._held, self._held_bytes = [], 0
        bucket = (pl.col("h").cast(pl.UInt64) * self.buckets // END).cast(pl.UInt32)
        rows = rows.with_columns(bucket.alias("_bucket")).sort("instance", "_bucket", maintain_order=True)
        sizes = rows.group_by("instance", "_bucket", maintain_order=True).len()
        self._write(rows.drop("_bucket"), sizes)

    def read(self, instance: int, buckets: Sequence[int]) -> list[pl.DataFrame]:
        """The rows of some buckets, in the order they were added, as frames whose columns may differ."""
        pieces = sorted(
            (piece for bucket in buckets for piece in self._pieces.get((instance, bucket), ())),
            key=lambda piece: (piece.file, piece.batch),
        )
        return [_decode(piece) for piece in pieces]

    def _write(self, rows: pl.DataFrame, sizes: pl.DataFrame) -> None:
        path = self._folder / f"{self._file_count:06d}.arrow"
        self._file_count += 1
        start = 0
        with pa.OSFile(str(path), "wb") as sink, _writer(sink, rows) as writer:
            for batch, (instance, bucket, size) in enumerate(sizes.iter_rows()):
                part = _record_batch(rows[start : start + size])
                writer.write_batch(part)
                start += size
                self.bytes += part.nbytes
                self._pieces.setdefault((instance, bucket), []).append(_Piece(path, batch))
                self._rows[instance, bucket] = self.rows(instance, bucket) + size


def _writer(sink: pa.NativeFile, rows: pl.DataFrame) -> pa.RecordBatchFileWriter:
    schema = rows[:0].to_arrow(compat_level=pl.CompatLevel.oldest()).schema
    return pa.ipc.new_file(sink, schema, options=pa.ipc.IpcWriteOptions(compression="lz4"))


def _record_batch(rows: pl.DataFrame) -> pa.RecordBatch:
    return rows.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest()).to_batches()[0]


def _decode(piece: _Piece) -> pl.DataFrame:
    with pa.memory_map(str(piece.file)) as source:
        return pl.DataFrame(pa.ipc.open_file(source).get_batch(piece.batch))
