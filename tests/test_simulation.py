"""Forty-five days over each change of clocks: every window once, nothing lost, everybody told what they should be."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import pairwise
from pathlib import Path

import pytest
import stamina
from simulated_world import OPERATIONS, WorldlyHome, owner_of, worldly_home
from simulation import Clock, Simulation
from smtp_server import Inbox, smtp_server

from ctexport_dagster import reader
from ctexport_dagster.core.failure import HTTP_STATUSES, FailureTable
from ctexport_dagster.core.history import Attempt
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.told import Cursor, Memory
from ctexport_dagster.running import switch
from ctexport_dagster.running.history import attempts_at

DAYS = 45
HOUR = timedelta(hours=1)
STATUSES = FailureTable({}, HTTP_STATUSES)
FORBIDDEN, UNAVAILABLE = STATUSES.classify(status=403), STATUSES.classify(status=503)
STARTS = {"november": date(2025, 10, 11), "march": date(2026, 2, 14)}
"""Clocks change in New York on the twenty-third day of either span. Both lie in the past, for Dagster has no key of a
window that is yet to come by its own clock."""
EXPORTS = ("full", "india", "york")


@dataclass(frozen=True)
class Passed:
    """A span that has passed, with the mails of it."""

    home: WorldlyHome
    simulation: Simulation
    start: datetime
    inbox: Inbox

    def day(self, number: int, hours: float = 0) -> datetime:
        return self.start + timedelta(days=number, hours=hours)

    @property
    def end(self) -> datetime:
        return self.day(DAYS)

    def attempts(self, export: str) -> list[Attempt]:
        return attempts_at(self.home.world.instance, export, self.home.line(export).cadence)

    @property
    def change_of_clocks(self) -> list[datetime]:
        """The instants at which windows start on the day on which clocks change in New York, and the next midnight."""
        cadence, day = self.home.sources["york"].cadence, self.start.date() + timedelta(days=22)
        return [*cadence.boundaries_of(day), cadence.boundaries_of(day + timedelta(days=1))[0]]

    def mails_to(self, address: str) -> list[tuple[str, datetime]]:
        """Subject and instant of each mail, in the order in which they came."""
        return [
            (received.mail["Subject"], parsedate_to_datetime(received.mail["Date"]))
            for received in self.inbox.received
            if received.to == (address,)
        ]


@pytest.fixture(scope="session")
def spans(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Passed]]:
    """Each span of time, passed once a process: two minutes that no test is to repeat."""
    built: dict[str, Passed] = {}

    def span_of(name: str) -> Passed:
        if name not in built:
            built[name] = _lived_through(name, tmp_path_factory.mktemp(name))
        return built[name]

    yield span_of
    for span in built.values():
        span.home.world.instance.dispose()


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in STARTS])
def passed(request: pytest.FixtureRequest, spans: Callable[[str], Passed]) -> Passed:
    return spans(request.param)


def _lived_through(name: str, root: Path) -> Passed:
    day = STARTS[name]
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    home = worldly_home(root, day, Clock(start))
    with smtp_server(root / "mail") as server, stamina.set_testing(True, attempts=2):
        span = Passed(home, home.simulation(server.port), start, server.inbox)
        go_wrong(span)
        span.simulation.run_until(span.end)
    return span


def go_wrong(span: Passed) -> None:
    """Everything that happens in those weeks."""
    day, world, inbox, midnight = span.day, span.home.world, span.inbox, span.change_of_clocks
    world.refusals["india"] = [(Interval(day(10), day(14, 12)), FORBIDDEN)]
    world.refusals["full"] = [
        (Interval(day(18), day(19, 7)), FORBIDDEN),
        (Interval(day(25), day(25, 6)), FORBIDDEN),
    ]
    world.refusals["york"] = [(Interval(midnight[0], midnight[0] + HOUR / 2), UNAVAILABLE)]
    world.late["crm_york", midnight[0]] = midnight[1] + 9 * HOUR
    world.kills = {"india": day(30), "york": day(35)}
    span.simulation.actions = {
        day(14, 13): lambda: switch.start(world.instance, "india", now=world.now),
        day(25, 1): lambda: setattr(inbox, "is_down", True),
        day(25, 4): lambda: setattr(inbox, "is_down", False),
    }


@pytest.mark.req("P24", "P26", "S11", "B2")
@pytest.mark.parametrize("export", EXPORTS)
def test_every_window_is_delivered_exactly_once(passed: Passed, export: str) -> None:
    line = passed.home.line(export)
    due = [line.cadence.key_of(window) for window in line.due.until(passed.end)]
    delivery = reader.open_delivery(passed.home.delivered_to(export))
    assert [partition.key for partition in delivery.partitions] == due
    assert {partition.manifest.generation for partition in delivery.partitions} == {1}
    done = [attempt.partition for attempt in passed.attempts(export) if attempt.state == "succeeded"]
    assert sorted(done) == due
    promised = {file.key for partition in delivery.partitions for file in partition.manifest.files}
    found = {path.name for path in passed.home.delivered_to(export).iterdir() if ".manifest." not in path.name}
    assert found == promised


@pytest.mark.req("P25", "P26")
@pytest.mark.parametrize("export", EXPORTS)
def test_what_was_delivered_replays_to_the_state_of_every_window(passed: Passed, export: str) -> None:
    source = passed.home.sources[export]
    state: dict[str, str] = {}
    for partition in reader.open_delivery(passed.home.delivered_to(export)).partitions:
        rows = {str(row["clevertapId"]): str(row["plan"]) for row in partition.rows()}
        state = {**({} if partition.manifest.mode == "full" else state), **rows}
        window = source.cadence.window_of(partition.key)
        assert state == source.truth(window)


@pytest.mark.req("P26")
def test_the_day_on_which_clocks_change_has_its_four_windows_too(passed: Passed) -> None:
    hours = [(end - start) / HOUR for start, end in pairwise(passed.change_of_clocks)]
    assert hours in ([7, 6, 6, 6], [5, 6, 6, 6])


def near(mails: list[tuple[str, datetime]], due: list[tuple[str, datetime]], slack: timedelta) -> bool:
    """Whether these very mails came, each when it was due or within so much after it."""
    return [subject for subject, _ in mails] == [subject for subject, _ in due] and all(
        timedelta(0) <= came - at <= slack for (_, came), (_, at) in zip(mails, due, strict=True)
    )


def first_failure(passed: Passed, export: str, since: datetime) -> datetime:
    ended = [a.ended for a in passed.attempts(export) if a.whose == "customer" and a.ended and a.ended >= since]
    return min(ended)


@pytest.mark.req("S11")
def test_the_owner_is_mailed_three_times_and_the_export_stopped_on_the_third_day(passed: Passed) -> None:
    failed = first_failure(passed, "india", passed.day(10))
    assert failed - passed.day(10, 19) < timedelta(minutes=5)
    due = [
        ("india can't be delivered (1 of 3)", failed),
        ("india still can't be delivered (2 of 3)", failed + 24 * HOUR),
        ("india was stopped (3 of 3)", failed + 72 * HOUR),
    ]
    mails = passed.mails_to(owner_of("india"))
    assert near(mails, due, 1.2 * HOUR)
    asleep = Interval(mails[-1][1] + timedelta(minutes=1), passed.day(14, 13))
    assert [a for a in passed.attempts("india") if a.launched in asleep] == []


@pytest.mark.req("S11", "P34")
def test_a_stopped_export_that_is_started_again_catches_up_with_all_that_it_missed(passed: Passed) -> None:
    missed = {(passed.start + timedelta(days=number)).date().isoformat() for number in range(10, 14)}
    done = [a for a in passed.attempts("india") if a.state == "succeeded" and a.partition in missed]
    assert {a.partition for a in done} == missed
    assert all(passed.day(14, 13) <= a.launched < passed.day(14, 14) for a in done)


@pytest.mark.req("S11")
def test_a_success_ends_an_incident_and_a_mail_server_that_was_down_gets_its_mail_late_and_once(passed: Passed) -> None:
    first, second = (first_failure(passed, "full", passed.day(number)) for number in (18, 25))
    assert second - passed.day(25, 2) < timedelta(minutes=5)
    due = [
        ("full can't be delivered (1 of 3)", first),
        ("full still can't be delivered (2 of 3)", first + 24 * HOUR),
        ("full can't be delivered (1 of 3)", passed.day(25, 4)),
    ]
    assert near(passed.mails_to(owner_of("full")), due, 1.2 * HOUR)


@pytest.mark.req("S11")
def test_blips_late_files_and_killed_runs_are_told_to_operations_alone(passed: Passed) -> None:
    midnight = passed.change_of_clocks
    kills = [min(a.ended for a in passed.attempts(e) if a.whose == "ours" and a.ended) for e in ("india", "york")]
    due = [
        ("1 export fails: york", midnight[0] + timedelta(minutes=10)),
        ("1 export fails: york", midnight[1] + timedelta(minutes=10)),
        ("1 export fails: india", kills[0]),
        ("1 export fails: york", kills[1]),
    ]
    assert near(passed.mails_to(OPERATIONS), due, timedelta(minutes=15))
    assert passed.mails_to(owner_of("york")) == []
    assert {a.whose for a in passed.attempts("york") if a.state == "failed"} == {"transient", "input", "ours"}


def test_nobody_else_is_mailed_and_nothing_is_left_to_tell(passed: Passed) -> None:
    known = (OPERATIONS, *map(owner_of, EXPORTS))
    assert {address for received in passed.inbox.received for address in received.to} <= set(known)
    assert len({received.mail["Message-ID"] for received in passed.inbox.received}) == len(passed.inbox.received)
    assert Cursor.read(passed.simulation.cursors["failure_notices"]).mail == Memory()
