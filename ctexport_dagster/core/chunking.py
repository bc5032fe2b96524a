"""Chunks: resolved rows as finished files of about equal size, in order, none larger than it may be.

Slices of rows are formatted and compressed in threads, each by itself, and put in order into the file that is open. A
slice that would take the file above `chunk_bytes` opens the next one. As no slice takes more than 8 % of a chunk, a
file closes between 90 and 100 % of it, whatever the rows hold; a record larger than that isn't split, so it alone may
close a file earlier, or be larger than a chunk by itself.

Everything depends on the rows alone: neither on how they were batched nor on the number of threads.
Source: REQUIREMENTS P10.
"""

import hashlib
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self

import polars as pl

from ctexport_dagster.core.atomic import sync_folder
from ctexport_dagster.core.columns import ColumnPlan
from ctexport_dagster.core.export import Format
from ctexport_dagster.core.formats import open_format
from ctexport_dagster.core.formats.gzip import Packed, Packing, open_packing
from ctexport_dagster.core.formats.layout import RowFormat, Rows
from ctexport_dagster.core.formats.row_group import RowGroup
from ctexport_dagster.core.row_slices import row_slices
from ctexport_dagster.core.staging import StagedChunk

_SHARE_OF_CHUNK = 0.08
"""Of a slice in a chunk, at most: a tenth less some room for heads and tails."""


def write_chunks(
    frames: Iterable[pl.DataFrame],
    declared: Format,
    plan: ColumnPlan,
    folder: Path,
    instance: int,
    chunk_bytes: int,
    threads: int,
) -> Iterator[StagedChunk]:
    """Writes resolved frames of one instance into `folder`, and gives each chunk once its file is complete and synced.

    Files are named `<instance>-<index>.<extension>`, as `000-00000.csv.gz`. No rows give no chunk. Memory holds some
    `threads` + 3 slices, of 4 MB of values each (Parquet 12 MB).
    """
    layout = ChunkLayout(open_format(declared, plan), open_packing(declared), chunk_bytes)
    with formatting_threads(threads) as pool:
        yield from write_files(
            blocks_in_order(frames, layout, pool, threads),
            layout,
            lambda index: folder / f"{instance:03d}-{index:05d}.{declared.extension}",
            StagedChunk(file="", instance=instance, index=0, rows=0, bytes=0, sha256=""),
        )
    sync_folder(folder)


def write_files(
    blocks: Iterator["Block"], layout: "ChunkLayout", path_of: Callable[[int], Path], pattern: StagedChunk
) -> Iterator[StagedChunk]:
    """Writes blocks into one file after the other, and gives each once it is complete and synced.

    `pattern` is what the chunks have in common. The folder isn't synced.
    """
    block = next(blocks, None)
    for index in itertools.count():
        if block is None:
            break
        with _OpenChunk(layout, path_of(index)) as chunk:
            chunk.append(block)
            while (block := next(blocks, None)) and chunk.has_room_for(block):
                chunk.append(block)
            staged = chunk.finished(pattern, index)
        yield staged


def empty_file(declared: Format, plan: ColumnPlan) -> bytes:
    """A whole file of the format without rows: a CSV header, an empty XML root, a Parquet schema, gzip of nothing."""
    return empty_file_of(open_format(declared, plan), declared)


def empty_file_of(format_: RowFormat, declared: Format) -> bytes:
    """A whole file of an opened format without rows."""
    packing = open_packing(declared)
    parts = [packing.pack(memoryview(part)) for part in (format_.head, format_.tail([]))]
    return b"".join([packing.header, *(part.content for part in parts), packing.trailer(parts)])


@dataclass(frozen=True)
class Block:
    """Some rows, ready to be appended to any chunk."""

    packed: Packed
    row_count: int
    row_group: RowGroup | None

    @property
    def tail_bytes(self) -> int:
        """By how much it lengthens the file's tail, at most."""
        return self.row_group.footer_bytes if self.row_group else 0

    @property
    def bytes(self) -> int:
        return len(self.packed.content) + self.tail_bytes


