"""The asset of one thing that a source gives: what is the same for profiles, events and datasets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import TypeAlias

import dagster as dg

from ctexport_dagster.assets import checks, metadata
from ctexport_dagster.assets.failures import reported
from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.plot import Bar
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.partitions import partitions_of, window_of
from ctexport_dagster.stages.progress import Progress

OF_COLUMNS: tuple[checks.CheckName, ...] = (
    "every_row_is_accounted_for",
    "every_row_is_usable",
    "declared_columns_are_given",
    "fields_are_as_before",
    "volume_is_usual",
)
"""The checks of what has columns of its own: profiles and tables."""


@dataclass(frozen=True)
class Content:
    """What a source gives under this name, and how the catalog speaks of it."""

    name: str
    pool: str
    kinds: frozenset[str]
    description: str
    checks: tuple[checks.CheckName, ...]
    bars: str
    """The title of the drawing of rows by partition."""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """One partition that a run is to take in, from the opened source."""

    source: object
    partition: str
    window: Interval
    run_id: str
    progress: Progress


@dataclass(frozen=True)
class Told:
    """What an ingest tells of its partition; `state` is a fingerprint of what a read of it gives."""

    state: str
    rows: int
    counts: Mapping[str, int]
    generation: int
    was_new: bool
    bars: Sequence[Bar]
    findings: Sequence[dg.AssetCheckResult]
    further: metadata.Metadata = field(default_factory=dict)


Ingest: TypeAlias = Callable[[Asked], Told]


def content_key(source: str, name: str) -> dg.AssetKey:
    """The key of the asset of what a source gives under a name."""
    return dg.AssetKey([source, name])


def source_asset(
    declaration: SourceDeclaration, content: Content, ingest: Ingest, workshop: Workshop, *, owners: Sequence[str]
) -> dg.AssetsDefinition:
    """The asset whose partitions are the source's; all exports of it stand on it, and their owners own it."""
    name = f"{declaration.name}/{content.name}"
    key = content_key(declaration.name, content.name)

    @dg.asset(
        key=key,
        group_name=declaration.name,
        owners=list(owners),
        partitions_def=partitions_of(declaration.cadence),
        required_resource_keys={declaration.name},
        pool=content.pool,
        kinds=set(content.kinds),
        tags={"ctexport/source": declaration.name, **content.tags},
        metadata={"declared in": f"resources/{declaration.name}.yaml"},
        description=content.description,
        check_specs=checks.specs(key, *content.checks),
    )
    def ingested(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        window = window_of(context)
        partition = declaration.cadence.key_of(window)
        source: object = getattr(context.resources, declaration.name)
        started = perf_counter()
        with reported(context, name):
            told = ingest(Asked(source, partition, window, context.run.run_id, workshop.progress(name)))
        return dg.MaterializeResult(
            data_version=dg.DataVersion(told.state),
            metadata={
                **metadata.of_window(partition, window),
                **metadata.of_duration(perf_counter() - started),
                **metadata.of_plot(told.bars, content.bars),
                **metadata.of_counts({"dagster/partition_row_count": told.rows}),
                **metadata.of_counts(told.counts),
                "was new": told.was_new,
                "generation": told.generation,
                **told.further,
            },
            check_results=checks.of_partition(partition, told.findings),
        )

    return ingested
