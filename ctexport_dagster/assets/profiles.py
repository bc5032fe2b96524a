"""The asset `<source>/profiles`: the state of a source's profiles, partition by partition, in the lake."""

from dataclasses import asdict

import dagster as dg

from ctexport_dagster.assets import metadata
from ctexport_dagster.assets.failures import reported
from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.core.source import Source, SourceDeclaration
from ctexport_dagster.partitions import partitions_of, window_of
from ctexport_dagster.stages.profiles import ingest_partition


def profiles_key(source: str) -> dg.AssetKey:
    return dg.AssetKey([source, "profiles"])


def profiles_asset(declaration: SourceDeclaration, workshop: Workshop) -> dg.AssetsDefinition:
    """The asset of one source; all exports of the source stand on it."""
    name = f"{declaration.name}/profiles"

    @dg.asset(
        key=profiles_key(declaration.name),
        group_name=declaration.name,
        partitions_def=partitions_of(declaration.cadence),
        required_resource_keys={declaration.name},
        pool=f"source_{declaration.name}",
        kinds={"deltalake", "polars"},
        description=_description(declaration),
        check_specs=[
            dg.AssetCheckSpec(
                "every_row_is_accounted_for",
                asset=profiles_key(declaration.name),
                description="The source's rows are the unchanged, superseded, quarantined and logged ones together.",
            )
        ],
    )
    def profiles(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        window = window_of(context)
        partition = declaration.cadence.key_of(window)
        source: Source = getattr(context.resources, declaration.name)
        with reported(context, name):
            record = ingest_partition(
                declaration,
                source,
                partition,
                folders=workshop.folders,
                run_id=context.run.run_id,
                progress=workshop.progress(name),
            )
            state = workshop.folders.lake(declaration.name).view().state_of(partition)
        rows = record.rows
        accounted = rows.unchanged + rows.superseded + rows.quarantined + rows.logged
        return dg.MaterializeResult(
            data_version=dg.DataVersion(state),
            metadata={
                **metadata.of_window(partition, window),
                **metadata.of_counts({"dagster/partition_row_count": rows.logged}),
                **metadata.of_counts({f"rows {count}": number for count, number in asdict(rows).items()}),
                "was new": record.is_new,
                "generation": record.generation,
                **metadata.of_fields(record.present),
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name="every_row_is_accounted_for",
                    passed=accounted == rows.source,
                    metadata={"source rows": rows.source, "accounted for": accounted},
                )
            ],
        )

    return profiles


def _description(declaration: SourceDeclaration) -> str:
    gives = "the whole state" if declaration.mode == "snapshot" else "the changed profiles"
    return (
        f"Profiles of the source **{declaration.name}**, which gives {gives} of every {declaration.every} hours"
        f" ({declaration.timezone}). The lake keeps what differs from the partition before; rows that can't be used"
        " wait in the quarantine with their reason."
    )
