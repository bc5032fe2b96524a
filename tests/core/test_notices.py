"""Which notices are due: the marks of an incident, what ends it, and what holds for any history and any ticks."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctexport_dagster.core.history import Attempt, AttemptState, Whose
from ctexport_dagster.core.notices import (
    LATE_THIRD,
    REST,
    Due,
    Notice,
    Third,
    Watched,
    accepted,
    is_stop_due,
    stopped,
    what_is_due,
)
from ctexport_dagster.core.told import Cursor, Memory

START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def attempt(hours: float, state: AttemptState = "failed", whose: Whose | None = None) -> Attempt:
    return Attempt(f"run-{hours:g}", "2026-11-01", state, at(hours) - HOUR / 4, at(hours), whose)


def refused(hours: float) -> Attempt:
    return attempt(hours, "failed", "customer")


def delivered(hours: float) -> Attempt:
    return attempt(hours, "succeeded")


@dataclass
class Owner:
    """One export whose owner is told over one way of telling that may be down; as the sensor does it, less Dagster."""

    third: Third = "stops"
    memory: Memory = field(default_factory=Memory)
    is_on: bool = True
    started: datetime | None = None
    ends: tuple[date, datetime] | None = None
    sent: list[tuple[int, float]] = field(default_factory=list)
    """Number and hour of each notice."""
    operations: list[float] = field(default_factory=list)
    stopped_at: float | None = None

    def due(self, attempts: Sequence[Attempt], hours: float) -> Due:
        past = [told for told in attempts if told.ended is None or told.ended <= at(hours)]
        watched = Watched("daily", past, self.is_on, self.started, ends=self.ends)
        return what_is_due(self.memory, [watched], at(hours), self.third)

    def tick(self, attempts: Sequence[Attempt], hours: float, *, is_down: bool = False) -> tuple[Notice, ...]:
        due = self.due(attempts, hours)
        self.memory = due.memory
        if is_down:
            return due.notices
        for notice in due.notices:
            self.memory = accepted(self.memory, notice, at(hours))
            self.sent.append((notice.number, hours))
        if due.troubles:
            self.memory = self.memory.with_troubles(["daily"], at(hours))
            self.operations.append(hours)
        told = self.memory.incidents.get("daily")
        if self.third == "stops" and told and is_stop_due(told):
            self.memory = stopped(self.memory, "daily", told, at(hours))
            self.is_on, self.stopped_at = False, hours
        return due.notices


HOURLY = [refused(hours) for hours in range(1, 120)]


@pytest.mark.req("S11")
def test_three_notices_go_out_at_once_after_a_day_and_after_three_days_and_the_third_stops() -> None:
    owner = Owner()
    for hours in range(200):
        owner.tick(HOURLY, hours)
    assert owner.sent == [(1, 1), (2, 25), (3, 73)]
    assert owner.stopped_at == 73


@pytest.mark.req("S11")
def test_the_third_notice_waits_for_an_attempt_that_failed_after_the_mark() -> None:
    attempts = [refused(1), refused(20), refused(80)]
    owner = Owner()
    for hours in range(100):
        owner.tick(attempts, hours)
    assert owner.sent == [(1, 1), (2, 25), (3, 80)]


@pytest.mark.req("S11")
def test_nothing_is_stopped_while_an_attempt_is_still_under_way() -> None:
    running = Attempt("now", "2026-11-01", "running", at(73))
    owner = Owner()
    for hours in range(80):
        owner.tick([*HOURLY[:73], running], hours)
    assert owner.sent == [(1, 1), (2, 25)]


@pytest.mark.req("S11")
@pytest.mark.parametrize("whose", ["transient", "ours", "input"])
def test_failures_that_are_not_the_customers_tell_no_owner_and_stop_nothing(whose: Whose) -> None:
    owner = Owner()
    for hours in range(200):
        owner.tick([attempt(hours, "failed", whose) for hours in range(1, 200)], hours)
    assert (owner.sent, owner.stopped_at) == ([], None)
    assert owner.operations == [1 + 24 * day for day in range(9)]


@pytest.mark.req("S11")
def test_an_export_whose_last_word_is_a_transient_failure_is_not_stopped() -> None:
    attempts = [*HOURLY[:72], *(attempt(hours, "failed", "transient") for hours in range(73, 90))]
    owner = Owner()
    for hours in range(90):
        owner.tick(attempts, hours)
    assert owner.sent == [(1, 1), (2, 25)]


@pytest.mark.req("S11")
def test_a_success_ends_the_incident_and_the_next_failure_begins_another() -> None:
    owner = Owner()
    attempts = [refused(1), refused(30), delivered(40), refused(50), refused(90)]
    for hours in range(100):
        owner.tick(attempts, hours)
    assert owner.sent == [(1, 1), (2, 25), (1, 50), (2, 74)]


def test_an_incident_that_is_over_before_anybody_looked_is_not_told() -> None:
    assert Owner().tick([refused(1), delivered(2)], 3) == ()


def test_an_export_that_somebody_stopped_is_left_alone_and_a_start_forgives_what_failed_before() -> None:
    owner = Owner()
    owner.tick(HOURLY[:5], 5)
    owner.is_on = False
    for hours in range(6, 60):
        owner.tick(HOURLY[:5], hours)
    owner.is_on, owner.started = True, at(60)
    owner.tick(HOURLY[:5], 61)
    assert owner.sent == [(1, 5)]
    assert owner.memory.incidents == {}
    owner.tick([*HOURLY[:5], refused(62)], 62)
    assert owner.sent == [(1, 5), (1, 62)]


def test_an_export_that_was_started_again_right_after_the_stop_begins_anew_though_no_tick_saw_it_off() -> None:
    owner = Owner()
    for hours in range(74):
        owner.tick(HOURLY, hours)
    owner.is_on, owner.started = True, at(73.5)
    owner.tick(HOURLY, 74)
    assert owner.sent == [(1, 1), (2, 25), (3, 73), (1, 74)]


def test_a_mail_server_that_is_down_for_hours_delays_its_notice_and_no_other() -> None:
    owner = Owner()
    for hours in range(80):
        owner.tick(HOURLY, hours, is_down=hours < 8)
    assert owner.sent == [(1, 8), (2, 25), (3, 73)]


@pytest.mark.req("S11")
def test_nobody_is_stopped_who_was_not_told_twice_before_with_time_between() -> None:
    owner = Owner()
    for hours in range(120):
        owner.tick(HOURLY, hours, is_down=hours < 80)
    rest = REST / HOUR
    assert owner.sent == [(1, 80), (2, 80 + rest), (3, 80 + 2 * rest)]
    assert owner.stopped_at == 80 + 2 * rest


def test_without_mail_a_webhook_hears_of_the_third_day_and_nothing_is_stopped() -> None:
    owner = Owner(third="tells")
    notices = [notice for hours in range(100) for notice in owner.tick(HOURLY, hours)]
    assert [(notice.number, notice.says_stopped) for notice in notices] == [(1, False), (2, False), (3, False)]
    assert owner.stopped_at is None


def test_beside_mail_a_webhook_hears_of_the_stop_once_it_has_happened_and_for_a_day_if_it_was_down() -> None:
    mail, webhook = Owner(), Owner(third="follows")
    for hours in range(90):
        mail.tick(HOURLY, hours)
        if mail.stopped_at == hours:
            told = mail.memory.incidents["daily"]
            webhook.memory = stopped(webhook.memory, "daily", told, at(hours))
            webhook.is_on = False
        webhook.tick(HOURLY, hours, is_down=70 < hours < 78)
    assert webhook.sent == [(1, 1), (2, 25), (3, 78)]


def test_a_third_notice_that_could_not_be_sent_for_a_day_after_the_stop_is_dropped() -> None:
    webhook = Owner(third="follows")
    told = Owner()
    for hours in range(74):
        told.tick(HOURLY, hours)
    webhook.memory = stopped(Memory(), "daily", told.memory.incidents["daily"], at(73))
    webhook.is_on = False
    webhook.tick(HOURLY, 73 + LATE_THIRD / HOUR)
    assert (webhook.sent, webhook.memory.incidents) == ([], {})


def test_an_incident_keeps_its_beginning_though_its_first_runs_are_no_longer_read() -> None:
    owner = Owner()
    owner.tick(HOURLY[:1], 1)
    for hours in range(2, 80):
        owner.tick(HOURLY[max(0, hours - 3) :], hours)
    assert owner.sent == [(1, 1), (2, 25), (3, 73)]


def test_operations_are_told_at_once_then_daily_until_a_success() -> None:
    attempts = [
        *(attempt(h, "failed", "transient") for h in range(1, 30)),
        delivered(30),
        attempt(40, "failed", "ours"),
    ]
    owner = Owner()
    for hours in range(50):
        owner.tick(attempts, hours)
    assert owner.operations == [1, 25, 40]


def test_one_message_to_operations_holds_every_open_trouble() -> None:
    watched = [Watched(name, [attempt(1, "failed", "ours")], is_on=True) for name in ("a", "b", "c")]
    memory = Memory().with_troubles(["a"], at(1))
    assert [trouble.export for trouble in what_is_due(memory, watched, at(2), "stops").troubles] == ["a", "b", "c"]
    told = memory.with_troubles(["b", "c"], at(2))
    assert what_is_due(told, watched, at(3), "stops").troubles == ()


@pytest.mark.req("A5")
def test_the_owner_is_warned_once_seven_days_before_the_end() -> None:
    owner = Owner(ends=(date(2026, 11, 15), at(14 * 24)))
    assert owner.due([], 7 * 24 - 1).endings == ()
    (warning,) = owner.due([], 7 * 24).endings
    assert (warning.export, warning.end) == ("daily", date(2026, 11, 15))
    owner.memory = owner.memory.warned_of_end("daily", warning.end)
    assert owner.due([], 8 * 24).endings == ()
    owner.ends = (date(2026, 11, 16), at(15 * 24))
    assert [warning.end for warning in owner.due([], 8 * 24).endings] == [date(2026, 11, 16)]
    assert owner.due([], 15 * 24).endings == ()


def test_what_is_remembered_of_an_export_goes_with_its_declaration() -> None:
    memory = Memory().with_troubles(["gone", "daily"], START).warned_of_end("gone", date(2026, 11, 1))
    watched = [Watched("daily", [], is_on=True)]
    assert what_is_due(memory, watched, at(1), "stops").memory == Memory().with_troubles(["daily"], START)


@pytest.mark.parametrize("text", [None, "", "not json", '{"mail": {"incidents": 3}}'])
def test_a_cursor_that_cannot_be_read_is_an_empty_one(text: str | None) -> None:
    assert Cursor.read(text) == Cursor()


REFUSED: tuple[AttemptState, Whose | None] = ("failed", "customer")
KINDS: tuple[tuple[AttemptState, Whose | None], ...] = (
    *[REFUSED] * 8,
    ("failed", "transient"),
    ("failed", "ours"),
    ("canceled", None),
    ("succeeded", None),
)
histories = st.lists(st.tuples(st.integers(1, 300), st.sampled_from(KINDS)), max_size=60, unique_by=lambda e: e[0]).map(
    lambda told: [attempt(hours, *kind) for hours, kind in sorted(told, key=lambda entry: entry[0])]
)
ticks = st.sets(st.integers(0, 1280), min_size=1, max_size=150).map(lambda quarters: sorted(q / 4 for q in quarters))
outages = st.tuples(st.integers(0, 300), st.integers(0, 100)).map(lambda o: (o[0], o[0] + o[1]))


def incidents(attempts: Sequence[Attempt]) -> list[tuple[float, float]]:
    """First failure and end (a success, or never) of each incident, in hours: the definition, written plainly."""
    found, began = list[tuple[float, float]](), None
    for one in attempts:
        hours = ((one.ended or START) - START) / HOUR
        if one.whose == "customer" and began is None:
            began = hours
        if one.state == "succeeded" and began is not None:
            found.append((began, hours))
            began = None
    return [*found, (began, float("inf"))] if began is not None else found


def told_of(attempts: Sequence[Attempt], at_hours: Sequence[float], outage: tuple[float, float]) -> Owner:
    owner = Owner()
    for hours in at_hours:
        owner.tick(attempts, hours, is_down=outage[0] <= hours < outage[1])
    return owner


@pytest.mark.req("S11")
@given(histories, ticks, outages)
def test_whenever_it_is_looked_an_incident_has_three_notices_in_order_none_early_and_none_after_its_success(
    attempts: list[Attempt], looked: list[float], outage: tuple[float, float]
) -> None:
    owner = told_of(attempts, looked, outage)
    spans = incidents(attempts)
    by_incident = [[(n, h) for n, h in owner.sent if began <= h < ended] for began, ended in spans]
    assert sum(map(len, by_incident)) == len(owner.sent)
    for (began, _), notices in zip(spans, by_incident, strict=True):
        assert [number for number, _ in notices] == [1, 2, 3][: len(notices)]
        assert all(hours >= began + (0, 24, 72)[number - 1] for number, hours in notices)


@pytest.mark.req("S11")
@given(histories, ticks, outages)
def test_a_stop_comes_with_the_third_notice_alone_after_a_customers_failure_past_the_mark(
    attempts: list[Attempt], looked: list[float], outage: tuple[float, float]
) -> None:
    owner = told_of(attempts, looked, outage)
    thirds = [hours for number, hours in owner.sent if number == 3]
    assert thirds == ([] if owner.stopped_at is None else [owner.stopped_at])
    if owner.stopped_at is not None:
        began = max(began for began, _ in incidents(attempts) if began <= owner.stopped_at)
        past = [a for a in attempts if a.state != "canceled" and a.ended and a.ended <= at(owner.stopped_at)]
        assert past[-1].whose == "customer"
        assert past[-1].ended
        assert past[-1].ended >= at(began + 72)


@given(histories, ticks, ticks)
@settings(max_examples=25)
def test_looking_more_often_never_tells_more(attempts: list[Attempt], some: list[float], more: list[float]) -> None:
    """Of an incident that both see to its end: once every hour from end to end tells at least what fewer looks do."""
    seldom = told_of(attempts, some, (0, 0))
    often = told_of(attempts, sorted({*some, *more, *(hour / 4 for hour in range(1300))}), (0, 0))
    first_stop = min(hours for hours in (seldom.stopped_at, often.stopped_at, 1e9) if hours is not None)
    for began, ended in incidents(attempts):
        if ended <= first_stop:
            counts = [len([h for _, h in owner.sent if began <= h < ended]) for owner in (seldom, often)]
            assert counts[0] <= counts[1]


@given(histories, ticks)
def test_looking_again_at_once_tells_nothing_new(attempts: list[Attempt], looked: list[float]) -> None:
    once, twice = Owner(), Owner()
    for hours in looked:
        once.tick(attempts, hours)
        twice.tick(attempts, hours)
        twice.tick(list(reversed(attempts)), hours)
    assert twice.sent == once.sent
    assert twice.operations == once.operations


@given(histories, ticks)
def test_the_memory_survives_being_written_and_read_at_every_tick_and_stays_small(
    attempts: list[Attempt], looked: list[float]
) -> None:
    kept, written = Owner(), Owner()
    for hours in looked:
        kept.tick(attempts, hours)
        written.tick(attempts, hours)
        text = replace_memory(written)
        assert len(text) < 400
    assert (written.sent, written.memory) == (kept.sent, kept.memory)


def replace_memory(owner: Owner) -> str:
    text = Cursor(mail=owner.memory).write()
    owner.memory = Cursor.read(text).mail
    return text
