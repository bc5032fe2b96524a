"""Lake → resolved rows: what an export sends for one partition, identities resolved and columns in order."""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ctexport_dagster.core.changes import classify
from ctexport_dagster.core.column_plan import plan_columns
from ctexport_dagster.core.columns import ColumnPlan, staged_columns
from ctexport_dagster.core.export import Export
from ctexport_dagster.core.figures import FigureCount, Figures
from ctexport_dagster.core.identity import resolve
from ctexport_dagster.core.manifest import Mode, RowCounts
from ctexport_dagster.core.phones import PhoneCheck, PhoneReport
from ctexport_dagster.core.preview import preview_table
from ctexport_dagster.core.resolved_file import ResolvedWriter
from ctexport_dagster.core.schema import SourceSchema
from ctexport_dagster.core.staging import Resolved, StagedCounts
from ctexport_dagster.core.versions import Versions, mode_of
from ctexport_dagster.engine import Engine
from ctexport_dagster.lake import Lake, LakeView, PartitionRecord
from ctexport_dagster.line import ProfileLine
from ctexport_dagster.stages.progress import Progress, unseen


@dataclass(frozen=True)
class InstanceTask:
    """The work of one instance: everything by value, so that it may run on another machine."""

    lake: Lake
    lake_version: int
    instance: int
    source_partitions: tuple[str, ...]
    mode: Mode
    export: Export
    plan: ColumnPlan
    schema: SourceSchema
    path: Path


@dataclass(frozen=True)
class InstanceOutcome:
    """What became of one instance's rows; `unchanged` counts those logged in the window that end it as they began."""

    exported: int
    unchanged: int
    tombstones: int
    phones: PhoneReport
    figures: Figures
    preview: str
    """A Markdown table of the first rows, masked; empty where there are none."""


@dataclass(frozen=True)
class IdentityOutcome:
    """What was staged for a partition, by which plan and schema, and what people should see of it."""

    resolved: Resolved
    plan: ColumnPlan
    schema: SourceSchema
    phones: PhoneReport
    figures: Figures
    preview: str


def resolve_partition(
    line: ProfileLine,
    partition: str,
    *,
    engine: Engine,
    run_id: str,
    wants_full: bool = False,
    progress: Progress = unseen,
) -> IdentityOutcome:
    """Stages the resolved rows of one partition, one file per instance that has any.

    Raises:
        PartitionMissing, PartitionStale: the source's partitions must be materialized first; the message names them.
        ConfigurationError: under `strict`, two columns have one name.
    """
    source_partitions = line.source_partitions(line.window(partition))
    view = line.lake.view()
    state = view.state_of(source_partitions[-1])
    versions = line.note_run(partition)
    mode = mode_of(
        line.export,
        partition,
        first=line.cadence.key_of(line.cadence.first),
        versions=versions,
        wants_full=wants_full,
    )
    schema = view.schema_as_of(source_partitions[-1])
    plan = plan_columns(line.export, schema, locked_schema(line, view, versions))
    attempt = uuid.uuid4().hex[:8]
    staging = line.staging(partition)
    with staging.attempt("resolved", attempt) as folder:
        tasks = [
            InstanceTask(
                lake=line.lake,
                lake_version=view.version,
                instance=instance,
                source_partitions=source_partitions,
                mode=mode,
                export=line.export,
                plan=plan,
                schema=schema,
                path=folder / f"{instance:03}.rows",
            )
            for instance in view.instances(source_partitions[-1])
        ]
        outcomes: list[InstanceOutcome] = []
        for outcome in engine.map(resolve_instance, tasks):
            outcomes.append(outcome)
            progress(outcome.exported)
        records = [view.listing.history.record(key) for key in source_partitions]
        resolved = Resolved(
            attempt=attempt,
            mode=mode,
            content_version=line.export.content_version,
            configuration_version=line.export.configuration_version,
            columns=staged_columns(plan),
            warnings=plan.warnings,
            files={
                task.instance: task.path.name for task, outcome in zip(tasks, outcomes, strict=True) if outcome.exported
            },
            rows=StagedCounts(**vars(row_counts(mode, records, outcomes))),
            lake_version=view.version,
            lake_state=state,
            rests_on=view.listing.history.basis_of(source_partitions, mode),
            upstream_runs=tuple(dict.fromkeys(record.run_id for record in records)),
            run_id=run_id,
        )
        staging.publish("resolved", resolved)
    return IdentityOutcome(
        resolved,
        plan,
        schema,
        phones=sum((outcome.phones for outcome in outcomes), PhoneReport()),
        figures=sum((outcome.figures for outcome in outcomes), Figures(blanks=dict.fromkeys(plan.headers, 0))),
        preview=next((outcome.preview for outcome in outcomes if outcome.preview), ""),
    )


def resolve_instance(task: InstanceTask) -> InstanceOutcome:
    """Resolves the rows of one instance into the task's file."""
    rows = _Rows(task)
    phones, count, preview = PhoneCheck(), FigureCount(task.plan), ""
    with ResolvedWriter(task.path, task.plan.frame_schema) as writer:
        for frame in rows.frames():
            phones.add(frame, task.schema)
            resolved = resolve(frame, task.export, task.plan, task.schema)
            preview = preview or preview_table(resolved, task.plan, task.export.identity.order)
            count.add(frame, resolved)
            writer.write(resolved)
    figures = count.figures
    return InstanceOutcome(figures.rows, rows.unchanged, rows.tombstones, phones.report, figures, preview)


@dataclass
class _Rows:
    """The rows that a task sends, and the counts of those that it doesn't."""

    task: InstanceTask
    unchanged: int = 0
    tombstones: int = 0

    def frames(self) -> Iterator[pl.DataFrame]:
        view = self.task.lake.view(self.task.lake_version)
        if self.task.mode == "full":
            return view.slices(self.task.source_partitions[-1], self.task.instance)
        return self._changed(view)

    def _changed(self, view: LakeView) -> Iterator[pl.DataFrame]:
        for touched in view.touched(self.task.source_partitions, self.task.instance):
            changes = classify(touched.before, touched.after, self.task.schema)
            self.unchanged += changes.unchanged.height
            self.tombstones += changes.tombstones.height
            if changes.exported.height:
                yield changes.exported


def row_counts(mode: Mode, records: Sequence[PartitionRecord], outcomes: Sequence[InstanceOutcome]) -> RowCounts:
    """The sum of REQUIREMENTS B1, from the source's records of the window and what each instance found in it."""
    exported = sum(outcome.exported for outcome in outcomes)
    quarantined = sum(record.rows.quarantined for record in records)
    if mode == "full":
        return RowCounts(exported + quarantined, 0, 0, quarantined, exported, 0)
    source = sum(record.rows.source for record in records)
    logged = sum(record.rows.logged for record in records)
    touched_unchanged = sum(outcome.unchanged for outcome in outcomes)
    return RowCounts(
        source=source,
        unchanged=sum(record.rows.unchanged for record in records) + touched_unchanged,
        superseded=sum(record.rows.superseded for record in records) + logged - exported - touched_unchanged,
        quarantined=quarantined,
        exported=exported,
        tombstones=sum(outcome.tombstones for outcome in outcomes),
    )


def locked_schema(line: ProfileLine, view: LakeView, versions: Versions) -> SourceSchema | None:
    """The schema that `on_new_property: lock` holds on to: as of the source's last partition in the version's first."""
    version = versions.of(line.export.content_version)
    if line.export.columns.on_new_property != "lock" or version is None:
        return None
    return view.schema_as_of(line.source_partitions(line.window(version.schema_of))[-1])
