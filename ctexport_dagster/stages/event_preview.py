"""The preview of a partition of events: what its run would send, under which names, without writing anything."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

import polars as pl

from ctexport_dagster.core.columns import ColumnPlan
from ctexport_dagster.core.errors import LakeError
from ctexport_dagster.core.events.columns import plan_event_columns
from ctexport_dagster.core.events.naming import event_naming, event_paths
from ctexport_dagster.core.events.normalise import EventNormaliser
from ctexport_dagster.core.events.resolve import resolve_events, resolved_event_schema
from ctexport_dagster.core.events.source import EventSource
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.run_names import FileOfEvent, run_names
from ctexport_dagster.core.schema import SourceSchema
from ctexport_dagster.event_line import EventLine, EventSelection
from ctexport_dagster.lake.events.merging import Choice
from ctexport_dagster.stages.event_identity import persons_of, with_persons
from ctexport_dagster.stages.preview import PREVIEW_RUN, Origin
from ctexport_dagster.stages.sampling import RefusedSample, until_rows

_Events: TypeAlias = tuple[pl.DataFrame, pl.DataFrame | None]
_SHOWN_FILES = 12
_EXAMPLE = "Event"


@dataclass(frozen=True)
class EventPreview:
    """What a run of the partition would send. `rows` is a resolved event frame.

    `keys`: the files of the first rows' events, a dozen at most; `rows` may be fewer than those looked at.
    """

    partition: str
    window: Interval
    span: Interval | None
    was_edited: bool
    plan: ColumnPlan
    keys: tuple[str, ...]
    manifest_key: str
    warnings: tuple[str, ...]
    origin: Origin
    rows: pl.DataFrame


def preview_event_partition(line: EventLine, source: object, partition: str, *, rows: int) -> EventPreview:
    """A preview with up to `rows` sample events: of the lake where it has the partition, else of the source.

    Where the sample comes from the source, persons are those that the events themselves tell.

    Raises:
        SourceMissing: neither the lake nor the source has the partition.
    """
    refused = RefusedSample()
    origin, schema, samples = _sample(line, source, partition, refused)
    plan = plan_event_columns(line.export, schema)
    naming = event_naming(line.export)
    zone = line.cadence.zone
    resolved = (resolve_events(events, persons, line.export, plan, schema, zone) for events, persons in samples)
    head, held = _head(resolved, rows, plan)
    names = run_names(line.export, line.cadence, line.window(partition), PREVIEW_RUN)
    keys = tuple(naming.key(names, 0, 0, file) for file in _files(held, line.window(partition).start.date()))
    versions = line.versions_with(partition)
    return EventPreview(
        partition=partition,
        window=line.window(partition),
        span=line.event_selection(partition).span,
        was_edited=bool(line.versions().versions) and versions.versions != line.versions().versions,
        plan=plan,
        keys=keys,
        manifest_key=naming.manifest_key(keys, names, 1),
        warnings=(*plan.warnings, *naming.warnings, *refused.warnings),
        origin=origin,
        rows=head,
    )


def _sample(
    line: EventLine, source: object, partition: str, refused: RefusedSample
) -> tuple[Origin, SourceSchema, Iterator[_Events]]:
    """Events and the profiles among which their persons are, not yet resolved."""
    chosen = line.event_selection(partition)
    names, view = line.export.names, line.event_lake.view()
    try:
        instances = view.instances(chosen.partitions)
        known, schema, _ = persons_of(line, chosen.partitions)
    except LakeError:
        given = until_rows(_from_source(line, source, chosen, refused))
        return "source", SourceSchema(()), ((events, None) for events in given)
    slices = (
        (instance, view.slices(chosen.partitions, instance, names=names, span=chosen.span)) for instance in instances
    )
    return (
        "lake",
        schema,
        (pair for instance, events in slices for pair in with_persons(events, known, instance, schema)),
    )


def _from_source(
    line: EventLine, source: object, chosen: EventSelection, refused: RefusedSample
) -> Iterator[pl.DataFrame]:
    """The export's own events, batch by batch, of the partitions that can hold any."""
    if not isinstance(source, EventSource):
        return
    normaliser, cadence = EventNormaliser(line.source), line.source.cadence
    wanted = Choice(line.export.names, chosen.span)
    windows = ((key, cadence.window_of(key)) for key in chosen.partitions)
    for key, window in windows if chosen.span else [*windows][-1:]:
        if chosen.span and window.end <= chosen.span.start:
            continue
        for batch in source.events(key, window).batches():
            taken = normaliser.normalise(batch)
            yield wanted.of(refused.kept(taken.frame, taken.quarantined))


def _head(frames: Iterator[pl.DataFrame], rows: int, plan: ColumnPlan) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The first rows, and name and day (each once) of all that were read to have them."""
    head = pl.DataFrame(schema=resolved_event_schema(plan))
    held = head.select("eventName", "day")
    for frame in frames:
        head = pl.concat([head, frame.head(rows - head.height)])
        held = pl.concat([held, frame.select("eventName", "day")]).unique(maintain_order=True)
        if head.height >= rows:
            break
    return head, held


def _files(held: pl.DataFrame, day: date) -> list[FileOfEvent]:
    """What the files of the first few events hold; of an example, where there is none."""
    found = held.head(_SHOWN_FILES).rows()
    if not found:
        return [FileOfEvent(_EXAMPLE, day)]
    paths = event_paths(event for event, _ in found).paths
    return [FileOfEvent(paths[event], of) for event, of in found]
