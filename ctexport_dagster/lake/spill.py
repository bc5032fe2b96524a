"""Rows in any order, parted by instance and range of h on disk, so that they can be taken back range by range."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import polars as pl
import pyarrow as pa

from ctexport_dagster.lake.cursor import END

_MOST_OPEN = 200
"""Files mapped at once: each keeps a descriptor, of which a process often has 1,024."""


@dataclass(frozen=True)
class _Piece:
    """The rows of one bucket in one spilled file."""

    file: Path
    batch: int


@dataclass(frozen=True)
class Part:
    """A range of h, from `lower` to below `upper`, and the buckets that it lies in."""

    buckets: range
    lower: int
    upper: int


class Spill:
    """Takes frames of any columns that hold `instance` and `h`, and gives them back bucket by bucket.

    Bucket k of n holds the rows with h from k/n to (k+1)/n of all values. `add` gathers `most_bytes` before they are
    written, one Arrow record batch per bucket, not compressed: of 256 properties a batch has few rows in 700 buffers,
    and to compress those took longer than all the rest of the ingest.
    """

    def __init__(self, folder: Path, buckets: int, most_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._most_bytes = folder, most_bytes
        self.buckets = buckets
        self.row_count = self.bytes = 0
        self._held: list[pl.DataFrame] = []
        self._held_bytes = 0
        self._pieces: dict[tuple[int, int], list[_Piece]] = {}
        self._rows: dict[tuple[int, int], int] = {}
        self._readers: dict[Path, pa.RecordBatchFileReader] = {}
        self._file_count = 0

    @property
    def instances(self) -> tuple[int, ...]:
        return tuple(sorted({instance for instance, _ in self._rows}))

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
        bucket = pl.col("h").cast(pl.UInt64) * self.buckets // END
        key = (pl.col("instance").cast(pl.UInt64) * self.buckets + bucket).alias("_key")
        rows = rows.with_columns(key).sort("_key", maintain_order=True)
        sizes = rows["_key"].rle().struct.unnest()
        self._write(rows.drop("_key"), sizes)

    def read(self, instance: int, part: "Part") -> Iterator[pl.DataFrame]:
        """The rows of a part, in the order they were added, as frames whose columns may differ."""
        is_whole = (part.lower, part.upper) == (self._lower(part.buckets.start), self._lower(part.buckets.stop))
        batches = map(self._batch, self._pieces_of(instance, part))
        for _, alike in groupby(batches, key=lambda batch: batch.schema.names):
            rows = pl.DataFrame(pa.Table.from_batches(alike).combine_chunks())
            yield rows if is_whole else rows.filter((pl.col("h") >= part.lower) & (pl.col("h") < part.upper))

    def in_order(self, instance: int, part: "Part", by: Sequence[str], most_rows: int) -> Iterator[pl.DataFrame]:
        """The rows of a part, all of the same columns, sorted `by` these, in frames of about `most_rows` at most.

        A part can't be narrower than one h: where an id has more rows than that, their keys alone are sorted at once,
        and the rows are fetched from the disk, frame by frame.
        """
        if sum(self._rows.get((instance, bucket), 0) for bucket in part.buckets) <= 2 * most_rows:
            if pieces := list(self.read(instance, part)):
                yield pl.concat(pieces).sort(by)
            return
        pieces = self._pieces_of(instance, part)
        inside = pl.col("h").is_between(part.lower, part.upper, closed="left")
        keys = [
            pl.DataFrame(self._batch(piece).select([*by]))
            .select(*by, inside.alias("inside"), pl.lit(place, pl.UInt32).alias("piece"))
            .with_row_index("row")
            .filter("inside")
            for place, piece in enumerate(pieces)
        ]
        for chosen in pl.concat(keys).sort(by).iter_slices(most_rows):
            fetched = [
                pl.DataFrame(self._batch(pieces[int(place)]))[rows["row"]]
                for (place,), rows in chosen.partition_by("piece", as_dict=True).items()
            ]
            yield pl.concat(fetched).sort(by)

    def every(self) -> Iterator[pl.DataFrame]:
        """All rows that were flushed, bucket by bucket."""
        for instance, bucket in sorted(self._pieces):
            yield from self.read(instance, self._part(bucket, bucket + 1))

    def parts(self, instance: int, state_rows: int, most_rows: int) -> Iterator["Part"]:
        """Parts of an instance to be settled one by one, in order, that together cover all h.

        Small buckets are joined, a large one is parted, so that neither the spilled rows nor those of a state of so
        many rows are many more than `most_rows` in any.
        """
        start = held = 0
        for bucket in range(self.buckets):
            load = max(self._rows.get((instance, bucket), 0), state_rows // self.buckets)
            if bucket > start and held + load > most_rows:
                yield self._part(start, bucket)
                start, held = bucket, 0
            held += load
            if held > 2 * most_rows:
                yield from self._parted(bucket, -(-held // most_rows))
                start, held = bucket + 1, 0
        if start < self.buckets:
            yield self._part(start, self.buckets)

    def _pieces_of(self, instance: int, part: "Part") -> list[_Piece]:
        """Those of the part's buckets, in the order they were added."""
        pieces = (piece for bucket in part.buckets for piece in self._pieces.get((instance, bucket), ()))
        return sorted(pieces, key=lambda piece: (piece.file, piece.batch))

    def _part(self, start: int, stop: int) -> "Part":
        return Part(range(start, stop), self._lower(start), self._lower(stop))

    def _parted(self, bucket: int, count: int) -> Iterator["Part"]:
        lower, upper = self._lower(bucket), self._lower(bucket + 1)
        bounds = [lower + (upper - lower) * part // count for part in range(count + 1)]
        for part in range(count):
            yield Part(range(bucket, bucket + 1), bounds[part], bounds[part + 1])

    def _lower(self, bucket: int) -> int:
        """The first h of a bucket."""
        return -(-END * bucket // self.buckets)

    def _batch(self, piece: _Piece) -> pa.RecordBatch:
        if piece.file not in self._readers:
            if len(self._readers) >= _MOST_OPEN:
                self._readers.clear()
            self._readers[piece.file] = pa.ipc.open_file(pa.memory_map(str(piece.file)))
        return self._readers[piece.file].get_batch(piece.batch)

    def _write(self, rows: pl.DataFrame, sizes: pl.DataFrame) -> None:
        path = self._folder / f"{self._file_count:06d}.arrow"
        self._file_count += 1
        table = rows.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
        whole, start = table.to_batches()[0], 0
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            for batch, (size, key) in enumerate(sizes.select("len", "value").iter_rows()):
                writer.write_batch(whole.slice(start, size))
                start += size
                bucket = divmod(key, self.buckets)
                self._pieces.setdefault(bucket, []).append(_Piece(path, batch))
                self._rows[bucket] = self._rows.get(bucket, 0) + size
        self.bytes += table.nbytes
        self.row_count += table.num_rows
