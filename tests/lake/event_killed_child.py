"""A child process: ingests day 1 into the lake at argv[1], and is killed when its files are there but not committed."""

import os
import signal
import sys
from functools import cached_property
from pathlib import Path

from event_days import EventDays, event

from ctexport_dagster.lake.events import EventLake
from ctexport_dagster.lake.events.table import EventTable


class DeadlyTable(EventTable):
    def commit(self, plan: object) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return -1


class DeadlyLake(EventLake):
    @cached_property
    def table(self) -> EventTable:
        return DeadlyTable(self.root, self.source)


class DeadlyDays(EventDays):
    @property
    def lake(self) -> EventLake:
        lake = super().lake
        return DeadlyLake(lake.source, lake.root, lake.quarantine, lake.scratch, lake.tuning)


DeadlyDays(Path(sys.argv[1])).put(1, [event(who=who) for who in ("a", "b", "c", None)])
