"""What is to be launched next for an export: the oldest window that is due and not delivered, and what it stands on.

The schedule's ticks and the catch-up sensor decide by the same rules:

    oldest first        no window before those it follows on (exports in mode `full` pass over one that waits)
    source first        the source's partitions up to the window's end are written, oldest first; a single one that is
                        the window itself is written by the export's own run
    one at a time       nothing while an attempt at the export, or at that partition of its source, is open
    with patience       after a failure, 5 minutes, doubled each time up to an hour; at once where a failure for want of
                        input has had its cause removed
    never against will  a canceled attempt is left alone until the next window is due or the export is started again
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta

from ctexport_dagster.core.history import Attempt
from ctexport_dagster.core.interval import Cadence, Interval, run_instant

FIRST_WAIT = timedelta(minutes=5)
LONGEST_WAIT = timedelta(hours=1)
_DOUBLINGS = 10
"""Enough to be beyond the longest wait; a failure that lasts for years must not make a number without end."""


@dataclass(frozen=True)
class Tried:
    """What was tried at one partition so far, and what may have changed since.

    `unblocked`: when what comes before it was last written. `started`: when somebody last started the export.
    `newest_due`: when the newest due window of the export was due.
    """

    attempts: Sequence[Attempt] = ()
    unblocked: datetime | None = None
    started: datetime | None = None
    newest_due: datetime | None = None


@dataclass(frozen=True)
class SourceStands:
    """What an export's window waits for in the lake: the oldest partition that is missing or stale; None for nothing.

    `is_open`: a run is at work on that partition, or waits to be.
    """

    source: str
    partition: Interval | None = None
    tried: Tried = field(default_factory=Tried)
    is_open: bool = False
    are_more: bool = False
    """Whether others are missing after it."""


@dataclass(frozen=True)
class IngestRun:
    """Launch: one partition of a source."""

    source: str
    partition: Interval
    number: int
    """How many attempts there were before: a launch of the same number is the same launch."""


@dataclass(frozen=True)
class ExportRun:
    """Launch: one partition of an export, by a run that writes the source's partition too where `with_source`."""

    export: str
    window: Interval
    with_source: bool
    number: int


@dataclass(frozen=True)
class Waits:
    """Nothing is to be launched, and why; `until` where only time must pass."""

    why: str
    until: datetime | None = None


Launch = IngestRun | ExportRun


def next_launch(export: str, window: Interval, tried: Tried, source: SourceStands, *, now: datetime) -> Launch | Waits:
    """What is to be launched now for a window that is due and not delivered."""
    if waits := patience(tried, now=now):
        return waits
    if source.partition is None:
        return ExportRun(export, window, with_source=False, number=len(tried.attempts))
    if source.is_open:
        return Waits(f"a run of {source.source}/profiles is at work")
    if source.partition == window and not source.are_more:
        return ExportRun(export, window, with_source=True, number=len(tried.attempts))
    return patience(source.tried, now=now) or IngestRun(source.source, source.partition, len(source.tried.attempts))


def patience(tried: Tried, *, now: datetime) -> Waits | None:
    """Why a partition that isn't done may not be tried now; None if it may."""
    if not tried.attempts:
        return None
    last = max(tried.attempts, key=lambda attempt: (attempt.launched, attempt.run_id))
    if last.is_open:
        return Waits(f"run {last.run_id} is at work")
    ended = last.ended or last.launched
    if tried.started and tried.started > ended:
        return None
    if last.state == "canceled":
        if tried.newest_due and tried.newest_due > ended:
            return None
        return Waits(f"run {last.run_id} was canceled: the next window, or starting the export again, brings it back")
    if last.whose == "input" and tried.unblocked and tried.unblocked > ended:
        return None
    until = ended + wait_after(failures_in_a_row(tried))
    return Waits(f"run {last.run_id} failed; it is tried again", until) if now < until else None


def wait_after(failures: int) -> timedelta:
    """How long to leave a partition alone after so many failures in a row."""
    return min(FIRST_WAIT * 2 ** min(max(failures, 1) - 1, _DOUBLINGS), LONGEST_WAIT)


def failures_in_a_row(tried: Tried) -> int:
    """The failures since the last success, and since the export was last started."""
    failures = 0
    for attempt in sorted(tried.attempts, key=lambda a: (a.launched, a.run_id), reverse=True):
        if attempt.state == "succeeded" or (tried.started and attempt.launched < tried.started):
            break
        failures += attempt.state == "failed"
    return failures


@dataclass
class DueWindows:
    """The windows of a cadence whose run is due, oldest first; remembers those it found, for `now` mostly moves on.

    Threads may share it: what is remembered is replaced as a whole, and any of it is right.
    """

    cadence: Cadence
    at: time
    hold: timedelta = timedelta(0)
    """How much later than its time a run is due; names of files know nothing of it."""
    _found: list[tuple[datetime, Interval]] = field(default_factory=list)

    def until(self, now: datetime) -> list[Interval]:
        """Every window whose scheduled run is due by `now`."""
        found = self._found
        if following := list(self._following(found, now)):
            self._found = found = [*found, *following]
        return [window for due, window in found if due <= now]

    def due(self, window: Interval) -> datetime:
        """The instant of a window's scheduled run."""
        return run_instant(window, self.cadence.zone, self.at, is_daily=self.cadence.is_daily) + self.hold

    def next_due(self, now: datetime) -> datetime | None:
        """When the next window's run is due; None after the last one."""
        passed = self.until(now)
        following = self.cadence.after(passed[-1]) if passed else self.cadence.first
        return self.due(following) if following else None

    def _following(
        self, found: Sequence[tuple[datetime, Interval]], now: datetime
    ) -> Iterator[tuple[datetime, Interval]]:
        window = self.cadence.after(found[-1][1]) if found else self.cadence.first
        while window and (due := self.due(window)) <= now:
            yield due, window
            window = self.cadence.after(window)
