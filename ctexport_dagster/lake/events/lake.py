"""The lake of one source's events: where it lies, how it is looked at, and what keeps it in shape."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ctexport_dagster.lake.events.table import EventTable
from ctexport_dagster.lake.events.view import EventView
from ctexport_dagster.lake.leftovers import drop, older
from ctexport_dagster.lake.tuning import Tuning


@dataclass(frozen=True)
class EventLake:
    """The events of `source`: their table under `root`, refused rows in `quarantine`, passing files in `scratch`."""

    source: str
    root: Path
    quarantine: Path
    scratch: Path
    tuning: Tuning = field(default_factory=Tuning)

    @cached_property
    def table(self) -> EventTable:
        return EventTable(self.root, self.source)

    def view(self, version: int | None = None) -> EventView:
        """The lake as it stands now, or stood at a version: list once per run, then read as often as needed."""
        return EventView(self.root, self.scratch, self.table.listing(version), self.tuning)

    def sweep(self, min_age_hours: int = 24) -> int:
        """Deletes replaced files of the table, and those of killed runs, older than this; returns how many.

        What killed ingests spilled or refused goes at once: whoever calls this holds the lock of the source's events.
        """
        drop((*self.scratch.glob("ingest-*"), *older(self.scratch.glob("fold-*"), min_age_hours)))
        drop(self.quarantine.glob(".*.part"))
        return self.table.sweep(min_age_hours)
