"""Lake → resolved events: what an events export sends for one partition, its persons resolved, sorted into buckets."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from ctexport_dagster.core.columns import ColumnPlan, staged_columns
from ctexport_dagster.core.events.buckets import packed
from ctexport_dagster.core.events.columns import plan_event_columns
from ctexport_dagster.core.events.export import EventExport
from ctexport_dagster.core.events.preview import event_preview
from ctexport_dagster.core.events.resolve import resolve_events, resolved_event_schema
from ctexport_dagster.core.events.spreading import spread
from ctexport_dagster.core.events.staged import KEYS_FILE, EventBucket, EventGroup, ResolvedEvents
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.manifest import Mode
from ctexport_dagster.core.schema import SourceSchema
from ctexport_dagster.core.staging import StagedCounts
from ctexport_dagster.engine import Engine
from ctexport_dagster.event_line import EventLine
from ctexport_dagster.lake import Lake
from ctexport_dagster.lake.cursor import Wanted
from ctexport_dagster.lake.events import EventLake
from ctexport_dagster.lake.stack import frame_columns
from ctexport_dagster.stages.progress import Progress, unseen

_COUNTED = ("eventName", "day", "rows")


@dataclass(frozen=True)
class Persons:
    """The state that tells whose the events are: the profiles of a source as of one of its partitions.

    `everywhere`: the profiles stand in instances that the source named, the events in those of their ids' hashes, so
    that a person may be in any.
    """

    lake: Lake
    version: int
    partition: str
    everywhere: bool


@dataclass(frozen=True)
class InstanceTask:
    """The work of one instance: everything by value, so that it may run on another machine."""

    events: EventLake
    version: int
    instance: int
    partitions: tuple[str, ...]
    span: Interval | None
    window_start: datetime
    persons: Persons | None
    export: EventExport
    plan: ColumnPlan
    schema: SourceSchema
    zone: str
    folder: Path


@dataclass(frozen=True)
class InstanceOutcome:
    """What became of one instance's events."""

    buckets: tuple[EventBucket, ...]
    exported: int
    late: int
    preview: str


@dataclass(frozen=True)
class EventIdentityOutcome:
    """What was staged for a partition, by which plan, and what people should see of it."""

    resolved: ResolvedEvents
    plan: ColumnPlan
    preview: str


def resolve_event_partition(
    line: EventLine, partition: str, *, engine: Engine, run_id: str, progress: Progress = unseen
) -> EventIdentityOutcome:
    """Stages the resolved events of one partition, in buckets.

    Raises:
        PartitionMissing, PartitionStale: the source's partitions must be materialized first; the message names them.
    """
    chosen = line.event_selection(partition)
    view = line.event_lake.view()
    partitions = view.holding(chosen.partitions, chosen.span)
    records = [view.record(key) for key in partitions]
    persons, schema, state = persons_of(line, chosen.partitions)
    line.note_run(partition)
    plan = plan_event_columns(line.export, schema)
    attempt = uuid.uuid4().hex[:8]
    staging = line.staging(partition)
    with staging.attempt("resolved", attempt) as folder:
        tasks = [
            InstanceTask(
                events=line.event_lake,
                version=view.version,
                instance=instance,
                partitions=partitions,
                span=chosen.span,
                window_start=line.window(partition).start,
                persons=persons,
                export=line.export,
                plan=plan,
                schema=schema,
                zone=line.cadence.zone.key,
                folder=folder,
            )
            for instance in view.instances(partitions)
        ]
        outcomes: list[InstanceOutcome] = []
        for outcome in engine.map(resolve_instance, tasks):
            outcomes.append(outcome)
            progress(outcome.exported)
        view.keys(partitions, line.export.names).write_parquet(folder / KEYS_FILE)
        exported, quarantined = sum(o.exported for o in outcomes), sum(record.rows.quarantined for record in records)
        resolved = ResolvedEvents(
            attempt=attempt,
            mode=_mode(chosen.span),
            content_version=line.export.content_version,
            configuration_version=line.export.configuration_version,
            columns=staged_columns(plan),
            warnings=plan.warnings,
            zone=line.cadence.zone.key,
            buckets=tuple(bucket for outcome in outcomes for bucket in outcome.buckets),
            rows=StagedCounts(
                source=exported + quarantined,
                unchanged=0,
                superseded=0,
                quarantined=quarantined,
                exported=exported,
                tombstones=0,
            ),
            late=sum(outcome.late for outcome in outcomes) if chosen.span is None else 0,
            lake_version=view.version,
            lake_state=f"{view.state_of(partitions)} {state}".strip(),
            upstream_runs=tuple(dict.fromkeys(record.run_id for record in records)),
            run_id=run_id,
        )
        staging.publish("resolved", resolved)
    return EventIdentityOutcome(resolved, plan, next((o.preview for o in outcomes if o.preview), ""))


