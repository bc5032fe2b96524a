"""The asset `<export>/formatted_chunks`: the files of a partition, formatted and compressed, in staging."""

from collections.abc import Sequence
from time import perf_counter
from typing import cast

import dagster as dg

from ctexport_dagster.assets import checks, metadata
from ctexport_dagster.assets.catalog import declared_in, disabled, tags_of
from ctexport_dagster.assets.failures import reported
from ctexport_dagster.assets.identity import WHAT_TO_SEND
from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.core.columns import plan_from_staged
from ctexport_dagster.core.datasets.staged import ChosenRows
from ctexport_dagster.core.export import PersonExport
from ctexport_dagster.core.staging import ResolvedRows, StagedChunks
from ctexport_dagster.dataset_line import DatasetLine
from ctexport_dagster.event_line import EventLine
from ctexport_dagster.line import Line, ProfileLine
from ctexport_dagster.partitions import partitions_of, window_of
from ctexport_dagster.stages.chunks import format_partition
from ctexport_dagster.stages.dataset_chunks import stage_dataset_chunks
from ctexport_dagster.stages.event_staging import stage_event_chunks
from ctexport_dagster.stages.progress import Progress

Staged = Sequence[StagedChunks[ResolvedRows]]


def chunks_key(export: str) -> dg.AssetKey:
    return dg.AssetKey([export, "formatted_chunks"])


def chunks_asset(line: Line, workshop: Workshop) -> dg.AssetsDefinition:
    """The asset of one export, of whatever kind; a flow of datasets begins with it."""
    name = f"{line.name}/formatted_chunks"
    key = chunks_key(line.name)
    is_first = line.first_stage == key.path[-1]

    @dg.asset(
        key=key,
        deps=_deps(line),
        group_name=line.name,
        owners=[line.export.owner],
        partitions_def=partitions_of(line.cadence),
        pool=f"export_{line.name}",
        kinds={line.export.format.type},
        description=(disabled(line) if is_first else "") + _description(line),
        tags=tags_of(line),
        metadata=declared_in(line),
        config_schema=WHAT_TO_SEND if is_first else None,
        check_specs=checks.specs(key, "chunks_hold_every_row"),
    )
    def formatted_chunks(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        window = window_of(context)
        partition = line.cadence.key_of(window)
        started = perf_counter()
        with reported(context, line.name), line.locked():
            staged = _staged(
                line,
                partition,
                workshop,
                run_id=context.run.run_id,
                wants_full=is_first and context.op_execution_context.op_config["full"],
                progress=workshop.progress(name),
            )
        held = [sum(chunk.rows for chunk in one.chunks) for one in staged]
        exported = [one.resolved.rows.exported for one in staged]
        return dg.MaterializeResult(
            data_version=_data_version(staged) if is_first else None,
            metadata={
                **metadata.of_window(partition, window),
                **metadata.of_duration(perf_counter() - started),
                "mode": "full" if all(one.resolved.mode == "full" for one in staged) else "incremental",
                **metadata.of_counts(
                    {
                        "dagster/partition_row_count": sum(held),
                        "files": sum(len(one.chunks) for one in staged),
                        "bytes": sum(chunk.bytes for one in staged for chunk in one.chunks),
                    }
                ),
                **_told(line, staged),
            },
            check_results=checks.of_partition(partition, [checks.of_chunks(held, exported)]),
        )

    return formatted_chunks


def _deps(line: Line) -> list[dg.AssetKey]:
    if isinstance(line, DatasetLine):
        return [dg.AssetKey([line.source.name, dataset]) for dataset in line.inputs]
    return [dg.AssetKey([line.name, line.first_stage])]


def _description(line: Line) -> str:
    declared = line.export.format
    files = f"Files in {declared.extension}, style {declared.style}, each closed at"
    size = f"{line.export.files.chunk_size / 1e6:g} MB at the most and ready to be delivered."
    tables = f" Of the datasets {', '.join(line.inputs)}, as they are." if isinstance(line, DatasetLine) else ""
    return f"{files} {size}{tables}"


def _staged(
    line: Line, partition: str, workshop: Workshop, *, run_id: str, wants_full: bool, progress: Progress
) -> Staged:
    """What was staged for the partition; of a flow, for each of its datasets."""
    if isinstance(line, DatasetLine):
        return stage_dataset_chunks(line, partition, run_id=run_id, wants_full=wants_full, progress=progress)
    if isinstance(line, EventLine):
        return [stage_event_chunks(line, partition, engine=workshop.engine, run_id=run_id, progress=progress)]
    profiles = cast("ProfileLine", line)
    return [format_partition(profiles, partition, engine=workshop.engine, run_id=run_id, progress=progress)]


def _data_version(staged: Staged) -> dg.DataVersion:
    """What the files follow from: equal where they are."""
    parts = (f"{one.resolved.lake_state} {one.resolved.content_version} {one.resolved.mode}" for one in staged)
    return dg.DataVersion(" ".join(parts))


def _told(line: Line, staged: Staged) -> metadata.Metadata:
    """The columns; of a flow, what was staged of each dataset too."""
    if isinstance(line, DatasetLine):
        tables = [one for one in staged if isinstance(one.resolved, ChosenRows)]
        warnings = dict.fromkeys(warning for one in tables for warning in one.resolved.warnings)
        quarantined = {"rows quarantined": sum(one.resolved.rows.quarantined for one in tables)}
        return {**metadata.of_counts(quarantined), **metadata.of_tables(tables), **metadata.of_warnings(warnings)}
    (only,) = staged
    return metadata.of_schema(plan_from_staged(only.resolved.columns), cast("PersonExport", line.export))
