"""What is launched next, and when: oldest first, sources first, one at a time, patient after failures."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.core.catch_up import (
    FIRST_WAIT,
    LONGEST_WAIT,
    DueWindows,
    ExportRun,
    IngestRun,
    SourceStands,
    Tried,
    Waits,
    failures_in_a_row,
    next_launch,
    patience,
    wait_after,
)
from ctexport_dagster.core.history import Attempt, AttemptState, Whose
from ctexport_dagster.core.interval import Cadence, Interval

UTC_ZONE = ZoneInfo("UTC")
DAILY = Cadence(UTC_ZONE, 24, date(2026, 3, 1), date(2026, 3, 31))
SIX_HOURLY = Cadence(UTC_ZONE, 6, date(2026, 3, 1), date(2026, 3, 31))
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
WINDOW = DAILY.window_of("2026-03-09")
FINISHED = DAILY.window_of("2026-03-30").end + timedelta(days=1)
THIRTY = list(DAILY.windows(FINISHED))


def attempt(
    state: AttemptState, *, minutes_ago: float = 0, whose: Whose = "customer", number: int = 0, partition: str = ""
) -> Attempt:
    """One that was launched a minute before it ended, so many minutes before noon."""
    ended = NOON - timedelta(minutes=minutes_ago)
    is_open = state in ("waiting", "running")
    return Attempt(
        f"run{number}",
        partition,
        state,
        ended - timedelta(minutes=1),
        None if is_open else ended,
        whose if state == "failed" else None,
    )


def tried(*attempts: Attempt, started: datetime | None = None, unblocked: datetime | None = None) -> Tried:
    return Tried(attempts, unblocked=unblocked, started=started, newest_due=datetime(2026, 3, 10, tzinfo=UTC))


def test_a_window_whose_source_stands_is_launched_without_it() -> None:
    assert next_launch("daily", WINDOW, Tried(), SourceStands("crm"), now=NOON) == ExportRun(
        "daily", WINDOW, with_source=False, number=0
    )


def test_a_window_that_is_the_one_missing_partition_takes_its_source_along() -> None:
    source = SourceStands("crm", WINDOW)
    assert next_launch("daily", WINDOW, Tried(), source, now=NOON) == ExportRun("daily", WINDOW, True, 0)


@pytest.mark.parametrize(
    "source",
    [
        SourceStands("crm", DAILY.window_of("2026-03-08"), are_more=True),
        SourceStands("crm", WINDOW, are_more=True),
        SourceStands("crm", SIX_HOURLY.window_of("2026-03-09T1800Z")),
    ],
    ids=["an older one is missing", "others are missing too", "the source has another cadence"],
)
def test_else_the_oldest_missing_partition_of_the_source_comes_first(source: SourceStands) -> None:
    assert next_launch("daily", WINDOW, Tried(), source, now=NOON) == IngestRun("crm", source.partition or WINDOW, 0)


def test_nothing_is_launched_while_the_source_is_being_written() -> None:
    source = SourceStands("crm", WINDOW, is_open=True)
    assert isinstance(next_launch("daily", WINDOW, Tried(), source, now=NOON), Waits)


@pytest.mark.parametrize("state", ["waiting", "running"])
def test_nothing_is_launched_while_an_attempt_is_open(state: AttemptState) -> None:
    decision = next_launch("daily", WINDOW, tried(attempt(state)), SourceStands("crm"), now=NOON)
    assert decision == Waits("run run0 is at work")


def test_a_launch_after_failures_is_another_launch() -> None:
    decision = next_launch("daily", WINDOW, tried(attempt("failed", minutes_ago=60)), SourceStands("crm"), now=NOON)
    assert decision == ExportRun("daily", WINDOW, with_source=False, number=1)


@pytest.mark.parametrize(("failures", "minutes"), [(1, 5), (2, 10), (3, 20), (4, 40), (5, 60), (6, 60), (100_000, 60)])
def test_the_wait_doubles_from_five_minutes_to_an_hour(failures: int, minutes: int) -> None:
    assert wait_after(failures) == timedelta(minutes=minutes)


@given(st.integers(1, 20), st.floats(0, 120))
def test_a_failed_partition_is_left_alone_exactly_as_long_as_its_failures_ask_for(failures: int, ago: float) -> None:
    attempts = [attempt("failed", minutes_ago=ago + 2 * n, number=failures - n) for n in range(failures)]
    waits = patience(tried(*attempts), now=NOON)
    until = NOON - timedelta(minutes=ago) + wait_after(failures)
    assert (waits is None) == (until <= NOON)
    assert FIRST_WAIT <= wait_after(failures) <= LONGEST_WAIT
    if waits:
        assert waits.until == until


def test_a_success_and_a_start_by_hand_forgive_what_failed_before() -> None:
    failed = [attempt("failed", minutes_ago=ago, number=ago) for ago in (50, 40, 5)]
    assert failures_in_a_row(tried(*failed)) == 3
    assert failures_in_a_row(tried(*failed, attempt("succeeded", minutes_ago=30))) == 1
    assert failures_in_a_row(tried(*failed, started=NOON - timedelta(minutes=45))) == 2


def test_a_start_by_hand_brings_a_failed_partition_back_at_once() -> None:
    assert patience(tried(attempt("failed", minutes_ago=1), started=NOON), now=NOON) is None


def test_a_failure_for_want_of_input_is_retried_as_soon_as_that_was_written() -> None:
    failed = attempt("failed", minutes_ago=2, whose="input")
    assert patience(tried(failed), now=NOON)
    assert patience(tried(failed, unblocked=NOON - timedelta(minutes=1)), now=NOON) is None
    assert patience(tried(failed, unblocked=NOON - timedelta(minutes=3)), now=NOON)


def test_a_canceled_attempt_waits_for_the_next_window_or_a_start() -> None:
    canceled = attempt("canceled", minutes_ago=600)
    assert patience(tried(canceled), now=NOON)
    assert patience(tried(canceled, started=NOON - timedelta(hours=1)), now=NOON) is None
    next_day = Tried([canceled], newest_due=NOON - timedelta(hours=1))
    assert patience(next_day, now=NOON) is None


WEEK = DAILY.window_of("2026-03-07").end


@dataclass
class World:
    """A source and an export that do what they are told: what is written, what is delivered, what was launched."""

    tiles: list[Interval]
    windows: list[Interval]
    now: datetime = FINISHED
    written: set[Interval] = field(default_factory=set)
    delivered: list[Interval] = field(default_factory=list)
    tries: dict[Interval, list[Attempt]] = field(default_factory=dict)
    launched: list[Interval] = field(default_factory=list)

    def step(self, *, succeeds: bool) -> bool:
        """One look of the sensor, and the run that it asks for; whether anything is left to do."""
        window = next((window for window in self.windows if window not in self.delivered), None)
        if window is None:
            return False
        missing = [tile for tile in self.tiles if tile.end <= window.end and tile not in self.written]
        stands = SourceStands("crm", missing[0] if missing else None, are_more=len(missing) > 1)
        decision = next_launch("daily", window, Tried(self.tries.get(window, [])), stands, now=self.now)
        self.now += timedelta(minutes=1)
        match decision:
            case IngestRun() if succeeds:
                self.written.add(decision.partition)
            case ExportRun():
                self.launched.append(window)
                self._run(decision, succeeds=succeeds)
        return True

    def _run(self, launch: ExportRun, *, succeeds: bool) -> None:
        """The export's run, whether the rules asked for it or a backfill did: it needs its source."""
        tries = self.tries.setdefault(launch.window, [])
        if succeeds:
            self.written |= {launch.window} if launch.with_source else set()
            self.delivered.append(launch.window)
        state: AttemptState = "succeeded" if succeeds else "failed"
        whose: Whose | None = None if succeeds else "transient"
        tries.append(Attempt(f"run{len(tries)}", "", state, self.now, self.now, whose))

    def backfill(self, window: Interval) -> None:
        """Somebody runs a partition by hand, in whatever order: it works where the one before it is written."""
        has_before = all(tile in self.written for tile in self.tiles if tile.end == window.start)
        self._run(ExportRun("daily", window, with_source=True, number=0), succeeds=has_before)


