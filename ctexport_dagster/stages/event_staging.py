"""Resolved events → chunks: reads what the identity stage of an events export staged, and stages its files."""

import uuid

from ctexport_dagster.core.events.staged import EventChunks, ResolvedEvents
from ctexport_dagster.engine import Engine
from ctexport_dagster.event_line import EventLine
from ctexport_dagster.stages.event_chunks import format_event_partition
from ctexport_dagster.stages.progress import Progress, unseen


def stage_event_chunks(
    line: EventLine, partition: str, *, engine: Engine, run_id: str, progress: Progress = unseen
) -> EventChunks:
    """Stages the chunks of one partition of events.

    Raises:
        StagingMissing: `identity_resolved_events` has not run, or the declaration was edited since.
    """
    staging = line.staging(partition)
    resolved = staging.read(ResolvedEvents, "resolved", line.first_stage)
    line.check_unedited(partition, resolved)
    attempt = uuid.uuid4().hex[:8]
    with staging.attempt("chunks", attempt) as folder:
        chunks = format_event_partition(
            resolved,
            staging.folder("resolved", resolved.attempt),
            folder,
            line.export.format,
            chunk_bytes=line.export.files.chunk_size,
            engine=engine,
            progress=progress,
        )
        staged = EventChunks(attempt=attempt, resolved=resolved, chunks=tuple(chunks), run_id=run_id)
        staging.publish("chunks", staged)
    return staged
