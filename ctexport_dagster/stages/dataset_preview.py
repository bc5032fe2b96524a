"""The preview of a flow's partition: what its run would send of each dataset, without writing anything."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import polars as pl

from ctexport_dagster.core.datasets.age import age_column, ageless_warnings
from ctexport_dagster.core.datasets.columns import dataset_columns
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


@dataclass(frozen=True)
class DatasetPreview:
    """What a run of the partition would send, dataset by dataset."""

    partition: str
    window: Interval
    was_edited: bool
    datasets: tuple[PreviewedDataset, ...]
    warnings: tuple[str, ...]


def preview_datasets(line: DatasetLine, source: object, partition: str, *, rows: int) -> DatasetPreview:
    """A preview with up to `rows` sample rows a dataset: of the lake where it has them, else of the source.

    Raises:
        SourceMissing: neither the lake nor the source has the partition.
    """
    versions = line.versions_with(partition)
    found = [_previewed(line, source, partition, dataset, rows) for dataset in line.taking_part(partition)]
    ageless = [one.dataset for one in found if age_column(line.declared(one.dataset), one.rows.schema) is None]
    warnings = (
        *naming_of(line.export).warnings,
        *line.export.format.warnings,
        *ageless_warnings(line.export, ageless),
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
    origin, sample = _sample(line, source, partition, dataset, rows)
    return PreviewedDataset(
        dataset=dataset,
        mode=line.mode(partition, dataset),
        keys=keys,
        manifest_key=naming.manifest_key(keys, names, 1, held),
        columns=dataset_columns(sample.schema),
        origin=origin,
        rows=sample,
    )


def _sample(line: DatasetLine, source: object, partition: str, dataset: str, rows: int) -> tuple[Origin, pl.DataFrame]:
    try:
        choice = choose(line, partition, dataset)
        frames = choice.young(choice.frames())
        return "lake", _head(frames, pl.DataFrame(schema=choice.schema), rows)
    except LakeError:
        first = next(_from_source(line, source, partition, dataset), pl.DataFrame())
        return "source", first.head(rows)


def _head(frames: Iterator[pl.DataFrame], head: pl.DataFrame, rows: int) -> pl.DataFrame:
    for frame in frames:
        if head.height >= rows:
            break
        head = pl.concat([head, frame.head(rows - head.height)])
    return head


def _from_source(line: DatasetLine, source: object, partition: str, dataset: str) -> Iterator[pl.DataFrame]:
    """The first batch that the source gives for the partition, as it gives it: its types may still be texts'."""
    if not isinstance(source, DatasetSource):
        return
    last, cadence = line.source_partitions(line.window(partition))[-1], line.source.cadence
    window, view = cadence.window_of(last), line.dataset_lake(dataset).view()
    try:
        span = span_of(view, line.declared(dataset), cadence, window)
    except PartitionMissing:  # the rows that a run takes in first aren't told from the partition's own
        span = Span(last, window, None)
    given = source.dataset(dataset, span)
    yield from (batch.frame for batch in islice(given.batches(), 1))
