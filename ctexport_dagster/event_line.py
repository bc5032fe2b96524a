"""The line of one events export: what a `Line` has, and which of the source's events each partition holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time

from ctexport_dagster.core.events.export import EventExport
from ctexport_dagster.core.events.staged import EventChunks
from ctexport_dagster.core.interval import Interval, instant_of
from ctexport_dagster.core.ranges import days_of
from ctexport_dagster.lake.events import EventLake
from ctexport_dagster.line import Line, unready_profiles


@dataclass(frozen=True)
class EventSelection:
    """The events of one partition: those that arrived with these of the source's partitions, oldest first.

    `span`: of them, those that happened in it alone; None for all, whenever they happened.
    """

    partitions: tuple[str, ...]
    span: Interval | None


class EventLine(Line[EventExport]):
    """One events export and everything that its stages need to know."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Events, and the profiles that tell whose they are, where the source has any."""
        return ("events", "profiles") if self.source.has_profiles else ("events",)

    def staged_chunks(self, partition: str) -> EventChunks:
        """What `formatted_chunks` staged for a partition.

        Raises:
            StagingMissing: it has not run for this partition.
        """
        return self.staging(partition).read(EventChunks, "chunks", "formatted_chunks")

    def unready(self, tiles: Sequence[Interval]) -> list[Interval]:
        """Those of the source's first windows, oldest first, whose events or profiles aren't ready."""
        view, cadence = self.event_lake.view(), self.source.cadence
        known = {record.partition for record in view.records()}
        missing = {tile for tile in tiles if cadence.key_of(tile) not in known}
        if self.source.has_profiles:
            missing |= set(unready_profiles(self.lake, cadence, tiles))
        return [tile for tile in tiles if tile in missing]

    @property
    def event_lake(self) -> EventLake:
        """The lake of the source's events."""
        return self.folders.event_lake(self.source.name)

    def event_selection(self, partition: str) -> EventSelection:
        """Which events a partition holds.

        A recurring one: those that arrived in its window, late ones among them. A one-time one: those that happened
        on the days of its range, out of all that had arrived by the end of its window.
        """
        window = self.window(partition)
        schedule = self.export.schedule
        if not schedule.is_once:
            return EventSelection(self.source_partitions(window), None)
        days, zone = days_of(schedule.range, self.cadence.start), self.cadence.zone
        tiles = self.source.cadence.windows(until=window.end)
        return EventSelection(
            tuple(self.source.cadence.key_of(tile) for tile in tiles),
            Interval(instant_of(zone, days.first, time(0)), instant_of(zone, days.end, time(0))),
        )
