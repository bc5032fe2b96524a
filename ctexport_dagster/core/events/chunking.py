"""Chunks of events: each name and day of an instance in files of its own, the largest and the smallest alike.

A group with a bucket of its own is formatted slice by slice, in threads, however large it is. The groups that share a
bucket are formatted together, as many at once as make a slice: a window of hundreds of names has some thousand files
of a few rows, and each step over a column costs as much for ten rows as for ten thousand.
Source: REQUIREMENTS L6, P10.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import polars as pl

from ctexport_dagster.core.atomic import sync_folder
from ctexport_dagster.core.chunking import (
    Block,
    ChunkLayout,
    blocks_here,
    blocks_in_order,
    formatting_threads,
    write_files,
)
from ctexport_dagster.core.events.formats import EventFormats
from ctexport_dagster.core.events.maps import MapKeys
from ctexport_dagster.core.events.staged import EventBucket, EventGroup
from ctexport_dagster.core.formats.gzip import open_packing
from ctexport_dagster.core.resolved_file import read_resolved
from ctexport_dagster.core.row_slices import row_bytes
from ctexport_dagster.core.staging import StagedChunk

GroupPlace = tuple[str, date]


@dataclass(frozen=True)
class _Batch:
    """Some groups of a bucket, how each is formatted, and their rows one after the other."""

    rows: pl.DataFrame
    groups: list[EventGroup]
    layouts: list[ChunkLayout]


@dataclass(frozen=True)
class EventChunking:
    """How the events of one instance become chunks: from `rows`, the folder of their buckets, into `folder`."""

    rows: Path
    folder: Path
    formats: EventFormats
    instance: int
    chunk_bytes: int
    threads: int

    def chunks(self, buckets: Sequence[EventBucket]) -> Iterator[StagedChunk]:
        """Writes every group of the instance's buckets, and gives each chunk once its file is complete and synced.

        They come bucket by bucket. Files are named `<instance>-<group>-<index>.<extension>`, groups counted by event
        and day, as `000-00012-00000.json.gz`.
        """
        groups = sorted({(group.event, group.day) for bucket in buckets for group in bucket.groups})
        numbers = {place: number for number, place in enumerate(groups)}
        with formatting_threads(self.threads) as pool:
            for bucket in buckets:
                frames = read_resolved(self.rows / bucket.file)
                if len(bucket.groups) == 1:
                    yield from self._large(frames, bucket.groups[0], numbers, pool)
                else:
                    yield from self._small(frames, bucket.groups, numbers, pool)
        sync_folder(self.folder)

    def _large(
        self, frames: Iterable[pl.DataFrame], group: EventGroup, numbers: Mapping[GroupPlace, int], pool: Executor
    ) -> Iterator[StagedChunk]:
        layout = self._layout(group)
        yield from self._written(blocks_in_order(frames, layout, pool, self.threads), layout, group, numbers)

    def _small(
        self,
        frames: Iterable[pl.DataFrame],
        groups: Sequence[EventGroup],
        numbers: Mapping[GroupPlace, int],
        pool: Executor,
    ) -> Iterator[StagedChunk]:
        """Each group's rows, in the bucket's order: what stable sorting by (eventName, day) gives.

        Raises:
            ValueError: the bucket doesn't hold the groups that it should.
        """
        rows = pl.concat(frames).sort("eventName", "day", maintain_order=True)
        ordered = sorted(groups, key=lambda group: (group.event, group.day))
        held = rows.group_by("eventName", "day", maintain_order=True).len().rows()
        if held != [(group.event, group.day, group.rows) for group in ordered]:
            raise ValueError(f"a bucket of {len(ordered)} groups of events doesn't hold them as it was staged")

        def written(batch: _Batch) -> list[StagedChunk]:
            return list(self._together(batch, numbers))

        for chunks in pool.map(written, list(self._batches(rows, ordered))):
            yield from chunks

    def _batches(self, rows: pl.DataFrame, groups: Sequence[EventGroup]) -> Iterator[_Batch]:
        """The groups that are formatted at once, a slice; one that is larger than that is alone in its batch."""
        batch, start, stop, used = _Batch(rows, [], []), 0, 0, 0
        for group in groups:
            layout = self._layout(group)
            size = int(row_bytes(rows.slice(stop, group.rows), layout.format.extra_bytes).sum())
            is_other = self.formats.is_by_event and batch.groups and batch.groups[0].event != group.event
            if batch.groups and (is_other or used + size > layout.format.slice_bytes):
                yield replace(batch, rows=rows.slice(start, stop - start))
                batch, start, used = _Batch(rows, [], []), stop, 0
            batch.groups.append(group)
            batch.layouts.append(layout)
            stop += group.rows
            used += size
        yield replace(batch, rows=rows.slice(start, stop - start))

    def _together(self, batch: _Batch, numbers: Mapping[GroupPlace, int]) -> Iterator[StagedChunk]:
        """Formats groups at once, each into one file; one that is alone, or too large for that, slice by slice."""
        counts = [group.rows for group in batch.groups]
        format_ = self.formats.of(batch.groups[0].event)
        formatted = format_.split(batch.rows, counts) if len(counts) > 1 else [None]
        start = 0
        for group, layout, rows in zip(batch.groups, batch.layouts, formatted, strict=True):
            block = layout.block(rows) if rows else None
            if block and len(block.packed.content) <= self.chunk_bytes // 2:
                blocks = iter([block])
            else:
                blocks = blocks_here([batch.rows.slice(start, group.rows)], layout)
            yield from self._written(blocks, layout, group, numbers)
            start += group.rows

    def _layout(self, group: EventGroup) -> ChunkLayout:
        return ChunkLayout(self.formats.of(group.event), open_packing(self.formats.declared), self.chunk_bytes)

    def _written(
        self,
        blocks: Iterator[Block],
        layout: ChunkLayout,
        group: EventGroup,
        numbers: Mapping[GroupPlace, int],
    ) -> Iterator[StagedChunk]:
        stem = f"{self.instance:03d}-{numbers[group.event, group.day]:05d}"
        extension = self.formats.declared.extension
        pattern = StagedChunk(
            file="", instance=self.instance, index=0, rows=0, bytes=0, sha256="", event=group.event, day=group.day
        )
        return write_files(blocks, layout, lambda index: self.folder / f"{stem}-{index:05d}.{extension}", pattern)


def keys_by_event(keys: pl.DataFrame) -> dict[str, MapKeys]:
    """Event → map → its keys in order, from a frame of `KEYS_SCHEMA`."""
    grouped = keys.group_by("eventName", "map", maintain_order=True).agg("key")
    found: dict[str, MapKeys] = {}
    for event, name, of_map in grouped.iter_rows():
        found[event] = {**found.get(event, {}), name: tuple(of_map)}
    return found
