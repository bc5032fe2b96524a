"""Windows of time: half-open intervals and the cadence that cuts time into them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAILY_HOURS = 24


@dataclass(frozen=True, order=True)
class Interval:
    """A half-open window `[start, end)` of two aware instants, kept in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("an interval needs aware instants")
        if self.start >= self.end:
            raise ValueError("an interval must start before it ends")
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        object.__setattr__(self, "end", self.end.astimezone(UTC))

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    def covers(self, other: "Interval") -> bool:
        """Whether `other` lies wholly within this window."""
        return self.start <= other.start and other.end <= self.end


def instant_of(zone: ZoneInfo, day: date, wall_clock: time) -> datetime:
    """The instant (UTC) at which a wall clock in `zone` shows this: a missing one moves forward, of two the first.

    A missing time has no instant of its own; `fold=0` reads it with the offset from before the gap, which lands
    as far behind the gap as the time stood within it.
    """
    return datetime.combine(day, wall_clock, tzinfo=zone).astimezone(UTC)


@dataclass(frozen=True)
class Cadence:
    """Cuts time into windows: every `hours` from midnight of `zone`, from the day `start` on, until `end` (exclusive).

    `hours` is a divisor of 24. Windows are named by their partition key: `2026-11-01` for daily ones, else the
    window's start in UTC as `2026-11-01T0600Z`. Over any span they neither overlap nor leave a gap, also where
    clocks change (a window is then an hour longer or shorter). Source: REQUIREMENTS P9, P24, P26.
    """

    zone: ZoneInfo
    hours: int
    start: date
    end: date | None = None

    def __post_init__(self) -> None:
        if self.hours < 1 or DAILY_HOURS % self.hours:
            raise ValueError(f"windows of {self.hours} hours don't divide a day")

    @property
    def is_daily(self) -> bool:
        return self.hours == DAILY_HOURS

    def boundaries_of(self, day: date) -> list[datetime]:
        """The instants at which windows start on a local day, without those that a clock change folds into one."""
        instants = [instant_of(self.zone, day, time(hour)) for hour in range(0, DAILY_HOURS, self.hours)]
        return sorted(set(instants))

    def window_from(self, start: datetime) -> Interval:
        """The window that starts at this very instant.

        Raises:
            ValueError: no window starts there.
        """
        day = start.astimezone(self.zone).date()
        candidates = [b for d in range(-1, 3) for b in self.boundaries_of(day + timedelta(days=d))]
        if start not in candidates:
            raise ValueError(f"no window starts at {start.isoformat()}")
        return Interval(start, min(b for b in candidates if b > start))

    def key_of(self, window: Interval) -> str:
        """The partition key of a window."""
        if self.is_daily:
            return window.start.astimezone(self.zone).date().isoformat()
        return window.start.strftime("%Y-%m-%dT%H%MZ")

    def window_of(self, key: str) -> Interval:
        """The window that a partition key names.

        Raises:
            ValueError: the key isn't one of this cadence's, or lies outside `start` and `end`.
        """
        if self.is_daily:
            start = instant_of(self.zone, date.fromisoformat(key), time(0))
        else:
            start = datetime.strptime(key, "%Y-%m-%dT%H%MZ").replace(tzinfo=UTC)
        window = self.window_from(start)
        first = instant_of(self.zone, self.start, time(0))
        last = instant_of(self.zone, self.end, time(0)) if self.end else None
        if self.key_of(window) != key or window.start < first or (last and window.start >= last):
            raise ValueError(f"no partition {key}: the first is {self.key_of(self.window_from(first))}")
        return window

    @property
    def first(self) -> Interval:
        """The first window."""
        return self.window_from(instant_of(self.zone, self.start, time(0)))

    def before(self, window: Interval) -> Interval | None:
        """The window before this one; None before the first."""
        if window.start <= self.first.start:
            return None
        day = window.start.astimezone(self.zone).date()
        earlier = [b for d in range(-2, 2) for b in self.boundaries_of(day + timedelta(days=d)) if b < window.start]
        return Interval(max(earlier), window.start)

    def after(self, window: Interval) -> Interval | None:
        """The window after this one; None after the last."""
        is_last = self.end is not None and window.end >= instant_of(self.zone, self.end, time(0))
        return None if is_last else self.window_from(window.end)

    def windows(self, until: datetime) -> Iterator[Interval]:
        """Every window that ends by `until`, oldest first."""
        window: Interval | None = self.first
        while window and window.end <= until:
            yield window
            window = self.after(window)

    def tiles(self, window: Interval) -> list[Interval] | None:
        """The windows of this cadence that make up `window` exactly; None where a boundary isn't one of ours."""
        found: list[Interval] = []
        cursor = window.start
        while cursor < window.end:
            try:
                tile = self.window_from(cursor)
            except ValueError:
                return None
            found.append(tile)
            cursor = tile.end
        return found if cursor == window.end else None


def run_instant(window: Interval, zone: ZoneInfo, at: time, *, is_daily: bool) -> datetime:
    """The instant of a window's scheduled run: a wall clock for daily windows, else a delay after the end.

    Source: REQUIREMENTS P9, and ARCHITECTURE on `at`.
    """
    if is_daily:
        return instant_of(zone, window.end.astimezone(zone).date(), at)
    return window.end + timedelta(hours=at.hour, minutes=at.minute)
