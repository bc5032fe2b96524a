"""Lake → chunks: the files of each dataset of a flow, as they will be delivered, in staging."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from ctexport_dagster.core.datasets.age import age_column, ageless_warnings, is_too_old, oldest_exported, why_ageless
from ctexport_dagster.core.datasets.chunking import write_dataset_chunks
from ctexport_dagster.core.datasets.schema_text import schema_text
from ctexport_dagster.core.datasets.staged import ChosenRows, DatasetChunks
from ctexport_dagster.core.errors import ConfigurationError, Mistake
from ctexport_dagster.core.kinds import empty_table_file
from ctexport_dagster.core.manifest import Mode
from ctexport_dagster.core.staging import StagedChunk, StagedCounts
from ctexport_dagster.dataset_line import DatasetLine, DatasetSelection
from ctexport_dagster.lake.datasets import DatasetRecord, DatasetView
from ctexport_dagster.stages.chunks import file_without_rows
from ctexport_dagster.stages.progress import Progress, unseen

THREADS = 2


@dataclass(frozen=True)
class Choice:
    """What a partition takes of one dataset, as the lake has it at one moment.

    `age`: the column by which rows are older than `oldest`; None where none is left out.
    """

    dataset: str
    mode: Mode
    selection: DatasetSelection
    view: DatasetView
    records: tuple[DatasetRecord, ...]
    schema: pl.Schema
    age: str | None
    oldest: datetime | None
    zone: ZoneInfo
    warnings: tuple[str, ...]

    def frames(self) -> Iterator[pl.DataFrame]:
        """All of the rows, the oldest partition's first."""
        return self.view.frames(self.selection.partitions, schema=self.schema)

    def young(self, frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Those of the rows that aren't too old."""
        if self.age is None or self.oldest is None:
            return frames
        too_old = is_too_old(self.age, self.schema[self.age], self.oldest, self.zone)
        return (frame.filter(~too_old) for frame in frames)


def choose(line: DatasetLine, partition: str, dataset: str, *, wants_full: bool = False) -> Choice:
    """What a partition takes of one dataset.

    Raises:
        PartitionMissing: a partition of the source must be materialized first; the message names it.
        ConfigurationError: rows are to be left out by age, and the column that tells it holds no instants.
    """
    mode = line.mode(partition, dataset, wants_full=wants_full)
    selection, view = line.selection(partition, dataset, mode), line.dataset_lake(dataset).view()
    view.check_held(selection.partitions, line.declared(dataset).holds)
    records = tuple(view.record(key) for key in selection.window)
    schema = view.schema_of(selection.partitions)
    oldest = oldest_exported(line.export, line.window(partition).end)
    age, why = age_column(line.declared(dataset), schema), why_ageless(line.declared(dataset), schema)
    if oldest and why and isinstance(line.export.max_age_days, int):
        raise _ageless(line, dataset, why)
    return Choice(
        dataset=dataset,
        mode=mode,
        selection=selection,
        view=view,
        records=records,
        schema=schema,
        age=age,
        oldest=oldest,
        zone=line.source.cadence.zone,
        warnings=(*ageless_warnings(line.export, {dataset: why} if why else {}), *line.export.format.warnings),
    )


def stage_dataset_chunks(
    line: DatasetLine, partition: str, *, run_id: str, wants_full: bool = False, progress: Progress = unseen
) -> tuple[DatasetChunks, ...]:
    """Stages the chunks of every dataset that takes part in a partition, in the order of the declaration.

    Raises:
        PartitionMissing, ConfigurationError: see `choose`; nothing is staged then.
    """
    for dataset in line.taking_part(partition):
        choose(line, partition, dataset, wants_full=wants_full)
    line.note_run(partition)
    staged: list[DatasetChunks] = []
    for dataset in line.taking_part(partition):
        choice = choose(line, partition, dataset, wants_full=wants_full)
        staged.append(_staged(line, partition, choice, run_id=run_id, progress=progress))
    return tuple(staged)


def _staged(line: DatasetLine, partition: str, choice: Choice, *, run_id: str, progress: Progress) -> DatasetChunks:
    area, attempt = line.dataset_staging(partition, choice.dataset), uuid.uuid4().hex[:8]
    with area.attempt("chunks", attempt) as folder:
        read = _Counted()
        chunks = list(_written(line, choice, read, folder, progress))
        exported = sum(chunk.rows for chunk in chunks)
        if not chunks and line.export.files.empty == "header":
            chunks.append(
                file_without_rows(empty_table_file(line.export, choice.schema), line.export.format.extension, folder)
            )
        staged = DatasetChunks(
            attempt=attempt,
            resolved=_chosen_rows(line, choice, attempt, run_id, exported, read.rows - exported),
            chunks=tuple(chunks),
            run_id=run_id,
        )
        area.publish("chunks", staged)
    return staged


@dataclass
class _Counted:
    """How many rows have gone by."""

    rows: int = 0

    def counting(self, frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        for frame in frames:
            self.rows += frame.height
            yield frame


def _written(
    line: DatasetLine, choice: Choice, read: _Counted, folder: Path, progress: Progress
) -> Iterator[StagedChunk]:
    export = line.export
    rows = choice.young(read.counting(choice.frames()))
    for chunk in write_dataset_chunks(rows, export.format, choice.schema, folder, export.files.chunk_size, THREADS):
        progress(chunk.rows)
        yield chunk


def _chosen_rows(
    line: DatasetLine, choice: Choice, attempt: str, run_id: str, exported: int, too_old: int
) -> ChosenRows:
    """The sum of REQUIREMENTS B1: what the window's partitions refused, and what goes out."""
    quarantined = sum(record.rows.quarantined for record in choice.records)
    return ChosenRows(
        attempt=attempt,
        mode=choice.mode,
        content_version=line.export.content_version,
        configuration_version=line.export.configuration_version,
        columns=(),
        warnings=choice.warnings,
        rows=StagedCounts(
            source=quarantined + exported,
            unchanged=0,
            superseded=0,
            quarantined=quarantined,
            exported=exported,
            tombstones=0,
        ),
        lake_version=_version(choice.view, choice.selection.partitions),
        lake_state=choice.view.state_of(choice.selection.partitions),
        upstream_runs=tuple(dict.fromkeys(record.run_id for record in choice.records)),
        run_id=run_id,
        dataset=choice.dataset,
        schema_text=schema_text(choice.schema),
        too_old=too_old,
    )


def _version(view: DatasetView, partitions: Sequence[str]) -> int:
    """A number that grows with every partition that is taken in, and with each that is taken in anew."""
    return sum(view.record(partition).generation for partition in partitions)


def _ageless(line: DatasetLine, dataset: str, why: str) -> ConfigurationError:
    message = f"rows of {dataset} are to be left out by age, and {why} in the source"
    return ConfigurationError([Mistake(f"assets/{line.name}.yaml", 0, "max_age_days", message)])
