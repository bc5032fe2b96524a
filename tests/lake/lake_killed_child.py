"""A child process: ingests day 2 into the lake at argv[1], and is killed when its files are there but not committed."""

import os
import signal
import sys
from functools import cached_property
from pathlib import Path

import polars as pl
from lake_days import Days

from ctexport_dagster.lake import Lake
from ctexport_dagster.lake.table import ProfileTable


class DeadlyTable(ProfileTable):
    def commit(self, plan: object) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return -1


class DeadlyLake(Lake):
    @cached_property
    def table(self) -> ProfileTable:
        return DeadlyTable(self.root, self.source)


class DeadlyDays(Days):
    @property
    def lake(self) -> Lake:
        lake = super().lake
        return DeadlyLake(lake.source, lake.root, lake.quarantine, lake.scratch, lake.tuning)


DeadlyDays(Path(sys.argv[1])).take(2, pl.DataFrame({"clevertapId": ["a", "b", "c"], "Plan": ["2", "2", "2"]}))
