"""The asset `<source>/events`: what happened to a source's people, in the lake, by the window in which it arrived."""

from collections.abc import Sequence

import dagster as dg

from ctexport_dagster.assets import checks
from ctexport_dagster.assets.source_asset import Asked, Content, Told, content_key, source_asset
from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.core.asset_names import EVENTS
from ctexport_dagster.core.checks import COMPARED
from ctexport_dagster.core.plot import SHOWN_BARS, Bar
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.lake.events import EventLake, EventRecord, NameCount
from ctexport_dagster.stages.events import ingest_event_partition

_LISTED_NAMES = 50


def events_key(source: str) -> dg.AssetKey:
    return content_key(source, EVENTS)


def events_asset(
    declaration: SourceDeclaration, workshop: Workshop, *, owners: Sequence[str] = ()
) -> dg.AssetsDefinition:
    """The asset of one source's events; all exports of them stand on it, and their owners own it."""
    content = Content(
        name=EVENTS,
        pool=f"events_{declaration.name}",
        kinds=frozenset({"deltalake", "polars"}),
        description=_description(declaration),
        checks=("every_row_is_accounted_for", "every_row_is_usable", "volume_is_usual"),
        bars="Events that the source gave",
    )

    def ingest(asked: Asked) -> Told:
        record = ingest_event_partition(
            declaration,
            asked.source,
            asked.partition,
            folders=workshop.folders,
            run_id=asked.run_id,
            progress=asked.progress,
        )
        lake = workshop.folders.event_lake(declaration.name)
        records = lake.view().records()
        upto = [one for one in records if one.window <= asked.window]
        rows = record.rows
        return Told(
            state=record.state,
            rows=rows.kept,
            counts={
                "rows source": rows.source,
                "rows quarantined": rows.quarantined,
                "event names": len(record.names),
            },
            generation=record.generation,
            was_new=record.is_new,
            bars=[Bar(one.partition, one.rows.source, is_full=False) for one in upto[-SHOWN_BARS:]],
            findings=_findings(lake, record, upto),
            further=_names(record.names),
        )

    return source_asset(declaration, content, ingest, workshop, owners=owners)


def _findings(lake: EventLake, record: EventRecord, upto: Sequence[EventRecord]) -> list[dg.AssetCheckResult]:
    file = lake.quarantine / record.quarantine if record.quarantine else None
    earlier = [one.rows.source for one in upto[-COMPARED - 1 : -1]]
    return [
        checks.of_sum(record.rows.source, {"quarantined": record.rows.quarantined, "kept": record.rows.kept}),
        checks.of_refused(record.rows.quarantined, record.rows.source, file),
        checks.of_volume(record.rows.source, earlier, "incremental"),
    ]


def _names(names: Sequence[NameCount]) -> dict[str, dg.MetadataValue]:
    """The most frequent event names with their counts."""
    frequent = sorted(names, key=lambda count: (-count.rows, count.event))[:_LISTED_NAMES]
    records = [dg.TableRecord({"event": count.event, "rows": count.rows}) for count in frequent]
    return {"events by name": dg.MetadataValue.table(records)} if records else {}


def _description(declaration: SourceDeclaration) -> str:
    return (
        f"Events of the source {declaration.name} that arrived in windows of {declaration.every} hours"
        f" ({declaration.timezone}), whenever they happened. Rows that can't be used wait in the quarantine with their"
        " reason."
    )
