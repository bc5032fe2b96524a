"""The lake of one dataset: where it lies, how it is looked at, how a partition appears in it, and what goes again."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree

from ctexport_dagster.core.atomic import sync_folder, write_bytes
from ctexport_dagster.lake.datasets.record import DatasetHistory, DatasetRecord
from ctexport_dagster.lake.datasets.segments import SegmentSizes
from ctexport_dagster.lake.datasets.view import DatasetView
from ctexport_dagster.lake.leftovers import drop

KEPT_WHOLE = 7
"""Of partitions that each have the whole table, so many of the newest keep their rows."""


@dataclass(frozen=True)
class DatasetLake:
    """A dataset of a source: its records and rows under `root`, refused rows in `quarantine`."""

    source: str
    dataset: str
    root: Path
    quarantine: Path
    sizes: SegmentSizes = field(default_factory=SegmentSizes)

    @property
    def name(self) -> str:
        """The asset's name."""
        return f"{self.source}/{self.dataset}"

    def view(self) -> DatasetView:
        """The lake as it stands now."""
        return DatasetView(self.root, DatasetHistory.read(self.name, self.root))

    @contextmanager
    def attempt(self, attempt: str) -> Iterator[Path]:
        """A folder for the segments of one attempt; gone again if they weren't published."""
        folder = self.root / f".{attempt}.part"
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            rmtree(folder, ignore_errors=True)

    def publish(self, record: DatasetRecord, folder: Path) -> None:
        """Makes an attempt's segments the rows of its partition, all at once: by the rename of its record."""
        folder.rename(self.root / record.folder)
        sync_folder(self.root)
        write_bytes(self._record_path(record.partition), record.model_dump_json(indent=1).encode())

    def withdraw(self, partition: str, attempt: str) -> bool:
        """Takes away what an attempt left behind, unless it was published all the same; whether it did."""
        found = self.view().find(partition)
        if found is not None and found.attempt == attempt:
            return False
        drop(self.root.glob(f"{partition}-g*-{attempt}"))
        return True

    def sweep(self, min_age_hours: float = 24) -> int:
        """Deletes rows that were replaced this long ago, and those of killed ingests; returns of how many attempts.

        Of partitions that each have the whole table, the rows of all but the newest seven go as well. What killed
        ingests left unfinished goes at once: whoever calls this holds the lock of the dataset.
        """
        drop((*self.root.glob(".*.part"), *self.quarantine.glob(".*.part")))
        newest = time.time() - min_age_hours * 3600
        return drop([folder for folder, since in self._unused(self.view().records()) if since <= newest])

    def _unused(self, records: Sequence[DatasetRecord]) -> Iterator[tuple[Path, float]]:
        """The folders that nobody should read any more, and since when."""
        whole = [record for record in records if record.holds_all]
        outlived = {record.folder for record in whole[:-KEPT_WHOLE]}
        outlived_since = max((self._changed(self._record_path(r.partition)) for r in whole[-KEPT_WHOLE:]), default=0)
        used = {record.folder for record in records} - outlived
        for folder in self.root.glob("[!.]*-g*-*"):
            if folder.name not in used and folder.is_dir():
                partition = folder.name.rsplit("-", 2)[0]
                replaced = max(self._changed(folder), self._changed(self._record_path(partition)))
                yield folder, max(replaced, outlived_since) if folder.name in outlived else replaced

    def _record_path(self, partition: str) -> Path:
        return self.root / f"{partition}.json"

    @staticmethod
    def _changed(path: Path) -> float:
        with suppress(FileNotFoundError):
            return path.stat().st_mtime
        return 0
