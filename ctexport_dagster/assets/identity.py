"""The asset `<export>/identity_resolved_profiles`: what an export sends for a partition, identities resolved."""

from collections.abc import Sequence
from time import perf_counter

import dagster as dg

from ctexport_dagster.assets import checks, metadata
from ctexport_dagster.assets.catalog import declared_in, disabled, tags_of
from ctexport_dagster.assets.earlier import PartitionFigures, earlier_partitions
from ctexport_dagster.assets.failures import reported
from ctexport_dagster.assets.profiles import profiles_key
from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.core.checks import Drift, drift
from ctexport_dagster.core.columns import ColumnPlan
from ctexport_dagster.core.delivery.record import latest_manifest
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.lineage import lineage
from ctexport_dagster.core.manifest import Manifest
from ctexport_dagster.line import ProfileLine
from ctexport_dagster.partitions import partitions_of, window_of
from ctexport_dagster.stages.identity import IdentityOutcome, resolve_partition

WHAT_TO_SEND = dg.Shape(
    {
        "full": dg.Field(
            bool,
            default_value=False,
            description="Send the whole state of the partition's end as a new base, though only changes were due.",
        )
    }
)
"""Nothing needs to be set: an export knows by itself what a partition carries.

One schema for all exports: a `dg.Config` is read anew for each, which costs half as much as all else of such an asset.
"""


def identity_key(export: str) -> dg.AssetKey:
    return dg.AssetKey([export, "identity_resolved_profiles"])


def identity_asset(line: ProfileLine, workshop: Workshop) -> dg.AssetsDefinition:
    """The asset of one export."""
    name = f"{line.name}/identity_resolved_profiles"
    key = identity_key(line.name)

    @dg.asset(
        key=key,
        deps=[profiles_key(line.source.name)],
        group_name=line.name,
        owners=[line.export.owner],
        partitions_def=partitions_of(line.cadence),
        pool=f"export_{line.name}",
        kinds={"polars"},
        description=disabled(line)
        + (
            "The profiles that this partition sends: everybody in a full one, else those created since, or with an"
            " identifier, property or communication preference changed. Identifiers by priority:"
            f" {' → '.join(line.export.identity.order)}."
        ),
        tags=tags_of(line),
        metadata=declared_in(line),
        config_schema=WHAT_TO_SEND,
        check_specs=checks.specs(
            key, "ids_are_unique", "phones_are_e164", "columns_are_as_before", "blanks_are_usual", "volume_is_usual"
        ),
    )
    def identity_resolved_profiles(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        window = window_of(context)
        partition = line.cadence.key_of(window)
        started = perf_counter()
        with reported(context, line.name), line.locked():
            staged = resolve_partition(
                line,
                partition,
                engine=workshop.engine,
                run_id=context.run.run_id,
                wants_full=context.op_execution_context.op_config["full"],
                progress=workshop.progress(name),
            )
        resolved = staged.resolved
        now = PartitionFigures(partition, resolved.mode, staged.figures)
        earlier = earlier_partitions(context.instance, key, line, window)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(f"{resolved.lake_state} {resolved.content_version} {resolved.mode}"),
            metadata={
                **metadata.of_window(partition, window),
                **metadata.of_duration(perf_counter() - started),
                **metadata.of_plot(metadata.bars(earlier, now), "Rows that the export sends"),
                **_told(line, staged),
            },
            check_results=checks.of_partition(partition, _findings(line, window, staged, now, earlier)),
        )

    return identity_resolved_profiles


def _told(line: ProfileLine, staged: IdentityOutcome) -> metadata.Metadata:
    """What was staged: mode, counts, columns and where they come from, and a preview."""
    resolved, plan = staged.resolved, staged.plan
    return {
        "mode": dg.MetadataValue.text(resolved.mode),
        **metadata.of_counts({"dagster/partition_row_count": resolved.rows.exported}),
        **metadata.of_counts({f"rows {count}": number for count, number in resolved.rows}),
        **metadata.of_schema(plan, line.export),
        **metadata.of_lineage(plan, lineage(plan, line.export, staged.schema), profiles_key(line.source.name)),
        **metadata.of_warnings(plan.warnings),
        **metadata.of_preview(staged.preview),
        **metadata.of_blanks(staged.figures),
    }


def _findings(
    line: ProfileLine,
    window: Interval,
    staged: IdentityOutcome,
    now: PartitionFigures,
    earlier: Sequence[PartitionFigures],
) -> list[dg.AssetCheckResult]:
    before = _manifest_before(line, window)
    version = staged.resolved.configuration_version
    return [
        checks.of_ids(now.figures),
        checks.of_phones(staged.phones),
        checks.of_drift(
            "columns_are_as_before",
            _drift(before, staged.plan) if before else None,
            edited=before is not None and before.configuration_version != version,
        ),
        checks.of_blanks(now, earlier),
        checks.of_volume(now.figures.rows, [told.figures.rows for told in earlier if told.mode == now.mode], now.mode),
    ]


def _manifest_before(line: ProfileLine, window: Interval) -> Manifest | None:
    """What was delivered of the partition before; None where nothing was."""
    before = line.cadence.before(window)
    return latest_manifest(line.folders.deliveries(line.name) / line.cadence.key_of(before)) if before else None


def _drift(before: Manifest, plan: ColumnPlan) -> Drift:
    return drift(
        {column.name: column.type for column in before.columns},
        {column.header: column.type.value for column in plan.columns},
    )
