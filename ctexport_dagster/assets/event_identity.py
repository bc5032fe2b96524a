"""The asset `<export>/identity_resolved_events`: the events that an export sends, with their persons."""

from time import perf_counter

import dagster as dg

from ctexport_dagster.assets import checks, metadata
from ctexport_dagster.assets.catalog import declared_in, disabled, tags_of
from ctexport_dagster.assets.earlier import PartitionFigures, earlier_partitions
from ctexport_dagster.assets.events import events_key
from ctexport_dagster.assets.failures import reported
from ctexport_dagster.assets.profiles import profiles_key
from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.core.events.export import EventExport
from ctexport_dagster.core.events.staged import EventGroup
from ctexport_dagster.core.figures import Figures
from ctexport_dagster.event_line import EventLine
from ctexport_dagster.partitions import partitions_of, window_of
from ctexport_dagster.stages.event_identity import EventIdentityOutcome, resolve_event_partition

_LISTED_NAMES = 100


def event_identity_key(export: str) -> dg.AssetKey:
    return dg.AssetKey([export, "identity_resolved_events"])


def event_identity_asset(line: EventLine, workshop: Workshop) -> dg.AssetsDefinition:
    """The asset of one events export."""
    name = f"{line.name}/identity_resolved_events"
    key = event_identity_key(line.name)
    source = line.source

    @dg.asset(
        key=key,
        deps=[events_key(source.name), *([profiles_key(source.name)] if source.has_profiles else [])],
        group_name=line.name,
        owners=[line.export.owner],
        partitions_def=partitions_of(line.cadence),
        pool=f"export_{line.name}",
        kinds={"polars"},
        description=disabled(line) + _description(line.export),
        tags=tags_of(line),
        metadata=declared_in(line),
        check_specs=checks.specs(key, "volume_is_usual"),
    )
    def identity_resolved_events(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        window = window_of(context)
        partition = line.cadence.key_of(window)
        started = perf_counter()
        with reported(context, line.name), line.locked():
            staged = resolve_event_partition(
                line,
                partition,
                engine=workshop.engine,
                run_id=context.run.run_id,
                progress=workshop.progress(name),
            )
        resolved = staged.resolved
        now = PartitionFigures(partition, resolved.mode, Figures(resolved.rows.exported, {}))
        earlier = earlier_partitions(context.instance, key, line, window)
        past = [told.figures.rows for told in earlier if told.mode == now.mode]
        return dg.MaterializeResult(
            data_version=dg.DataVersion(f"{resolved.lake_state} {resolved.content_version}"),
            metadata={
                **metadata.of_window(partition, window),
                **metadata.of_duration(perf_counter() - started),
                **metadata.of_plot(metadata.bars(earlier, now), "Events that the export sends"),
                **_told(staged),
            },
            check_results=checks.of_partition(partition, [checks.of_volume(now.figures.rows, past, now.mode)]),
        )

    return identity_resolved_events


def _told(staged: EventIdentityOutcome) -> metadata.Metadata:
    """What was staged: mode, counts, the events by name, and a preview."""
    resolved = staged.resolved
    return {
        "mode": dg.MetadataValue.text(resolved.mode),
        **metadata.of_counts(
            {
                "dagster/partition_row_count": resolved.rows.exported,
                "rows quarantined": resolved.rows.quarantined,
                "late events": resolved.late,
            }
        ),
        **metadata.of_warnings(staged.plan.warnings),
        **_events([group for bucket in resolved.buckets for group in bucket.groups]),
        **metadata.of_preview(staged.preview),
        **metadata.of_blanks(Figures(resolved.rows.exported, {})),
    }


def _events(groups: list[EventGroup]) -> metadata.Metadata:
    """The events by name, most frequent first, up to `_LISTED_NAMES`."""
    rows: dict[str, int] = {}
    days: dict[str, set[str]] = {}
    for group in groups:
        rows[group.event] = rows.get(group.event, 0) + group.rows
        days.setdefault(group.event, set()).add(group.day.isoformat())
    ranked = sorted(rows, key=lambda event: (-rows[event], event))
    records = [
        dg.TableRecord({"event": event, "rows": rows[event], "days": len(days[event])})
        for event in ranked[:_LISTED_NAMES]
    ]
    told = {**metadata.of_counts({"event names": len(ranked)})}
    return {**told, "events": dg.MetadataValue.table(records)} if records else told


def _description(export: EventExport) -> str:
    which = "All events" if export.events == "all" else f"The events {', '.join(export.events)}"
    when = (
        "that happened on the days of its range"
        if export.schedule.is_once
        else "that arrived in the window, late ones under their own day"
    )
    return f"{which} {when}, with their persons' identifiers by priority: {' → '.join(export.identity.order)}."
