"""The preview of a flow's partition: what its run would send of each dataset, without writing anything."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from ctexport_dagster.core.datasets.age import ageless_warnings, why_ageless
from ctexport_dagster.core.datasets.columns import dataset_columns
from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.datasets.normalise import KnownTable, TableNormaliser
from ctexport_dagster.core.datasets.source import DatasetSource, Span
from ctexport_dagster.core.errors import LakeError, PartitionMissing
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.kinds import naming_of
from ctexport_dagster.core.manifest import ManifestColumn, Mode
from ctexport_dagster.core.run_names import run_names
from ctexport_dagster.dataset_line import DatasetLine
from ctexport_dagster.lake.datasets.chain import span_of
from ctexport_dagster.stages.dataset_chunks import choose
from ctexport_dagster.stages.preview import PREVIEW_RUN, Origin
from ctexport_dagster.stages.sampling import RefusedSample, until_rows

_FIRST_CHUNKS = (0, 1)


@dataclass(frozen=True)
class PreviewedDataset:
    """What a run would send of one dataset; `rows` are the first ones, `keys` those of the first two chunks."""

    dataset: str
    mode: Mode
    keys: tuple[str, ...]
    manifest_key: str
    columns: tuple[ManifestColumn, ...]
    origin: Origin
    rows: pl.DataFrame
    warnings: tuple[str, ...] = ()
    why_ageless: str | None = None


@dataclass(frozen=True)
class DatasetPreview:
    """What a run of the partition would send, dataset by dataset."""

    partition: str
    window: Interval
    was_edited: bool
    datasets: tuple[PreviewedDataset, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Sample:
    """The first rows of a dataset, at least those that are shown, with all its columns."""

    origin: Origin
    rows: pl.DataFrame
    warnings: tuple[str, ...] = ()


def preview_datasets(line: DatasetLine, source: object, partition: str, *, rows: int) -> DatasetPreview:
    """A preview with up to `rows` sample rows a dataset: of the lake where it has them, else of the source.

    Raises:
        SourceMissing: neither the lake nor the source has the partition.
    """
    versions = line.versions_with(partition)
    found = [_previewed(line, source, partition, dataset, rows) for dataset in line.taking_part(partition)]
    ageless = {one.dataset: one.why_ageless for one in found if one.why_ageless}
    warnings = (
        *naming_of(line.export).warnings,
        *line.export.format.warnings,
        *ageless_warnings(line.export, ageless),
        *(warning for one in found for warning in one.warnings),
    )
    return DatasetPreview(
        partition=partition,
        window=line.window(partition),
        was_edited=bool(line.versions().versions) and versions.versions != line.versions().versions,
        datasets=tuple(found),
        warnings=warnings,
    )


def _previewed(line: DatasetLine, source: object, partition: str, dataset: str, rows: int) -> PreviewedDataset:
    naming, held = naming_of(line.export), line.held(dataset)
    names = run_names(line.export, line.cadence, line.window(partition), PREVIEW_RUN)
    keys = tuple(naming.key(names, 0, index, held) for index in _FIRST_CHUNKS)
    sample = _sample(line, source, partition, dataset, rows)
    return PreviewedDataset(
        dataset=dataset,
        mode=line.mode(partition, dataset),
        keys=keys,
        manifest_key=naming.manifest_key(keys, names, 1, held),
        columns=dataset_columns(sample.rows.schema),
        origin=sample.origin,
        rows=sample.rows.head(rows),
        warnings=tuple(f"{dataset}: {warning}" for warning in sample.warnings),
        why_ageless=_why_ageless(line.declared(dataset), sample.rows),
    )


def _why_ageless(declared: DeclaredDataset, rows: pl.DataFrame) -> str | None:
    """Why nothing tells how old a row is. Without a row, a source's types may not be known yet."""
    is_declared = bool(declared.timestamp or declared.cursor)
    return None if is_declared and rows.is_empty() else why_ageless(declared, rows.schema)


def _sample(line: DatasetLine, source: object, partition: str, dataset: str, rows: int) -> _Sample:
    try:
        choice = choose(line, partition, dataset)
        frames = choice.young(choice.frames())
        return _Sample("lake", _head(frames, pl.DataFrame(schema=choice.schema), rows))
    except LakeError:
        return _from_source(line, source, partition, dataset)


def _head(frames: Iterator[pl.DataFrame], head: pl.DataFrame, rows: int) -> pl.DataFrame:
    for frame in frames:
        if head.height >= rows:
            break
        head = pl.concat([head, frame.head(rows - head.height)])
    return head


def _from_source(line: DatasetLine, source: object, partition: str, dataset: str) -> _Sample:
    """The first rows that the source gives for the partition, in the types that a run would take them in with."""
    last, cadence = line.source_partitions(line.window(partition))[-1], line.source.cadence
    window, view, declared = cadence.window_of(last), line.dataset_lake(dataset).view(), line.declared(dataset)
    # A table that is given whole may change its types: a sample can't tell whether most of its values have others.
    known = view.history.known_beside(last, window) if declared.holds == "added" else KnownTable()
    normaliser = TableNormaliser(declared, cadence.zone, known)
    refused = RefusedSample()
    frames = list(until_rows(_normalised(line, source, dataset, _span(line, dataset, window), normaliser, refused)))
    columns = pl.DataFrame(schema=normaliser.schema)
    rows = pl.concat([columns, *frames[-1:]], how="diagonal_relaxed").select(columns.columns)
    return _Sample("source", rows, refused.warnings)


def _normalised(
    line: DatasetLine, source: object, dataset: str, span: Span, normaliser: TableNormaliser, refused: RefusedSample
) -> Iterator[pl.DataFrame]:
    if not isinstance(source, DatasetSource):
        return
    for batch in source.dataset(dataset, span).batches():
        taken = normaliser.normalise(batch)
        yield refused.kept(taken.frame, taken.quarantined)


def _span(line: DatasetLine, dataset: str, window: Interval) -> Span:
    try:
        return span_of(line.dataset_lake(dataset).view(), line.declared(dataset), line.source.cadence, window)
    except PartitionMissing:  # the rows that a run takes in first aren't told from the partition's own
        return Span(line.source.cadence.key_of(window), window, None)
