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
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec
import polars as pl
from sqlalchemy import Connection, CursorResult, TextClause

from ctexport_dagster.core.errors import SourceUnreadable
from ctexport_dagster.core.source import RawBatch
from ctexport_dagster.resources.model_columns import first_twice
from ctexport_dagster.resources.sql.columns import raw_batch
from ctexport_dagster.resources.sql.postgres_types import UnfitValues, is_psycopg, postgres_schema, typed_batch
from ctexport_dagster.resources.sql.unread import Batching, telling

_FIRST_PIECE_ROWS = 8
"""So few are asked for at first, for nobody knows yet how wide they are: 500 rows of 1 MB took 1.3 GB."""
_PIECE_ROWS = 500
_BATCH_BYTES = 4_000_000
"""Of rows as they are encoded; as objects of Python they take some eight times as much."""
_MSGPACK = msgspec.msgpack.Encoder(enc_hook=repr, order="sorted")


@dataclass(frozen=True, eq=False)
class Extract:
    """A query's answer: its columns, its rows in order, and a fingerprint of all of it (sha256, hex)."""

    names: tuple[str, ...]
    row_count: int
    fingerprint: str
    folder: Path
    batch_count: int
    origin: str
    schema: pl.Schema

    def batches(self) -> Iterator[RawBatch]:
        """The rows, from the first; one batch without rows where there are none, so that columns count as present."""
        if not self.batch_count:
            yield RawBatch(self.schema.to_frame(), origin=self.origin)
        for number in range(self.batch_count):
            yield _read(self.folder, number, self.origin)


def extracted(
    connection: Connection,
    query: TextClause,
    fetch_rows: int,
    origin: str,
    attempted: str,
    *,
    typed: bool = False,
    tells_unread: bool = False,
) -> Extract:
    """Runs a query and takes its answer to disk, at most `fetch_rows` rows at a time; other errors are the driver's.

    `typed`: columns have the types that PostgreSQL tells; else, and elsewhere, those of the values.
    `tells_unread`: rows with values that the driver can't read are told as unreadable; else such values come as bytes
    or text (unread.py).

    Raises:
        SourceUnreadable: two columns have one name, or values don't fit into the type that PostgreSQL tells.
    """
    folder = Path(tempfile.mkdtemp(prefix="ctexport-sql-"))
    try:
        streamed = connection.execution_options(stream_results=True)
        with closing(streamed.execute(query)) as answer:
            _refuse_twice(tuple(answer.keys()), attempted)
            batching = typed_batch(postgres_schema(answer)) if typed and is_psycopg(connection) else raw_batch
            extract = _written(answer, telling(batching) if tells_unread else batching, fetch_rows, origin, folder)
    except UnfitValues as unfit:
        shutil.rmtree(folder, ignore_errors=True)
        what = f"{unfit.column} holds values that a column of its type can't, as arrays of arrays"
        raise SourceUnreadable(attempted, what, "Select it as to_json(…), or with CAST, as text.") from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(extract, shutil.rmtree, folder, ignore_errors=True)
    return extract


def _written(
    answer: CursorResult[tuple[object, ...]], batching: Batching, fetch_rows: int, origin: str, folder: Path
) -> Extract:
    digest = hashlib.sha256()
    names = tuple(answer.keys())
    _take(digest, [names])
    count = batches = 0
    for rows in _portions(answer, fetch_rows, digest):
        _write(batching(names, rows, count + 1, origin), folder, batches)
        count += len(rows)
        batches += 1
    schema = batching(names, [], 1, origin).frame.schema
    return Extract(names, count, digest.hexdigest(), folder, batches, origin, schema)


def _refuse_twice(names: Sequence[str], attempted: str) -> None:
    twice = first_twice(names)
    if twice is not None:
        what = f"two columns of the query are called {twice}"
        raise SourceUnreadable(attempted, what, "Give one of them another name with AS.")


def _portions(
    answer: CursorResult[tuple[object, ...]], fetch_rows: int, digest: "hashlib._Hash"
) -> Iterator[list[tuple[object, ...]]]:
    """The rows in portions that are bounded by their number and their size."""
    held: list[tuple[object, ...]] = []
    size, wanted = 0, _FIRST_PIECE_ROWS
    while piece := [tuple(row) for row in answer.fetchmany(min(wanted, fetch_rows - len(held)))]:
        piece_bytes = _take(digest, piece)
        held += piece
        size += piece_bytes
        wanted = max(1, min(2 * wanted, _PIECE_ROWS, _BATCH_BYTES * len(piece) // piece_bytes))
        if len(held) >= fetch_rows or size >= _BATCH_BYTES:
            yield held
            held, size = [], 0
    if held:
        yield held


def _take(digest: "hashlib._Hash", rows: Sequence[tuple[object, ...]]) -> int:
    """Adds rows to the fingerprint, one by one, however many are asked for at a time; tells their size in bytes."""
    size = 0
    for row in rows:
        encoded = _encoded(row)
        digest.update(encoded)
        size += len(encoded)
    return size


def _encoded(row: tuple[object, ...]) -> bytes:
    try:
        return _MSGPACK.encode(row)
    except OverflowError:  # an integer beyond 64 bits
        return repr(row).encode()


def _write(batch: RawBatch, folder: Path, number: int) -> None:
    assert batch.numbers is not None
    batch.frame.write_ipc(folder / f"{number:06}.arrow", compression="lz4")
    batch.numbers.to_frame("number").write_ipc(folder / f"{number:06}.numbers", compression="lz4")
    batch.unreadable.write_ipc(folder / f"{number:06}.unreadable", compression="lz4")
    (folder / f"{number:06}.json").write_text(json.dumps({name: [*more] for name, more in batch.variants.items()}))


def _read(folder: Path, number: int, origin: str) -> RawBatch:
    frame, numbers, unreadable = (
        pl.read_ipc(folder / f"{number:06}.{part}") for part in ("arrow", "numbers", "unreadable")
    )
    variants = json.loads((folder / f"{number:06}.json").read_text())
    further = {name: tuple(names) for name, names in variants.items()}
    return RawBatch(frame, unreadable, origin, numbers["number"], further)
