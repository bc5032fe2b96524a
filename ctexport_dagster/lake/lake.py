"""The lake of one source: where it lies, how it is looked at, and what keeps it in shape."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

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

    def view(self, version: int | None = None) -> LakeView:
        """The lake as it stands now, or stood at a version: list once per run, then read as often as needed."""
        return LakeView(self.root, self.scratch, self.table.listing(version), self.tuning)

    def sweep(self, min_age_hours: int = 24) -> int:
        """Deletes replaced files, and those of killed runs, older than this; returns how many."""
        return self.table.sweep(min_age_hours)
