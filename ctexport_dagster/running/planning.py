"""What is to be launched now for the exports of a home: core/catch_up.py's rules, on lake, deliveries and runs."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from functools import cached_property, partial
from itertools import islice

import dagster as dg

from ctexport_dagster.core.catch_up import (
    DueWindows,
    IngestRun,
    Launch,
    SourceStands,
    Tried,
    Waits,
    next_launch,
    patience,
)
from ctexport_dagster.core.history import Attempt, last_success
from ctexport_dagster.core.interval import Cadence, Interval
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.lake import LakeView
from ctexport_dagster.line import Line
from ctexport_dagster.partitions import dagster_key, partitions_of
from ctexport_dagster.running.history import OpenWork, attempts_at, ingests_at, open_work
from ctexport_dagster.running.switch import Switch, switches

_PASSED_OVER = 20
"""How many windows that wait an export in mode `full` passes over: each costs a look at Dagster's runs."""


@dataclass
class Ledger:
    """What one process remembers between looks, because it never changes: windows that are due, and delivered ones."""

    _due: dict[Cadence, DueWindows] = field(default_factory=dict)
    _delivered: dict[str, int] = field(default_factory=dict)

    def ended(self, source: SourceDeclaration, until: datetime) -> list[Interval]:
        """The source's windows that end by an instant."""
        cadence = source.cadence
        return self._due.setdefault(cadence, DueWindows(cadence, time(0))).until(until)

    def undelivered(self, line: Line, now: datetime) -> Iterator[Interval]:
        """The windows that are due and not delivered, oldest first."""
        due, remembered = line.due.until(now), self._delivered.get(line.name, 0)
        known = min(remembered, len(due))  # a late tick asks about an earlier instant than the sensor did
        if known and not line.is_delivered(due[known - 1]):  # somebody took the state away
            known = remembered = 0
        while known < len(due) and line.is_delivered(due[known]):
            known += 1
        self._delivered[line.name] = max(known, remembered)
        return (window for window in due[known:] if not line.is_delivered(window))


