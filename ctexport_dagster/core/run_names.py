"""What stands in the names of files: of one run of one partition, and of what each file holds."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from typing import TypeAlias
from zoneinfo import ZoneInfo

from ctexport_dagster.core.export import DeclaredExport
from ctexport_dagster.core.interval import Cadence, Interval, run_instant
from ctexport_dagster.core.templates import Variable

_UTC = ZoneInfo("UTC")


@dataclass(frozen=True)
class FileOfEvent:
    """What a file of events holds: the events of one name, as it stands in paths, and day."""

    path: str
    day: date

    @property
    def values(self) -> dict[Variable, str]:
        return {Variable.EVENT_NAME: self.path, Variable.EVENT_DAY: f"{self.day:%Y%m%d}"}


@dataclass(frozen=True)
class FileOfDataset:
    """What a file of a table holds: rows of the dataset of this name and id."""

    name: str
    id: str

    @property
    def values(self) -> dict[Variable, str]:
        return {Variable.DATASET_NAME: self.name, Variable.DATASET_ID: self.id}


Held: TypeAlias = FileOfEvent | FileOfDataset
"""What a file holds, where the files of one partition hold different things."""


@dataclass(frozen=True)
class RunNames:
    """What the variables stand for in one run of one partition.

    `timestamp` is in epoch seconds. All but `run_id` and `generation` follow from the export and the partition alone.
    """

    account_id: int
    export_id: int
    timestamp: int
    date: date
    partition: str
    run_id: str
    generation: int | None = None
    """Stands in the names of changed files that may not overwrite an older generation's; None in all others."""
    destination: str = ""
    zone: ZoneInfo = _UTC
    """The export's time zone."""

    def in_generation(self, generation: int | None) -> "RunNames":
        """The same names, for files of a later generation: `-g2` before the extension."""
        return replace(self, generation=generation)

    @property
    def instant(self) -> datetime:
        """The scheduled run instant, in UTC."""
        return datetime.fromtimestamp(self.timestamp, _UTC)

    @cached_property
    def values(self) -> dict[Variable, str]:
        local = self.instant.astimezone(self.zone)
        return {
            Variable.ACCOUNT_ID: str(self.account_id),
            Variable.EXPORT_ID: str(self.export_id),
            Variable.TIMESTAMP: str(self.timestamp),
            Variable.DATE: self.date.isoformat(),
            Variable.PARTITION: self.partition,
            Variable.RUN_ID: self.run_id,
            Variable.EXPORT_TIME: f"{self.instant:%Y%m%d%H%M}",
            Variable.YEAR: f"{local:%Y}",
            Variable.MONTH: f"{local:%m}",
            Variable.DAY: f"{local:%d}",
            Variable.HOUR: f"{local:%H}",
            Variable.MINUTE: f"{local:%M}",
            Variable.DESTINATION_NAME: self.destination,
        }


def run_names(export: DeclaredExport, cadence: Cadence, window: Interval, run_id: str) -> RunNames:
    """The names of the run of one window; `cadence` is the export's own. Source: REQUIREMENTS P9."""
    instant = run_instant(window, cadence.zone, export.schedule.at, is_daily=cadence.is_daily)
    return RunNames(
        account_id=export.account_id,
        export_id=export.effective_export_id,
        timestamp=int(instant.timestamp()),
        date=instant.astimezone(cadence.zone).date(),
        partition=cadence.key_of(window),
        run_id=run_id,
        destination=export.destination,
        zone=cadence.zone,
    )
