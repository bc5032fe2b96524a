"""The asset `<export>/delivery`: the files at their destination, and after them the manifest that vouches for them."""

import dagster as dg

from ctexport_dagster.assets import metadata
from ctexport_dagster.assets.chunks import chunks_key
from ctexport_dagster.assets.failures import reported
from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.core.destination import Destination
from ctexport_dagster.line import Line
from ctexport_dagster.partitions import partitions_of, window_of
from ctexport_dagster.stages.delivery import deliver_partition


def delivery_key(export: str) -> dg.AssetKey:
    return dg.AssetKey([export, "delivery"])


def delivery_asset(line: Line, workshop: Workshop, *, kind: str, parallel: int = 4) -> dg.AssetsDefinition:
    """The asset of one export; `kind` is the destination's type, as Dagit's icons know it."""
    destination_name = line.export.destination

    @dg.asset(
        key=delivery_key(line.name),
        deps=[chunks_key(line.name)],
        group_name=line.name,
        owners=[line.export.owner],
        partitions_def=partitions_of(line.cadence),
        required_resource_keys={destination_name},
        pool=f"export_{line.name}",
        kinds={kind, line.export.format.type},
        description=(
            f"The partition's files at **{destination_name}**, then their manifest. A re-run sends only what isn't"
            " there yet; what was delivered is never deleted."
        ),
        check_specs=[
            dg.AssetCheckSpec(
                "every_row_is_accounted_for",
                asset=delivery_key(line.name),
                description="The source's rows are the unchanged, superseded, quarantined and exported ones together.",
            ),
            dg.AssetCheckSpec(
                "files_hold_every_exported_row",
                asset=delivery_key(line.name),
                description="The rows of the manifest's files together are the rows exported.",
            ),
        ],
    )
    def delivery(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        window = window_of(context)
        partition = line.cadence.key_of(window)
        destination: Destination = getattr(context.resources, destination_name)
        with reported(context, line.name), line.locked():
            outcome = deliver_partition(line, partition, destination, run_id=context.run.run_id, parallel=parallel)
        manifest = outcome.manifest
        rows_in_files = sum(file.rows for file in manifest.files)
        return dg.MaterializeResult(
            metadata={
                **metadata.of_window(partition, window),
                "mode": manifest.mode,
                "outcome": outcome.status,
                "generation": manifest.generation,
                **metadata.of_counts(
                    {
                        "dagster/partition_row_count": manifest.rows.exported,
                        "files": len(manifest.files),
                        "bytes": manifest.bytes,
                        "files sent by this run": outcome.sent_files,
                        "bytes sent by this run": outcome.sent_bytes,
                    }
                ),
                "manifest": dg.MetadataValue.path(outcome.manifest_address),
                **metadata.of_files(manifest.files, destination.address),
            },
            check_results=[
                dg.AssetCheckResult(
                    check_name="every_row_is_accounted_for",
                    passed=manifest.rows.adds_up,
                    metadata=metadata.of_counts(vars(manifest.rows)),
                ),
                dg.AssetCheckResult(
                    check_name="files_hold_every_exported_row",
                    passed=rows_in_files == manifest.rows.exported,
                    metadata=metadata.of_counts({"in files": rows_in_files, "exported": manifest.rows.exported}),
                ),
            ],
        )

    return delivery
