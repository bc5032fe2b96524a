"""The answer to a query, read once in order and kept on disk while it is taken in.

A database doesn't give the same rows twice: what is taken in must be what was fingerprinted. So an answer is streamed
to a temporary folder first, batch by batch; it goes when nothing refers to it any longer.
"""

import hashlib
import json
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import polars as pl
from sqlalchemy import Connection, TextClause

from ctexport_dagster.core.source import RawBatch
from ctexport_dagster.resources.sql.columns import raw_batch


@dataclass(frozen=True, eq=False)
class Extract:
    """A query's answer: its columns, its rows in order, and a fingerprint of all of it (sha256, hex)."""

    names: tuple[str, ...]
    row_count: int
    fingerprint: str
    folder: Path
    batch_count: int
    origin: str

    def batches(self) -> Iterator[RawBatch]:
        """The rows, from the first; one batch without rows where there are none, so that columns count as present."""
        if not self.batch_count:
            yield RawBatch(pl.DataFrame(schema=dict.fromkeys(self.names, pl.Null)), origin=self.origin)
        first = 1
        for number in range(self.batch_count):
            frame = pl.read_ipc(_path(self.folder, number))
            variants = json.loads((self.folder / f"{number:06}.json").read_text())
            numbers = pl.int_range(first, first + frame.height, dtype=pl.UInt64, eager=True)
            first += frame.height
            further = {name: tuple(names) for name, names in variants.items()}
            yield RawBatch(frame, origin=self.origin, numbers=numbers, variants=further)


def extracted(connection: Connection, query: TextClause, fetch_rows: int, origin: str) -> Extract:
    """Runs a query and takes its answer to disk, `fetch_rows` rows at a time; errors are the driver's."""
    folder = Path(tempfile.mkdtemp(prefix="ctexport-sql-"))
    try:
        extract = _written(connection, query, fetch_rows, origin, folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(extract, shutil.rmtree, folder, ignore_errors=True)
    return extract


def _written(connection: Connection, query: TextClause, fetch_rows: int, origin: str, folder: Path) -> Extract:
    digest = hashlib.sha256()
    result = connection.execution_options(stream_results=True, max_row_buffer=fetch_rows).execute(query)
    names = tuple(result.keys())
    _take(digest, [names])
    count = batches = 0
    while rows := [tuple(row) for row in result.fetchmany(fetch_rows)]:
        _take(digest, rows)
        _write(raw_batch(names, rows, count + 1, origin), folder, batches)
        count += len(rows)
        batches += 1
    return Extract(names, count, digest.hexdigest(), folder, batches, origin)


def _take(digest: "hashlib._Hash", rows: Sequence[tuple[object, ...]]) -> None:
    try:
        digest.update(msgspec.msgpack.encode(rows, enc_hook=repr, order="sorted"))
    except OverflowError:  # an integer beyond 64 bits
        digest.update(repr(rows).encode())


def _write(batch: RawBatch, folder: Path, number: int) -> None:
    batch.frame.write_ipc(_path(folder, number), compression="lz4")
    (folder / f"{number:06}.json").write_text(json.dumps({name: [*more] for name, more in batch.variants.items()}))


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:06}.arrow"


def renamed(batch: RawBatch, columns: dict[str, str]) -> RawBatch:
    """The batch with its columns named as in the model; `columns`: model name → the query's."""
    names = {given: model for model, given in columns.items() if given in batch.frame.columns}
    variants = {names.get(name, name): further for name, further in batch.variants.items()}
    return replace(batch, frame=batch.frame.rename(names), variants=variants)
