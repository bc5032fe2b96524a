"""The asset `<export>/formatted_chunks`: the files of a partition, formatted and compressed, in staging."""

from time import perf_counter
from typing import cast

import dagster as dg

from ctexport_dagster.assets import checks, metadata
from ctexport_dagster.assets.catalog import declared_in, tags_of
from ctexport_dagster.assets.failures import reported
from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.core.columns import plan_from_staged
from ctexport_dagster.core.export import PersonExport
from ctexport_dagster.core.staging import ResolvedRows, StagedChunks
from ctexport_dagster.event_line import EventLine
from ctexport_dagster.line import Line, ProfileLine
from ctexport_dagster.partitions import partitions_of, window_of
from ctexport_dagster.stages.chunks import format_partition
from ctexport_dagster.stages.event_staging import stage_event_chunks
from ctexport_dagster.stages.progress import Progress


def chunks_key(export: str) -> dg.AssetKey:
    return dg.AssetKey([export, "formatted_chunks"])


def chunks_asset(line: Line, workshop: Workshop) -> dg.AssetsDefinition:
    """The asset of one export, of whatever kind."""
    name = f"{line.name}/formatted_chunks"
    key = chunks_key(line.name)
    declared = line.export.format

    @dg.asset(
        key=key,
        deps=[dg.AssetKey([line.name, line.first_stage])],
        group_name=line.name,
        owners=[line.export.owner],
        partitions_def=partitions_of(line.cadence),
        pool=f"export_{line.name}",
        kinds={declared.type},
        description=(
            f"Files in **{declared.extension}**, style {declared.style}, each closed at"
            f" {line.export.files.chunk_size / 1e6:g} MB at the most and ready to be delivered."
        ),
        tags=tags_of(line),
        metadata=declared_in(line),
        check_specs=checks.specs(key, "chunks_hold_every_row"),
    )
    def formatted_chunks(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        window = window_of(context)
        partition = line.cadence.key_of(window)
        started = perf_counter()
        with reported(context, line.name), line.locked():
            staged = _staged(line, partition, workshop, run_id=context.run.run_id, progress=workshop.progress(name))
        held = sum(chunk.rows for chunk in staged.chunks)
        return dg.MaterializeResult(
            metadata={
                **metadata.of_window(partition, window),
                **metadata.of_duration(perf_counter() - started),
                "mode": staged.resolved.mode,
                **metadata.of_counts(
                    {
                        "dagster/partition_row_count": held,
                        "files": len(staged.chunks),
                        "bytes": sum(chunk.bytes for chunk in staged.chunks),
                    }
                ),
                **metadata.of_schema(plan_from_staged(staged.resolved.columns), cast("PersonExport", line.export)),
            },
            check_results=checks.of_partition(partition, [checks.of_chunks(held, staged.resolved.rows.exported)]),
        )

    return formatted_chunks


def _staged(
    line: Line, partition: str, workshop: Workshop, *, run_id: str, progress: Progress
) -> StagedChunks[ResolvedRows]:
    if isinstance(line, EventLine):
        return stage_event_chunks(line, partition, engine=workshop.engine, run_id=run_id, progress=progress)
    profiles = cast("ProfileLine", line)
    return format_partition(profiles, partition, engine=workshop.engine, run_id=run_id, progress=progress)
