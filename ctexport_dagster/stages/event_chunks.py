"""Resolved events → chunks: the files of a partition as they will be delivered, in staging."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from ctexport_dagster.core.columns import plan_from_staged
from ctexport_dagster.core.events.chunking import EventChunking, keys_by_event
from ctexport_dagster.core.events.format import EventFormat
from ctexport_dagster.core.events.formats import EventFormats
from ctexport_dagster.core.events.staged import KEYS_FILE, EventBucket, ResolvedEvents
from ctexport_dagster.core.events.types import KeyTypes, SeenTypes, key_types, seen_types
from ctexport_dagster.core.resolved_file import read_resolved
from ctexport_dagster.core.staging import StagedChunk
from ctexport_dagster.engine import Engine
from ctexport_dagster.stages.progress import Progress, unseen

THREADS = 2


@dataclass(frozen=True)
class InstanceTask:
    """The work of one instance: everything by value, so that it may run on another machine."""

    chunking: EventChunking
    buckets: tuple[EventBucket, ...]


def format_event_partition(
    resolved: ResolvedEvents,
    rows: Path,
    out: Path,
    declared: EventFormat,
    *,
    chunk_bytes: int,
    engine: Engine,
    progress: Progress = unseen,
) -> list[StagedChunk]:
    """Formats what lies in the folder `rows` into chunks in the folder `out`.

    They come by instance, event name, day and index.
    """
    formats = EventFormats(
        declared,
        plan_from_staged(resolved.columns),
        ZoneInfo(resolved.zone),
        keys_by_event(pl.read_parquet(rows / KEYS_FILE)),
        _types(resolved, rows, declared, engine),
    )
    by_instance = _by_instance(resolved.buckets)
    tasks = [
        InstanceTask(EventChunking(rows, out, formats, instance, chunk_bytes, THREADS), buckets)
        for instance, buckets in by_instance.items()
    ]
    chunks: list[StagedChunk] = []
    for of_instance in engine.map(format_instance, tasks):
        chunks += of_instance
        progress(sum(chunk.rows for chunk in of_instance))
    return chunks


def format_instance(task: InstanceTask) -> list[StagedChunk]:
    """Formats the resolved events of one instance; chunks by event name, day and index."""
    return sorted(task.chunking.chunks(task.buckets), key=lambda chunk: (chunk.event, chunk.day, chunk.index))


@dataclass(frozen=True)
class TypeTask:
    """The files of one instance, to be looked through for the types of their keys."""

    rows: Path
    buckets: tuple[EventBucket, ...]


def see_types(task: TypeTask) -> SeenTypes:
    """What the keys of an instance's events hold."""
    return seen_types(frame for bucket in task.buckets for frame in read_resolved(task.rows / bucket.file))


def _types(resolved: ResolvedEvents, rows: Path, declared: EventFormat, engine: Engine) -> Mapping[str, KeyTypes]:
    """The types of all keys in the partition, where the format wants them: one more pass over the events."""
    if declared.type != "parquet" or declared.style != "typed" or declared.as_string:
        return {}
    tasks = [TypeTask(rows, buckets) for buckets in _by_instance(resolved.buckets).values()]
    return key_types(engine.map(see_types, tasks))


def _by_instance(buckets: Sequence[EventBucket]) -> dict[int, tuple[EventBucket, ...]]:
    instances = sorted({bucket.instance for bucket in buckets})
    return {one: tuple(bucket for bucket in buckets if bucket.instance == one) for one in instances}
