"""The lake of one source: where it lies, how it is looked at, and what keeps it in shape."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ctexport_dagster.lake.leftovers import drop, older
from ctexport_dagster.lake.table import ProfileTable
from ctexport_dagster.lake.tuning import Tuning
from ctexport_dagster.lake.view import LakeView


@dataclass(frozen=True)
class Lake:
    """The lake of `source`: its table under `root`, refused rows in `quarantine`, passing files in `scratch`."""

    source: str
    root: Path
    quarantine: Path
    scratch: Path
    tuning: Tuning = field(default_factory=Tuning)

    @cached_property
    def table(self) -> ProfileTable:
        return ProfileTable(self.root, self.source)

    @property
    def caches(self) -> Path:
        """Where memories of inputs lie (lake/remembered.py): safe to delete at any time."""
        return self.root.with_name(f"{self.root.name}.cache")

    def view(self, version: int | None = None) -> LakeView:
        """The lake as it stands now, or stood at a version: list once per run, then read as often as needed."""
        return LakeView(self.root, self.scratch, self.table.listing(version), self.tuning)

    def sweep(self, min_age_hours: int = 24) -> int:
        """Deletes replaced files of the table, and those of killed runs, older than this; returns how many.

        What killed reads folded goes at that age, too, as others may be reading; what killed ingests spilled or
        refused goes at once: whoever calls this holds the source's lock, and is the only one at work.
        """
        drop((*self.scratch.glob("ingest-*"), *older(self.scratch.glob("fold-*"), min_age_hours)))
        drop(self.quarantine.glob(".*.part"))
        return self.table.sweep(min_age_hours)
