"""The asset `<export>/delivery`: the files at their destination, and after them the manifest that vouches for them."""

from time import perf_counter

import dagster as dg

from ctexport_dagster.assets import checks, metadata
from ctexport_dagster.assets.catalog import declared_in, runs_by, tags_of
from ctexport_dagster.assets.chunks import chunks_key
from ctexport_dagster.assets.failures import reported
from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.clock import Clock
from ctexport_dagster.core.delivery.audit import audit
from ctexport_dagster.core.delivery.record import generations
from ctexport_dagster.core.delivery.request import USUAL_PACE, Pace
from ctexport_dagster.core.destination import Destination
from ctexport_dagster.line import Line
from ctexport_dagster.partitions import partitions_of, window_of
from ctexport_dagster.stages.delivery import deliver_partition


def delivery_key(export: str) -> dg.AssetKey:
    return dg.AssetKey([export, "delivery"])


def delivery_asset(
    line: Line, workshop: Workshop, *, kind: str, clock: Clock, pace: Pace = USUAL_PACE
) -> dg.AssetsDefinition:
    """The asset of one export; `kind` is the destination's type, as Dagit's icons know it."""
    destination_name = line.export.destination
    key = delivery_key(line.name)

    @dg.asset(
        key=key,
        deps=[chunks_key(line.name)],
        group_name=line.name,
        owners=[line.export.owner],
        partitions_def=partitions_of(line.cadence),
        required_resource_keys={destination_name},
        pool=f"export_{line.name}",
        kinds={kind, line.export.format.type},
        description=(
            f"The partition's files at **{destination_name}**, then their manifest. A re-run sends only what isn't"
            f" there yet; what was delivered is never deleted. {runs_by(line)}"
        ),
        tags=tags_of(line),
        metadata=declared_in(line),
        check_specs=checks.specs(
            key,
            "every_row_is_accounted_for",
            "files_hold_every_exported_row",
            "files_are_as_planned",
            "newest_partition_is_on_time",
        ),
    )
    def delivery(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        window = window_of(context)
        partition = line.cadence.key_of(window)
        destination: Destination = getattr(context.resources, destination_name)
        started = perf_counter()
        with reported(context, line.name), line.locked():
            outcome = deliver_partition(line, partition, destination, run_id=context.run.run_id, pace=pace)
        manifest = outcome.manifest
        delivered = generations(line.folders.deliveries(line.name) / partition)[-1]
        return dg.MaterializeResult(
            metadata={
                **metadata.of_window(partition, window),
                **metadata.of_duration(perf_counter() - started),
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
            check_results=checks.of_partition(
                partition,
                [
                    *checks.of_manifest(manifest),
                    checks.of_audit(audit(delivered)),
                    checks.of_standing(line.standing(clock()), line.cadence),
                ],
            ),
        )

    return delivery
