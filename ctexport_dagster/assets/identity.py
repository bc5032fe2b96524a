"""The asset `<export>/identity_resolved_profiles`: what an export sends for a partition, identities resolved."""

import dagster as dg

from ctexport_dagster.assets import metadata
from ctexport_dagster.assets.failures import reported
from ctexport_dagster.assets.profiles import profiles_key
from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.core.lineage import lineage
from ctexport_dagster.line import Line
from ctexport_dagster.partitions import partitions_of, window_of
from ctexport_dagster.stages.identity import resolve_partition


class WhatToSend(dg.Config):
    """Nothing needs to be set: an export knows by itself what a partition carries."""

    full: bool = False
    """Send the whole state of the partition's end as a new base, though only changes were due."""


def identity_key(export: str) -> dg.AssetKey:
    return dg.AssetKey([export, "identity_resolved_profiles"])


def identity_asset(line: Line, workshop: Workshop) -> dg.AssetsDefinition:
    """The asset of one export."""
    name = f"{line.name}/identity_resolved_profiles"

    @dg.asset(
        key=identity_key(line.name),
        deps=[profiles_key(line.source.name)],
        group_name=line.name,
        owners=[line.export.owner],
        partitions_def=partitions_of(line.cadence),
        pool=f"export_{line.name}",
        kinds={"polars"},
        description=(
            "The profiles that this partition sends: everybody in a full one, else those created since, or with an"
            " identifier, property or communication preference changed. Identifiers by priority:"
            f" **{' → '.join(line.export.identity.order)}**."
        ),
        check_specs=[
            dg.AssetCheckSpec(
                "phones_are_e164",
                asset=identity_key(line.name),
                description="Phone values are E.164, as +15551234567. Others are sent as they are, and counted here.",
            )
        ],
    )
    def identity_resolved_profiles(context: dg.AssetExecutionContext, config: WhatToSend) -> dg.MaterializeResult:
        window = window_of(context)
        partition = line.cadence.key_of(window)
        with reported(context, line.name), line.locked():
            staged = resolve_partition(
                line,
                partition,
                engine=workshop.engine,
                run_id=context.run.run_id,
                wants_full=config.full,
                progress=workshop.progress(name),
            )
        resolved = staged.resolved
        return dg.MaterializeResult(
            data_version=dg.DataVersion(f"{resolved.lake_state} {resolved.content_version} {resolved.mode}"),
            metadata={
                **metadata.of_window(partition, window),
                "mode": resolved.mode,
                **metadata.of_counts({"dagster/partition_row_count": resolved.rows.exported}),
                **metadata.of_counts({f"rows {count}": number for count, number in resolved.rows}),
                **metadata.of_schema(staged.plan),
                **metadata.of_lineage(lineage(staged.plan, line.export, staged.schema), profiles_key(line.source.name)),
                **metadata.of_warnings(staged.plan.warnings),
                **metadata.of_preview(staged.preview),
            },
            check_results=[metadata.of_phones("phones_are_e164", staged.phones)],
        )

    return identity_resolved_profiles
