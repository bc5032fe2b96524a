"""The asset `<source>/profiles`: the state of a source's profiles, partition by partition, in the lake."""

from collections.abc import Sequence
from dataclasses import asdict
from time import perf_counter

import dagster as dg

from ctexport_dagster.assets import checks, metadata
from ctexport_dagster.assets.failures import reported
from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.core.checks import COMPARED, Drift, drift
from ctexport_dagster.core.manifest import Mode
from ctexport_dagster.core.plot import SHOWN_BARS, Bar
from ctexport_dagster.core.source import Source, SourceDeclaration
from ctexport_dagster.lake import PartitionRecord
from ctexport_dagster.lake.record import History
from ctexport_dagster.partitions import partitions_of, window_of
from ctexport_dagster.stages.profiles import ingest_partition


def profiles_key(source: str) -> dg.AssetKey:
    return dg.AssetKey([source, "profiles"])


def profiles_asset(
    declaration: SourceDeclaration, workshop: Workshop, *, owners: Sequence[str] = ()
) -> dg.AssetsDefinition:
    """The asset of one source; all exports of the source stand on it, and their owners own it."""
    name = f"{declaration.name}/profiles"
    key = profiles_key(declaration.name)

    @dg.asset(
        key=key,
        group_name=declaration.name,
        owners=list(owners),
        partitions_def=partitions_of(declaration.cadence),
        required_resource_keys={declaration.name},
        pool=f"source_{declaration.name}",
        kinds={"deltalake", "polars"},
        tags={"ctexport/source": declaration.name, "ctexport/source_mode": declaration.mode},
        metadata={"declared in": f"resources/{declaration.name}.yaml"},
        description=_description(declaration),
        check_specs=checks.specs(key, "every_row_is_accounted_for", "fields_are_as_before", "volume_is_usual"),
    )
    def profiles(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        window = window_of(context)
        partition = declaration.cadence.key_of(window)
        source: Source = getattr(context.resources, declaration.name)
        started = perf_counter()
        with reported(context, name):
            record = ingest_partition(
                declaration,
                source,
                partition,
                folders=workshop.folders,
                run_id=context.run.run_id,
                progress=workshop.progress(name),
            )
            view = workshop.folders.lake(declaration.name).view()
            state = view.state_of(partition)
        history = view.listing.history.upto(partition)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(state),
            metadata={
                **metadata.of_window(partition, window),
                **metadata.of_duration(perf_counter() - started),
                **metadata.of_plot(_bars(history), "Rows that the source gave"),
                **metadata.of_counts({"dagster/partition_row_count": record.rows.logged}),
                **metadata.of_counts({f"rows {count}": number for count, number in asdict(record.rows).items()}),
                "was new": record.is_new,
                "generation": record.generation,
                **metadata.of_fields(record.present),
            },
            check_results=checks.of_partition(partition, _findings(declaration, record, history)),
        )

    return profiles


def _findings(declaration: SourceDeclaration, record: PartitionRecord, history: History) -> list[dg.AssetCheckResult]:
    return [
        checks.of_sum(record.rows.source, _parts(record)),
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
        f"Profiles of the source **{declaration.name}**, which gives {gives} of every {declaration.every} hours"
        f" ({declaration.timezone}). The lake keeps what differs from the partition before; rows that can't be used"
        " wait in the quarantine with their reason."
    )
