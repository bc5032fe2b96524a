"""The asset `<source>/profiles`: the state of a source's profiles, partition by partition, in the lake."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import cast

import dagster as dg

from ctexport_dagster.assets import checks, metadata
from ctexport_dagster.assets.source_asset import OF_COLUMNS, Asked, Content, Told, content_key, source_asset
from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.core.asset_names import PROFILES
from ctexport_dagster.core.checks import COMPARED, Drift, drift
from ctexport_dagster.core.manifest import Mode
from ctexport_dagster.core.plot import SHOWN_BARS, Bar
from ctexport_dagster.core.source import Source, SourceDeclaration
from ctexport_dagster.findings import misnamed
from ctexport_dagster.lake import Lake, PartitionRecord
from ctexport_dagster.lake.record import History
from ctexport_dagster.stages.profiles import ingest_partition


def profiles_key(source: str) -> dg.AssetKey:
    return content_key(source, PROFILES)


def profiles_asset(
    declaration: SourceDeclaration, workshop: Workshop, *, owners: Sequence[str] = ()
) -> dg.AssetsDefinition:
    """The asset of one source; all exports of the source stand on it, and their owners own it."""
    content = Content(
        name=PROFILES,
        pool=f"source_{declaration.name}",
        kinds=frozenset({"deltalake", "polars"}),
        description=_description(declaration),
        checks=OF_COLUMNS,
        bars="Rows that the source gave",
        tags={"ctexport/source_mode": declaration.mode},
    )

    def ingest(asked: Asked) -> Told:
        record = ingest_partition(
            declaration,
            cast("Source", asked.source),
            asked.partition,
            folders=workshop.folders,
            run_id=asked.run_id,
            progress=asked.progress,
        )
        lake = workshop.folders.lake(declaration.name)
        view = lake.view()
        history = view.listing.history.upto(asked.partition)
        return Told(
            state=view.state_of(asked.partition),
            rows=record.rows.logged,
            counts={f"rows {count}": number for count, number in asdict(record.rows).items()},
            generation=record.generation,
            was_new=record.is_new,
            bars=_bars(history),
            findings=_findings(declaration, lake, record, history),
            further=metadata.of_fields(record.present),
        )

    return source_asset(declaration, content, ingest, workshop, owners=owners)


def _findings(
    declaration: SourceDeclaration, lake: Lake, record: PartitionRecord, history: History
) -> list[dg.AssetCheckResult]:
    file = lake.quarantine / record.quarantine if record.quarantine else None
    return [
        checks.of_sum(record.rows.source, _parts(record)),
        checks.of_refused(record.rows.quarantined, record.rows.source, file),
        checks.of_declared_columns(misnamed.of_profiles(declaration, history)),
        checks.of_drift("fields_are_as_before", _drift(history)),
        checks.of_volume(record.rows.source, _earlier_rows(history), _mode(declaration)),
    ]


def _parts(record: PartitionRecord) -> dict[str, int]:
    rows = record.rows
    return {
        "unchanged": rows.unchanged,
        "superseded": rows.superseded,
        "quarantined": rows.quarantined,
        "logged": rows.logged,
    }


def _mode(declaration: SourceDeclaration) -> Mode:
    """What a partition of the source is like: everybody, or those who changed."""
    return "full" if declaration.mode == "snapshot" else "incremental"


def _earlier_rows(history: History) -> list[int]:
    return [record.rows.source for record in history.records[-COMPARED - 1 : -1]]


def _bars(history: History) -> list[Bar]:
    return [
        Bar(record.partition, record.rows.source, is_full=record.mode == "snapshot")
        for record in history.records[-SHOWN_BARS:]
    ]


def _drift(history: History) -> Drift | None:
    """How the fields of a history's last record differ from those of the one before; None for the first."""
    if len(history.records) == 1:
        return None
    before, now = history.records[-2:]
    return drift(_types(history.before(now.window), before), _types(history, now))


def _types(history: History, record: PartitionRecord) -> dict[str, str]:
    """Name → type as of a record, of the fields that it holds."""
    known = history.schema.by_name
    return {field.name: known[field.role, field.name].type.value for field in record.present}


def _description(declaration: SourceDeclaration) -> str:
    gives = "the whole state" if declaration.mode == "snapshot" else "the changed profiles"
    return (
        f"Profiles of the source {declaration.name}, which gives {gives} of every {declaration.every} hours"
        f" ({declaration.timezone}). The lake keeps what differs from the partition before; rows that can't be used"
        " wait in the quarantine with their reason."
    )