def resolve_instance(task: InstanceTask) -> InstanceOutcome:
    """Resolves the events of one instance into its buckets' files."""
    view, zone = task.events.view(task.version), ZoneInfo(task.zone)
    names = task.export.names
    groups = packed(view.groups(task.partitions, task.instance, zone=zone, names=names, span=task.span))
    files = {number: f"{task.instance:03}-{number:05}.rows" for number in groups["bucket"].unique().sort()}
    exported, late, preview = 0, 0, ""

    def all_resolved() -> Iterator[pl.DataFrame]:
        nonlocal exported, late, preview
        slices = view.slices(task.partitions, task.instance, names=names, span=task.span)
        for events, profiles in with_persons(slices, task.persons, task.instance, task.schema):
            resolved = resolve_events(events, profiles, task.export, task.plan, task.schema, zone)
            preview = preview or event_preview(resolved, task.plan, task.export.identity.order)
            exported += resolved.height
            late += int((resolved["ts"] < task.window_start).sum())
            yield resolved

    columns = resolved_event_schema(task.plan)
    spread(all_resolved(), groups, columns, lambda number: task.folder / files[number])
    return InstanceOutcome(tuple(_buckets(task.instance, groups, files)), exported, late, preview)


def _mode(span: Interval | None) -> Mode:
    """A one-time export is all that there is of its range."""
    return "incremental" if span is None else "full"


def persons_of(line: EventLine, partitions: Sequence[str]) -> tuple[Persons | None, SourceSchema, str]:
    """Where the persons of these partitions' events are looked up, their schema, and the fingerprint of their state."""
    if not line.source.has_profiles:
        return None, SourceSchema(()), ""
    view, last = line.lake.view(), partitions[-1]
    placed = line.event_lake.view().name_instances(partitions)
    everywhere = view.names_instances(last) and not placed
    return Persons(line.lake, view.version, last, everywhere), view.schema_as_of(last), view.state_of(last)


def with_persons(
    slices: Iterator[pl.DataFrame], known: Persons | None, instance: int, schema: SourceSchema
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame | None]]:
    """Each slice of events with the living profiles that they are of, as far as those are known.

    The slices come in order of h; profiles are read in one go beside them, and those of the last h are kept for events
    of the same ids in the next slice.
    """
    if known is None:
        yield from ((events, None) for events in slices)
        return
    view = known.lake.view(known.version)
    homes = view.instances(known.partition) if known.everywhere else (instance,)
    nobody = pl.DataFrame(schema=frame_columns(schema, None))
    with ExitStack() as stack:
        last = nobody
        readers = [stack.enter_context(view.lookup(known.partition, home)) for home in homes]
        for events in slices:
            ids = events.select("h", "clevertapId").drop_nulls()
            if ids.is_empty():
                yield events, nobody
                continue
            wanted, upper = Wanted.of(ids), ids["h"][-1] + 1
            found = pl.concat([last, *(reader.living(upper, wanted) for reader in readers)])
            last = found.filter(pl.col("h") == upper - 1)
            yield events, found


def _buckets(instance: int, groups: pl.DataFrame, files: Mapping[int, str]) -> Iterator[EventBucket]:
    for number, file in files.items():
        inside = groups.filter(pl.col("bucket") == number).select(_COUNTED)
        yield EventBucket(
            instance=instance,
            file=file,
            groups=tuple(EventGroup(event=event, day=day, rows=rows) for event, day, rows in inside.iter_rows()),
        )
