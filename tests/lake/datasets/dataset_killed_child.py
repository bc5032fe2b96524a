"""A child process: writes day 1 anew into the lake at argv[1], and is killed at the moment that argv[2] names."""

import os
import signal
import sys
from pathlib import Path

from dataset_days import DatasetDays, batch, column

from ctexport_dagster.core.source import RawBatch
from ctexport_dagster.lake.datasets import DatasetLake, DatasetRecord

MOMENT = sys.argv[2]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class DeadlyLake(DatasetLake):
    def publish(self, record: DatasetRecord, folder: Path) -> None:
        if MOMENT == "before the rename":
            die()
        folder.rename(self.root / record.folder)
        die()


class DeadlyDays(DatasetDays):
    @property
    def lake(self) -> DatasetLake:
        lake = super().lake
        return DeadlyLake(lake.source, lake.dataset, lake.root, lake.quarantine, lake.sizes)


class DeadlyBatches:
    """Two batches, and no third one."""

    def __init__(self) -> None:
        self._given = 0

    def __iter__(self) -> "DeadlyBatches":
        return self

    def __next__(self) -> RawBatch:
        self._given += 1
        if self._given == 3:
            if MOMENT != "while it reads":
                raise StopIteration
            die()
        return batch(self._given, a=column(*range(100)), b=column(*["text"] * 100))


DeadlyDays(Path(sys.argv[1])).put_input(1, DeadlyBatches, "another input")
