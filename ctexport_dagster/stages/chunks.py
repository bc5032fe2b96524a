"""Resolved rows → chunks: the files of a partition as they will be delivered, in staging."""

import hashlib
import uuid
from dataclasses import dataclass
from pathlib import Path

from ctexport_dagster.core.chunking import empty_file, write_chunks
from ctexport_dagster.core.columns import ColumnPlan, plan_from_staged
from ctexport_dagster.core.export import Format
from ctexport_dagster.core.resolved_file import read_resolved
from ctexport_dagster.core.staging import Chunks, StagedChunk
from ctexport_dagster.engine import Engine
from ctexport_dagster.line import ProfileLine
from ctexport_dagster.stages.progress import Progress, unseen


@dataclass(frozen=True)
class InstanceTask:
    """The work of one instance: everything by value, so that it may run on another machine."""

    rows: Path
    plan: ColumnPlan
    format: Format
    chunk_bytes: int
    folder: Path
    instance: int
    threads: int = 2


def format_partition(
    line: ProfileLine, partition: str, *, engine: Engine, run_id: str, progress: Progress = unseen
) -> Chunks:
    """Stages the chunks of one partition, instance by instance.

    Raises:
        StagingMissing: `identity_resolved_profiles` has not run, or the declaration was edited since.
    """
    staging = line.staging(partition)
    resolved = staging.resolved()
    line.check_unedited(partition, resolved)
    plan = plan_from_staged(resolved.columns)
    attempt = uuid.uuid4().hex[:8]
    with staging.attempt("chunks", attempt) as folder:
        tasks = [
            InstanceTask(
                rows=staging.folder("resolved", resolved.attempt) / file,
                plan=plan,
                format=line.export.format,
                chunk_bytes=line.export.files.chunk_size,
                folder=folder,
                instance=instance,
            )
            for instance, file in sorted(resolved.files.items())
        ]
        chunks: list[StagedChunk] = []
        for of_instance in engine.map(format_instance, tasks):
            chunks += of_instance
            progress(sum(chunk.rows for chunk in of_instance))
        if not chunks and line.export.files.empty == "header":
            declared = line.export.format
            chunks.append(file_without_rows(empty_file(declared, plan), declared.extension, folder))
        staged = Chunks(attempt=attempt, resolved=resolved, chunks=tuple(chunks), run_id=run_id)
        staging.publish("chunks", staged)
    return staged


def format_instance(task: InstanceTask) -> list[StagedChunk]:
    """Formats the resolved rows of one instance into chunks in the task's folder."""
    return list(
        write_chunks(
            read_resolved(task.rows),
            task.format,
            task.plan,
            folder=task.folder,
            instance=task.instance,
            chunk_bytes=task.chunk_bytes,
            threads=task.threads,
        )
    )


def file_without_rows(content: bytes, extension: str, folder: Path) -> StagedChunk:
    """One file without rows, for consumers who want a file every day."""
    name = f"000-00000.{extension}"
    (folder / name).write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    return StagedChunk(file=name, instance=0, index=0, rows=0, bytes=len(content), sha256=sha256)