@dataclass(frozen=True)
class ChunkLayout:
    """How rows become blocks, and how large those may be."""

    format: RowFormat
    packing: Packing
    chunk_bytes: int

    @property
    def block_bytes(self) -> int:
        """The delivered bytes of a block, at most, while it can be divided."""
        return int(self.chunk_bytes * _SHARE_OF_CHUNK)

    @property
    def slice_bytes(self) -> int:
        return min(self.format.slice_bytes, 2 * self.block_bytes)

    @cached_property
    def empty_tail_bytes(self) -> int:
        """Of a file without rows."""
        return len(self.format.tail([]))

    def block(self, rows: Rows) -> Block:
        return Block(self.packing.pack(rows.content), rows.row_count, rows.row_group)

    def blocks(self, frame: pl.DataFrame) -> list[Block]:
        """The rows of a slice as one block, or as several where one would be too large for the chunks."""
        block = self.block(self.format.rows(frame))
        if frame.height == 1 or not self._is_too_large(block):
            return [block]
        middle = frame.height // 2
        return [*self.blocks(frame.head(middle)), *self.blocks(frame.slice(middle))]

    def _is_too_large(self, block: Block) -> bool:
        """A row group's footer record doesn't shrink with its rows: dividing ends where it outweighs them."""
        if block.bytes > self.chunk_bytes // 2:
            return True
        return block.bytes > self.block_bytes and len(block.packed.content) > block.tail_bytes


@contextmanager
def formatting_threads(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads to format and compress in; what they haven't begun when the context is left is never done."""
    pool = ThreadPoolExecutor(threads, thread_name_prefix="format")
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def blocks_in_order(
    frames: Iterable[pl.DataFrame], layout: ChunkLayout, pool: Executor, threads: int
) -> Iterator[Block]:
    """All rows as blocks, in order, made in the pool's `threads` while the caller writes."""
    waiting: deque[Future[list[Block]]] = deque()
    for piece in row_slices(frames, layout.slice_bytes, layout.format.extra_bytes):
        waiting.append(pool.submit(layout.blocks, piece))
        if len(waiting) > threads + 1:
            yield from waiting.popleft().result()
    while waiting:
        yield from waiting.popleft().result()


def blocks_here(frames: Iterable[pl.DataFrame], layout: ChunkLayout) -> Iterator[Block]:
    """All rows as blocks, in order, made by the caller: for few rows."""
    for piece in row_slices(frames, layout.slice_bytes, layout.format.extra_bytes):
        yield from layout.blocks(piece)


class _OpenChunk:
    """The file that is being written: its bytes go out as they come, its checksum with them."""

    def __init__(self, layout: ChunkLayout, path: Path) -> None:
        self._layout = layout
        self._path = path
        self._handle = path.open("wb")
        self._checksum = hashlib.sha256()
        self._parts: list[Packed] = []
        self._row_groups: list[RowGroup] = []
        self._row_count = 0
        self._bytes = 0
        self._write(layout.packing.header)
        self._add(layout.packing.pack(memoryview(layout.format.head)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.close()

    def append(self, block: Block) -> None:
        self._add(block.packed)
        self._row_count += block.row_count
        if block.row_group:
            self._row_groups.append(block.row_group)

    def has_room_for(self, block: Block) -> bool:
        """Whether the file, ended after this block, would not be too large.

        The true tail is only made where an estimate from above doesn't fit: it takes long with many row groups.
        """
        room = self._layout.chunk_bytes - self._bytes - len(block.packed.content)
        tail_bytes = self._layout.empty_tail_bytes + sum(group.footer_bytes for group in self._row_groups)
        if self._layout.packing.bytes_at_most(tail_bytes + block.tail_bytes) <= room:
            return True
        row_groups = [*self._row_groups, block.row_group] if block.row_group else []
        tail, trailer = self._ending(row_groups)
        return len(tail.content) + len(trailer) <= room

    def finished(self, pattern: StagedChunk, index: int) -> StagedChunk:
        """Ends the file and makes it durable."""
        tail, trailer = self._ending(self._row_groups)
        self._write(tail.content)
        self._write(trailer)
        self._handle.flush()
        os.fsync(self._handle.fileno())
        written = {"rows": self._row_count, "bytes": self._bytes, "sha256": self._checksum.hexdigest()}
        return pattern.model_copy(update={"file": self._path.name, "index": index, **written})

    def _ending(self, row_groups: Sequence[RowGroup]) -> tuple[Packed, bytes]:
        """The file's tail, packed, and what the packing adds after it."""
        tail = self._layout.packing.pack(memoryview(self._layout.format.tail(row_groups)))
        return tail, self._layout.packing.trailer([*self._parts, tail])

    def _add(self, packed: Packed) -> None:
        self._write(packed.content)
        self._parts.append(replace(packed, content=memoryview(b"")))

    def _write(self, content: bytes | memoryview) -> None:
        self._handle.write(content)
        self._checksum.update(content)
        self._bytes += len(content)