@dataclass
class Planner:
    """One look at what is to be launched at an instant; what it gives is counted as launched from then on.

    `waits`: the exports for which something is due and nothing is launched, and why.
    """

    instance: dg.DagsterInstance
    now: datetime
    ledger: Ledger = field(default_factory=Ledger)
    waits: list[tuple[str, Waits]] = field(default_factory=list)
    _views: dict[str, LakeView] = field(default_factory=dict)
    _unready: dict[tuple[Hashable, ...], list[Interval]] = field(default_factory=dict)
    _launched: set[tuple[str, Interval]] = field(default_factory=set)

    def next(self, line: Line) -> Launch | Waits | None:
        """What is to be launched for an export, or why nothing is; None where all that is due is delivered."""
        windows = self.ledger.undelivered(line, self.now)
        oldest = next(windows, None)
        if oldest is None:
            return None
        decision = self._decided(line, oldest, windows)
        self._note(line, decision)
        return decision

    def mend(self, line: Line) -> IngestRun | None:
        """The oldest stale partition of an export's source, though nothing waits for it yet."""
        stale = self._view(line).listing.history.stale
        if not stale:
            return None
        source, tile = line.source.name, line.source.cadence.window_of(stale[0])
        if self.now < tile.end + line.hold:  # what else the run takes in may still come late
            return None
        tried = self._ingested(line, tile)
        if self._is_open(line, tile) or patience(tried, now=self.now):
            return None
        self._launched.add((source, tile))
        return IngestRun(source, tile, len(tried.attempts))

    def _decided(self, line: Line, oldest: Interval, others: Iterator[Interval]) -> Launch | Waits:
        if line.refusal:
            return Waits(line.refusal)
        if not self.switch(line).is_on:
            return Waits("the export is stopped")
        if line.name in self._open.exports:
            return Waits("a run of the export is at work")
        decision = self._of(line, oldest)
        if isinstance(decision, Waits) and line.export.schedule.mode == "full":
            younger = (self._of(line, window) for window in islice(others, _PASSED_OVER))
            decision = next((other for other in younger if not isinstance(other, Waits)), decision)
        return decision

    def switch(self, line: Line) -> Switch:
        """How the export's switch stood when this look began."""
        return self._switches.get(line.name, Switch())

    @cached_property
    def _switches(self) -> dict[str, Switch]:
        return switches(self.instance)

    @cached_property
    def _open(self) -> OpenWork:
        return open_work(self.instance)

    def _of(self, line: Line, window: Interval) -> Launch | Waits:
        return next_launch(line.name, window, self._tried(line, window), self._source(line, window), now=self.now)

    def _tried(self, line: Line, window: Interval) -> Tried:
        attempts = attempts_at(self.instance, line.name, line.cadence, window=window)
        return self._since(line, attempts, input_until=window.end)

    def _source(self, line: Line, window: Interval) -> SourceStands:
        """What of the source is missing or stale up to the window's end."""
        source, cadence = line.source, line.source.cadence
        missing = self._missing(line, window)
        if not missing:
            return SourceStands(source.name)
        tile = missing[0]
        return SourceStands(
            source.name,
            tile,
            tried=self._ingested(line, tile),
            is_open=self._is_open(line, tile),
            are_more=len(missing) > 1 or partitions_of(cadence) != partitions_of(line.cadence),
        )

    def _missing(self, line: Line, window: Interval) -> list[Interval]:
        """The source's windows up to a window's end that are missing or stale, oldest first: looked up once a look."""
        key = line.waits_for
        if key not in self._unready:
            self._unready[key] = line.unready(self.ledger.ended(line.source, self.now))
        return [tile for tile in self._unready[key] if tile.end <= window.end]

    def _ingested(self, line: Line, tile: Interval) -> Tried:
        attempts = ingests_at(self.instance, line.source.name, line.source.cadence, tile)
        return self._since(line, attempts, input_until=tile.start)

    def _since(self, line: Line, attempts: Sequence[Attempt], *, input_until: datetime) -> Tried:
        due = line.due.until(self.now)
        return Tried(
            attempts,
            unblocked=self._written(line.source, input_until) if any(a.whose == "input" for a in attempts) else None,
            started=self.switch(line).started,
            newest_due=line.due.due(due[-1]) if due else None,
        )

    def _is_open(self, line: Line, tile: Interval) -> bool:
        source, key = line.source.name, dagster_key(line.source.cadence, tile)
        return (source, key) in self._open.ingests or (source, tile) in self._launched

    def _written(self, source: SourceDeclaration, end: datetime) -> datetime | None:
        """When the source's partition that ends at an instant was last written."""
        ended = self.ledger.ended(source, end)
        if not ended:
            return None
        success = last_success(ingests_at(self.instance, source.name, source.cadence, ended[-1]))
        return success.ended if success else None

    def _view(self, line: Line) -> LakeView:
        name = line.source.name
        if name not in self._views:
            self._views[name] = line.lake.view()
        return self._views[name]

    def _note(self, line: Line, decision: Launch | Waits) -> None:
        """Two exports of one source that plan together don't both write its partition."""
        if isinstance(decision, Waits):
            self.waits.append((line.name, decision))
        elif isinstance(decision, IngestRun):
            self._launched.add((decision.source, decision.partition))
        elif decision.with_source:
            self._launched.add((line.source.name, decision.window))


def launches(planner: Planner, lines: Sequence[Line]) -> Iterator[Callable[[], tuple[Line, Launch] | None]]:
    """One question for each export, and for each source whether it has stale partitions: what is to be launched now.

    Questions, not answers: one whose lake can't be read must not keep the others from being asked.
    """
    for line in lines:
        yield partial(_launch, planner, line)
    by_source = {line.source.name: line for line in lines if planner.switch(line).is_on}
    for line in by_source.values():
        yield partial(_mending, planner, line)


def oldest_first(found: Iterable[tuple[Line, Launch]]) -> list[tuple[Line, Launch]]:
    return sorted(found, key=lambda pair: (_window(pair[1]).start, pair[0].name))


def _launch(planner: Planner, line: Line) -> tuple[Line, Launch] | None:
    decision = planner.next(line)
    return None if decision is None or isinstance(decision, Waits) else (line, decision)


def _mending(planner: Planner, line: Line) -> tuple[Line, Launch] | None:
    launch = planner.mend(line)
    return (line, launch) if launch else None


def _window(launch: Launch) -> Interval:
    return launch.partition if isinstance(launch, IngestRun) else launch.window
