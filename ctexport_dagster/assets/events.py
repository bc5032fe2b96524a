"""The asset `<source>/events`: what happened to a source's people, in the lake, by the window in which it arrived."""

from collections.abc import Sequence
from time import perf_counter

import dagster as dg

from ctexport_dagster.assets import checks, metadata
from ctexport_dagster.assets.failures import reported
from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.core.checks import COMPARED
from ctexport_dagster.core.plot import SHOWN_BARS, Bar
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.lake.events import EventRecord, NameCount
from ctexport_dagster.partitions import partitions_of, window_of
from ctexport_dagster.stages.events import ingest_event_partition

_LISTED_NAMES = 50


def events_key(source: str) -> dg.AssetKey:
    return dg.AssetKey([source, "events"])


def events_asset(
    declaration: SourceDeclaration, workshop: Workshop, *, owners: Sequence[str] = ()
) -> dg.AssetsDefinition:
    """The asset of one source's events; all exports of them stand on it, and their owners own it."""
    name = f"{declaration.name}/events"
    key = events_key(declaration.name)

    @dg.asset(
        key=key,
        group_name=declaration.name,
        owners=list(owners),
        partitions_def=partitions_of(declaration.cadence),
        required_resource_keys={declaration.name},
        pool=f"events_{declaration.name}",
        kinds={"deltalake", "polars"},
        tags={"ctexport/source": declaration.name},
        metadata={"declared in": f"resources/{declaration.name}.yaml"},
        description=_description(declaration),
        check_specs=checks.specs(key, "every_row_is_accounted_for", "volume_is_usual"),
    )
    def events(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        window = window_of(context)
        partition = declaration.cadence.key_of(window)
        started = perf_counter()
        with reported(context, name):
            record = ingest_event_partition(
                declaration,
                getattr(context.resources, declaration.name),
                partition,
                folders=workshop.folders,
                run_id=context.run.run_id,
                progress=workshop.progress(name),
            )
        upto = [r for r in workshop.folders.event_lake(declaration.name).view().records() if r.window <= window]
        return dg.MaterializeResult(
            data_version=dg.DataVersion(record.state),
            metadata={
                **metadata.of_window(partition, window),
                **metadata.of_duration(perf_counter() - started),
                **metadata.of_plot(_bars(upto), "Events that the source gave"),
                **metadata.of_counts({"dagster/partition_row_count": record.rows.kept}),
                **metadata.of_counts({"rows source": record.rows.source, "rows quarantined": record.rows.quarantined}),
                **metadata.of_counts({"event names": len(record.names)}),
                **_names(record.names),
                "was new": record.is_new,
                "generation": record.generation,
            },
            check_results=checks.of_partition(partition, _findings(record, upto)),
        )

    return events


def _findings(record: EventRecord, upto: Sequence[EventRecord]) -> list[dg.AssetCheckResult]:
    earlier = [one.rows.source for one in upto[-COMPARED - 1 : -1]]
    return [
        checks.of_sum(record.rows.source, {"quarantined": record.rows.quarantined, "kept": record.rows.kept}),
        checks.of_volume(record.rows.source, earlier, "incremental"),
    ]


def _bars(upto: Sequence[EventRecord]) -> list[Bar]:
    return [Bar(record.partition, record.rows.source, is_full=False) for record in upto[-SHOWN_BARS:]]


def _names(names: Sequence[NameCount]) -> dict[str, dg.MetadataValue]:
    """The most frequent event names with their counts."""
    frequent = sorted(names, key=lambda count: (-count.rows, count.event))[:_LISTED_NAMES]
    records = [dg.TableRecord({"event": count.event, "rows": count.rows}) for count in frequent]
    return {"events by name": dg.MetadataValue.table(records)} if records else {}


def _description(declaration: SourceDeclaration) -> str:
    return (
        f"Events of the source **{declaration.name}** that arrived in windows of {declaration.every} hours"
        f" ({declaration.timezone}), whenever they happened. Rows that can't be used wait in the quarantine with their"
        " reason."
    )
