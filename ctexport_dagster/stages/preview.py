"""The preview of a partition: what its run would send, under which names, without writing anything."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import polars as pl

from ctexport_dagster.core.changes import classify
from ctexport_dagster.core.column_plan import plan_columns
from ctexport_dagster.core.columns import ColumnPlan
from ctexport_dagster.core.errors import LakeError
from ctexport_dagster.core.identity import resolve
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.manifest import Mode
from ctexport_dagster.core.naming import Naming
from ctexport_dagster.core.normalise.normaliser import Normaliser
from ctexport_dagster.core.run_names import run_names
from ctexport_dagster.core.schema import SourceSchema
from ctexport_dagster.core.source import Source
from ctexport_dagster.core.versions import Versions, mode_of
from ctexport_dagster.lake import LakeView
from ctexport_dagster.line import ProfileLine
from ctexport_dagster.stages.identity import locked_schema
from ctexport_dagster.stages.sampling import RefusedSample, until_rows

PREVIEW_RUN = "preview"
Origin = Literal["lake", "source"]


@dataclass(frozen=True)
class Preview:
    """What a run of the partition would send. `rows` is a resolved frame; `keys` are those of the first two chunks."""

    partition: str
    window: Interval
    mode: Mode
    was_edited: bool
    """Whether the declaration was edited since the last run, so that this run begins a new version of it."""
    plan: ColumnPlan
    keys: tuple[str, ...]
    manifest_key: str
    warnings: tuple[str, ...]
    origin: Origin
    """Where the sample rows come from: the lake, or the source itself where the lake doesn't have the partition."""
    rows: pl.DataFrame


def preview_partition(line: ProfileLine, source: Source, partition: str, *, rows: int) -> Preview:
    """A preview with up to `rows` sample rows: of the changed ones in an increment that the lake has, else of all.

    Raises:
        SourceMissing: neither the lake nor the source has the partition.
        ConfigurationError: under `strict`, two columns have one name.
    """
    versions = line.versions_with(partition)
    first = line.cadence.key_of(line.cadence.first)
    mode = mode_of(line.export, partition, first=first, versions=versions, wants_full=False)
    sample = sample_of(line, source, partition, mode)
    plan = plan_columns(line.export, sample.schema, _locked(line, versions, sample))
    naming = Naming.of(line.export)
    names = run_names(line.export, line.cadence, line.window(partition), PREVIEW_RUN)
    keys = tuple(naming.key(names, instance, index) for instance, index in _first_chunks(line))
    frames = (resolve(frame, line.export, plan, sample.schema) for frame in sample.frames)
    return Preview(
        partition=partition,
        window=line.window(partition),
        mode=mode,
        was_edited=bool(line.versions().versions) and versions.versions != line.versions().versions,
        plan=plan,
        keys=keys,
        manifest_key=naming.manifest_key(keys, names, 1),
        warnings=(*plan.warnings, *naming.warnings, *sample.warnings),
        origin=sample.origin,
        rows=_head(frames, rows, plan),
    )


@dataclass(frozen=True)
class Sample:
    """Profile frames of a partition, not yet resolved, and the schema that they have."""

    origin: Origin
    schema: SourceSchema
    frames: Iterator[pl.DataFrame]
    warnings: tuple[str, ...] = ()


def sample_of(line: ProfileLine, source: Source, partition: str, mode: Mode) -> Sample:
    """The rows that a run in this mode would begin with: of the lake, where it has the partition, else of the source.

    Raises:
        SourceMissing: neither has it.
    """
    return _from_lake(line, partition, mode) or _from_source(line, source, partition)


def _from_lake(line: ProfileLine, partition: str, mode: Mode) -> Sample | None:
    view = line.lake.view()
    source_partitions = line.source_partitions(line.window(partition))
    try:
        view.state_of(source_partitions[-1])
    except LakeError:
        return None
    schema = view.schema_as_of(source_partitions[-1])
    return Sample("lake", schema, _lake_frames(view, source_partitions, mode, schema))


def _lake_frames(
    view: LakeView, partitions: tuple[str, ...], mode: Mode, schema: SourceSchema
) -> Iterator[pl.DataFrame]:
    for instance in view.instances(partitions[-1]):
        if mode == "full":
            yield from view.slices(partitions[-1], instance)
        else:
            for touched in view.touched(partitions, instance):
                yield classify(touched.before, touched.after, schema).exported


def _from_source(line: ProfileLine, source: Source, partition: str) -> Sample:
    """The first of the source's own rows: what is new or changed in them isn't known without the lake."""
    last = line.source_partitions(line.window(partition))[-1]
    given = source.profiles(last, line.source.cadence.window_of(last))
    normaliser, refused = Normaliser(line.source, SourceSchema()), RefusedSample()
    batches = (normaliser.normalise(batch) for batch in given.batches())
    frames = list(until_rows(refused.kept(batch.frame, batch.quarantined) for batch in batches))
    schema = SourceSchema().evolved(normaliser.present)
    return Sample("source", schema, iter(frames[-1:]), refused.warnings)


def _locked(line: ProfileLine, versions: Versions, sample: Sample) -> SourceSchema | None:
    if sample.origin == "source":
        return None
    return locked_schema(line, line.lake.view(), versions)


def _first_chunks(line: ProfileLine) -> list[tuple[int, int]]:
    """Instance and index of the chunks whose names tell the pattern."""
    return [(0, 0), (0, 1), *([(1, 0)] if line.source.instances > 1 else [])]


def _head(frames: Iterator[pl.DataFrame], rows: int, plan: ColumnPlan) -> pl.DataFrame:
    head = pl.DataFrame(schema=plan.frame_schema)
    for frame in frames:
        head = pl.concat([head, frame.head(rows - head.height)])
        if head.height >= rows:
            break
    return head
