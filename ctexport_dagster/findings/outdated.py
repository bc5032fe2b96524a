"""Delivered partitions whose source was read anew since: what was sent isn't what the lake says of them today.

A source's partition is read anew after an edit of its paths or queries, for files that came late or were mended. What
was delivered from it isn't sent again by itself, as consumers have the files: a person decides.

What counts is the input, as its fingerprint has it. A partition that was read anew to the same input is not told of;
one whose files come out the same all the same is, until it is run again, which sends nothing and settles it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import cast

from ctexport_dagster.core import asset_names
from ctexport_dagster.core.delivery.basis import Basis, read_basis
from ctexport_dagster.core.errors import PartitionMissing
from ctexport_dagster.core.export import Export
from ctexport_dagster.core.manifest import Mode
from ctexport_dagster.core.staging import Resolved
from ctexport_dagster.core.versions import mode_of
from ctexport_dagster.dataset_line import DatasetLine
from ctexport_dagster.event_line import EventLine
from ctexport_dagster.lake.datasets import DatasetView
from ctexport_dagster.lake.events import EventView
from ctexport_dagster.lake.record import History
from ctexport_dagster.line import Line, StagedPart

LOOK_BACK = 30
"""How many of the newest partitions are looked at where every export of a home is."""
FAR_BACK = 366
"""How many are where one export is."""


@dataclass(frozen=True)
class Outdated:
    """A delivered partition, which of its inputs were read anew since, and the command that sends it anew."""

    partition: str
    inputs: tuple[str, ...]
    command: str


def basis_of(line: Line, part: StagedPart) -> Basis:
    """What the staged files of a partition, or of a dataset in it, rest on."""
    resolved = part.chunks.resolved
    match line:
        case DatasetLine():
            inputs = {part.name: resolved.lake_state}
        case EventLine():
            inputs = dict(zip(line.inputs, resolved.lake_state.split(), strict=False))
        case _:
            known = resolved.rests_on if isinstance(resolved, Resolved) else ""
            inputs = {asset_names.PROFILES: known} if known else {}
    return Basis(source=line.source.name, mode=resolved.mode, inputs=inputs)


def outdated_partitions(line: Line, now: datetime, *, most: int = LOOK_BACK) -> list[Outdated]:
    """Those of the newest `most` partitions due by now whose source was read anew since they were delivered.

    Oldest first. The lake's records are read once, and not at all where nothing was delivered.
    """
    look = _Look(line)
    keys = (line.cadence.key_of(window) for window in line.due.until(now)[-most:])
    return [found for key in keys if (found := look.at(key))]


@dataclass(frozen=True)
class _Look:
    """One look at the partitions of an export; each lake is opened once, when it is first needed."""

    line: Line
    _datasets: dict[str, DatasetView] = field(default_factory=dict)

    def at(self, partition: str) -> Outdated | None:
        read_anew: list[str] = []
        needs_full = False
        for part, record in self.line.records(partition).items():
            basis = read_basis(record)
            found = list(self._read_anew(partition, part, basis)) if basis else []
            read_anew += found
            needs_full |= bool(found and basis and self._needs_full(partition, part, basis))
        if not read_anew:
            return None
        command = f"ctexport run {self.line.name} --partition {partition}{' --full' if needs_full else ''}"
        return Outdated(partition, tuple(read_anew), command)

    def _read_anew(self, partition: str, part: str, basis: Basis) -> Iterator[str]:
        """Of another source, or of partitions that the lake has no more, nothing can be said."""
        if basis.source != self.line.source.name:
            return
        for name, delivered in basis.inputs.items():
            try:
                now = self._state(name, partition, part, basis.mode)
            except PartitionMissing:
                continue
            if now not in (None, delivered):
                yield name

    def _state(self, name: str, partition: str, part: str, mode: Mode) -> str | None:
        """What an input holds for a partition now; None for one that isn't the export's any more.

        Raises:
            PartitionMissing.
        """
        line = self.line
        match line:
            case DatasetLine():
                return self._dataset(part).state_of(line.selection(partition, part, mode).partitions)
            case EventLine():
                chosen = line.event_selection(partition)
                if name == asset_names.EVENTS:
                    return self._events.state_of(self._events.holding(chosen.partitions, chosen.span))
                return self._profiles.fingerprints.get(chosen.partitions[-1]) if line.source.has_profiles else None
            case _:
                return self._profiles.basis_of(line.source_partitions(line.window(partition)), mode)

    def _needs_full(self, partition: str, part: str, basis: Basis) -> bool:
        """Whether a partition was delivered whole because somebody asked for it: by itself it would be no more."""
        line = self.line
        if basis.mode == "incremental" or isinstance(line, EventLine):
            return False
        if isinstance(line, DatasetLine):
            return line.declared(part).holds == "added" and line.mode(partition, part) == "incremental"
        first = line.cadence.key_of(line.cadence.first)
        export, versions = cast("Export", line.export), line.versions_with(partition)
        return mode_of(export, partition, first=first, versions=versions, wants_full=False) == "incremental"

    @cached_property
    def _profiles(self) -> History:
        return self.line.lake.view().listing.history

    @cached_property
    def _events(self) -> EventView:
        return cast("EventLine", self.line).event_lake.view()

    def _dataset(self, name: str) -> DatasetView:
        if name not in self._datasets:
            self._datasets[name] = cast("DatasetLine", self.line).dataset_lake(name).view()
        return self._datasets[name]
