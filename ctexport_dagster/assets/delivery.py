"""The asset `<export>/delivery`: the files at their destination, and after them the manifest that vouches for them."""

from collections.abc import Iterable
from time import perf_counter

import dagster as dg

from ctexport_dagster.assets import checks, metadata
from ctexport_dagster.assets.catalog import declared_in, runs_by, tags_of
from ctexport_dagster.assets.chunks import chunks_key
from ctexport_dagster.assets.failures import reported
from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.clock import Clock
from ctexport_dagster.core.delivery.audit import audit_of
from ctexport_dagster.core.delivery.record import generations
from ctexport_dagster.core.delivery.request import USUAL_PACE, Pace
from ctexport_dagster.core.destination import Destination
from ctexport_dagster.findings.outdated import outdated_partitions
from ctexport_dagster.line import Line
from ctexport_dagster.partitions import partitions_of, window_of
from ctexport_dagster.stages.delivery import deliver_parts
from ctexport_dagster.volumes import UsageAt, nothing_is_counted


def delivery_key(export: str) -> dg.AssetKey:
    return dg.AssetKey([export, "delivery"])


def delivery_asset(
    line: Line,
    workshop: Workshop,
    *,
    kind: str,
    clock: Clock,
    pace: Pace = USUAL_PACE,
    usage_at: UsageAt = nothing_is_counted,
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
            f"The partition's files at {destination_name}, then their manifest. A re-run sends only what isn't"
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
            "source_is_as_delivered",
            *(() if usage_at is nothing_is_counted else ("year_is_within_entitlement",)),
        ),
    )
    def delivery(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        window = window_of(context)
        partition = line.cadence.key_of(window)
        destination: Destination = getattr(context.resources, destination_name)
        started = perf_counter()
        with reported(context, line.name), line.locked():
            outcomes = deliver_parts(line, partition, destination, run_id=context.run.run_id, pace=pace)
        manifests = [outcome.manifest for outcome in outcomes.values()]
        files = [file for manifest in manifests for file in manifest.files]
        delivered = [generations(line.records(partition)[name])[-1] for name in outcomes]
        return dg.MaterializeResult(
            metadata={
                **metadata.of_window(partition, window),
                **metadata.of_duration(perf_counter() - started),
                "mode": _alike(manifest.mode for manifest in manifests),
                "outcome": _alike(outcome.status for outcome in outcomes.values()),
                "generation": max((manifest.generation for manifest in manifests), default=0),
                **metadata.of_counts(
                    {
                        "dagster/partition_row_count": sum(manifest.rows.exported for manifest in manifests),
                        "files": len(files),
                        "bytes": sum(manifest.bytes for manifest in manifests),
                        "files sent by this run": sum(outcome.sent_files for outcome in outcomes.values()),
                        "bytes sent by this run": sum(outcome.sent_bytes for outcome in outcomes.values()),
                    }
                ),
                **{
                    f"manifest of {name}" if name else "manifest": dg.MetadataValue.path(outcome.manifest_address)
                    for name, outcome in outcomes.items()
                },
                **metadata.of_files(files, destination.address),
            },
            check_results=checks.of_partition(
                partition,
                [
                    *checks.of_manifests(manifests),
                    checks.of_audit(audit_of(delivered)),
                    checks.of_standing(line.standing(clock()), line.cadence),
                    checks.of_outdated(outdated_partitions(line, clock())),
                    *checks.of_usage(usage_at(clock()), line.name),
                ],
            ),
        )

    return delivery


def _alike(words: Iterable[str]) -> str:
    """What is told of all datasets of a flow, or by which they differ."""
    return ", ".join(dict.fromkeys(words))