OUTCOMES = st.lists(st.booleans(), max_size=40)


@pytest.mark.req("P26")
@given(st.sampled_from([DAILY, SIX_HOURLY]), OUTCOMES)
def test_whatever_fails_meanwhile_every_window_is_delivered_once_and_in_order(
    source: Cadence, outcomes: list[bool]
) -> None:
    tiles, windows = list(source.windows(WEEK)), list(DAILY.windows(WEEK))
    world = World(tiles, windows)
    for outcome in outcomes:
        world.step(succeeds=outcome)
    while world.step(succeeds=True):
        pass
    assert world.delivered == windows
    assert world.written == set(tiles)
    assert world.launched == sorted(world.launched)


@pytest.mark.req("P26")
@given(st.permutations(THIRTY))
def test_a_backfill_of_thirty_partitions_in_any_order_is_completed(order: list[Interval]) -> None:
    world = World(THIRTY, THIRTY)
    for window in order:
        world.backfill(window)
    while world.step(succeeds=True):
        pass
    assert sorted(world.delivered) == THIRTY


CADENCES = st.builds(
    Cadence,
    st.sampled_from([ZoneInfo(name) for name in ("UTC", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")]),
    st.sampled_from([3, 6, 12, 24]),
    st.dates(date(2026, 2, 20), date(2026, 11, 1)),
)


@given(CADENCES, st.sampled_from([time(0), time(2, 30), time(23, 59)]), st.lists(st.integers(0, 150), max_size=4))
def test_due_windows_are_the_same_however_often_and_in_whichever_order_one_asks(
    cadence: Cadence, at: time, hours: list[int]
) -> None:
    remembering = DueWindows(cadence, at)
    for hour in hours:
        now = cadence.first.start + timedelta(hours=hour)
        fresh = DueWindows(cadence, at)
        due = [window for window in cadence.windows(now) if fresh.due(window) <= now]
        assert remembering.until(now) == due
        following = remembering.next_due(now)
        assert following is not None
        assert following > now


def test_nothing_is_due_after_the_last_window() -> None:
    due = DueWindows(DAILY, time(0))
    assert len(due.until(FINISHED)) == 30
    assert due.next_due(FINISHED) is None
