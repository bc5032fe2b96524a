"""The line of one flow of datasets: what a `Line` has, and which rows of each dataset a partition holds."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import time
from functools import cached_property
from pathlib import Path

from ctexport_dagster.core.atomic import write_bytes
from ctexport_dagster.core.catch_up import DueWindows
from ctexport_dagster.core.datasets.declared import DeclaredDataset, Holds
from ctexport_dagster.core.datasets.export import DatasetExport
from ctexport_dagster.core.datasets.firsts import FirstPartitions
from ctexport_dagster.core.datasets.naming import file_of
from ctexport_dagster.core.datasets.receipt import receipt
from ctexport_dagster.core.datasets.staged import DatasetChunks
from ctexport_dagster.core.delivery.record import latest_manifest
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.manifest import Manifest, ManifestHead, Mode, RowCounts
from ctexport_dagster.core.run_names import FileOfDataset
from ctexport_dagster.core.staging import StagingArea
from ctexport_dagster.core.versions import Versions, mode_of
from ctexport_dagster.lake.datasets import DatasetLake, DatasetView
from ctexport_dagster.line import Line, StagedPart


@dataclass(frozen=True)
class DatasetSelection:
    """The rows of one dataset in one partition: those of these of the source's partitions, oldest first.

    `window`: of them, those whose refused rows count as the partition's own.
    """

    partitions: tuple[str, ...]
    window: tuple[str, ...]


class DatasetLine(Line[DatasetExport]):
    """One flow of datasets and everything that its stages need to know.

    A partition is delivered when all of its datasets are: then its receipt is written (core/datasets/receipt.py).
    """

    @property
    def inputs(self) -> tuple[str, ...]:
        """The flow's datasets."""
        return self.export.datasets

    @property
    def first_stage(self) -> str:
        """Tables go out as they are: nothing is resolved before they are formatted."""
        return "formatted_chunks"

    @property
    def waits_for(self) -> tuple[Hashable, ...]:
        """What a flow needs of a table that is given whole each time depends on what it delivered."""
        return *super().waits_for, self.name

    def dataset_lake(self, dataset: str) -> DatasetLake:
        """The lake of one of the source's datasets."""
        return self.folders.dataset_lake(self.source.name, dataset)

    def declared(self, dataset: str) -> DeclaredDataset:
        """What the source declares of a dataset; that it does is for the declaration's checks."""
        return self.source.declared_datasets[dataset]

    def held(self, dataset: str) -> FileOfDataset:
        """What the files of a dataset hold, for their names."""
        return file_of(dataset, self.declared(dataset))

    def taking_part(self, partition: str) -> tuple[str, ...]:
        """The flow's datasets that go out with a partition: those that had come to the flow by then."""
        return tuple(name for name in self.export.datasets if self._first(name, partition) <= partition)

    def mode(self, partition: str, dataset: str, *, wants_full: bool = False) -> Mode:
        """Whether a dataset goes out whole, or with what was added in the partition's window. Source: S12, A3."""
        versions, first = self.versions_with(partition), self._first(dataset, partition)
        return mode_of(self.export, partition, first=first, versions=versions, wants_full=wants_full)

    def selection(self, partition: str, dataset: str, mode: Mode) -> DatasetSelection:
        """Which of the source's partitions have a dataset's rows."""
        window = self.window(partition)
        tiles = self.source_partitions(window)
        if self.declared(dataset).holds == "all":
            return DatasetSelection(tiles[-1:], tiles[-1:])
        if mode == "incremental":
            return DatasetSelection(tiles, tiles)
        cadence = self.source.cadence
        everything = tuple(cadence.key_of(tile) for tile in cadence.windows(until=window.end))
        return DatasetSelection(everything, tiles)

    def dataset_staging(self, partition: str, dataset: str) -> StagingArea:
        """The staging of one dataset in a partition."""
        return StagingArea(self.staging(partition).root / dataset, dataset)

    def staged_parts(self, partition: str) -> list[StagedPart]:
        """What `formatted_chunks` staged for a partition, dataset by dataset.

        Raises:
            StagingMissing: it has not run for this partition and all of its datasets, or the format was edited since.
        """
        return [self._staged_part(partition, dataset) for dataset in self.taking_part(partition)]

    def records(self, partition: str) -> Mapping[str, Path]:
        """The folders that tell of a partition's deliveries, by dataset."""
        return {dataset: self.record(partition) / dataset for dataset in self.taking_part(partition)}

    def note_delivered(self, partition: str, manifests: Sequence[Manifest]) -> None:
        """Writes the partition's receipt, unless the last one tells the same."""
        record = self.record(partition)
        last = latest_manifest(record)
        if last and not manifests:
            return
        new = receipt(self._head(partition, manifests), manifests, generation=last.generation + 1 if last else 1)
        if last is None or not new.tells_the_same_as(last):
            write_bytes(record / f"manifest-g{new.generation}.json", new.to_json().encode())

    def unready(self, tiles: Sequence[Interval]) -> list[Interval]:
        """Those of the source's first windows, oldest first, of which a dataset that is needed isn't in the lake."""
        missing = {tile for dataset in self.inputs for tile in self._missing(dataset, tiles)}
        return [tile for tile in tiles if tile in missing]

    def note_run(self, partition: str) -> Versions:
        """Writes down that this partition runs under the present declaration; gives the versions with it.

        The datasets first: by the newest partition that ran, which the versions tell, a new one's first is settled.
        """
        firsts = self._first_partitions(partition)
        if firsts != self._noted_firsts:
            write_bytes(self.folders.first_partitions(self.name), firsts.model_dump_json(indent=1).encode())
        return super().note_run(partition)

    def _missing(self, dataset: str, tiles: Sequence[Interval]) -> list[Interval]:
        view, holds = self.dataset_lake(dataset).view(), self.declared(dataset).holds
        wanted = self._last_tiles(tiles) if holds == "all" else tiles
        return [tile for tile in wanted if not _has_rows_of(view, self.source.cadence.key_of(tile), holds)]

    def _last_tiles(self, tiles: Sequence[Interval]) -> list[Interval]:
        """Of a table that is given whole each time, the last one of each window that isn't delivered is enough."""
        if not tiles:
            return []
        ends = {window.end for window in self._ended.until(tiles[-1].end) if not self.is_delivered(window)}
        return [tile for tile in tiles if tile.end in ends]

    @cached_property
    def _ended(self) -> DueWindows:
        return DueWindows(self.cadence, time(0))

    def _staged_part(self, partition: str, dataset: str) -> StagedPart:
        area = self.dataset_staging(partition, dataset)
        chunks = area.read(DatasetChunks, "chunks", self.first_stage)
        self.check_unedited(partition, chunks.resolved)
        folder = area.folder("chunks", chunks.attempt)
        return StagedPart(dataset, chunks, folder, self.record(partition) / dataset, self.held(dataset))

    def _first(self, dataset: str, partition: str) -> str:
        """The partition with which a dataset began, or will if this one runs now."""
        first = self._first_partitions(partition).datasets[dataset]
        return first or self.cadence.key_of(self.cadence.first)

    def _first_partitions(self, partition: str) -> FirstPartitions:
        newest = self.versions().newest
        following = self.cadence.key_of(self.cadence.window_from(self.window(newest).end)) if newest else partition
        return self._noted_firsts.with_run(self.export.datasets, partition, newest=newest, following=following)

    @property
    def _noted_firsts(self) -> FirstPartitions:
        path = self.folders.first_partitions(self.name)
        return FirstPartitions.model_validate_json(path.read_bytes()) if path.exists() else FirstPartitions()

    def _head(self, partition: str, manifests: Sequence[Manifest]) -> ManifestHead:
        """What the manifests share; of none, what would be told of an empty partition."""
        return ManifestHead(
            export=self.name,
            export_id=self.export.effective_export_id,
            configuration_version=self.export.configuration_version,
            kind=self.export.kind,
            partition=partition,
            window=self.window(partition),
            run_id=manifests[0].run_id if manifests else "",
            mode="incremental",
            format=self.export.format.model_dump(mode="json"),
            fingerprint="",
            columns=(),
            rows=RowCounts(0, 0, 0, 0, 0, 0),
            lake_version=0,
            upstream_runs=(),
        )


def _has_rows_of(view: DatasetView, partition: str, holds: Holds) -> bool:
    """Whether a partition is in the lake as it is declared now, and its rows weren't dropped since."""
    record = view.find(partition)
    return record is not None and record.holds == holds and view.has_rows_of(record)
