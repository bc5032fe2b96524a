"""The asset `<export>/formatted_chunks`: the files of a partition, formatted and compressed, in staging."""

import dagster as dg

from ctexport_dagster.assets import metadata
from ctexport_dagster.assets.failures import reported
from ctexport_dagster.assets.identity import identity_key
from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.line import Line
from ctexport_dagster.partitions import partitions_of, window_of
from ctexport_dagster.stages.chunks import format_partition


def chunks_key(export: str) -> dg.AssetKey:
    return dg.AssetKey([export, "formatted_chunks"])


def chunks_asset(line: Line, workshop: Workshop) -> dg.AssetsDefinition:
    """The asset of one export."""
    name = f"{line.name}/formatted_chunks"
    declared = line.export.format

    @dg.asset(
        key=chunks_key(line.name),
        deps=[identity_key(line.name)],
        group_name=line.name,
        owners=[line.export.owner],
        partitions_def=partitions_of(line.cadence),
        pool=f"export_{line.name}",
        kinds={declared.type},
        description=(
            f"Files in **{declared.extension}**, style {declared.style}, each closed at"
            f" {line.export.files.chunk_size / 1e6:g} MB at the most and ready to be delivered."
        ),
    )
    def formatted_chunks(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        window = window_of(context)
        partition = line.cadence.key_of(window)
        with reported(context, line.name), line.locked():
            chunks = format_partition(
                line, partition, engine=workshop.engine, run_id=context.run.run_id, progress=workshop.progress(name)
            ).chunks
        return dg.MaterializeResult(
            metadata={
                **metadata.of_window(partition, window),
                **metadata.of_counts(
                    {
                        "dagster/partition_row_count": sum(chunk.rows for chunk in chunks),
                        "files": len(chunks),
                        "bytes": sum(chunk.bytes for chunk in chunks),
                    }
                ),
            }
        )

    return formatted_chunks
