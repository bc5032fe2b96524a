"""What the schedules and the catch-up sensor launch, on a real home in this process."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import dagster as dg
import polars as pl
import pytest
from clockwork import Clockwork, SetClock, keys_of
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._utils.schedules import schedule_execution_time_iterator
from dagster_home import DagsterHome, assets_of, failed
from line_fakes import Given, MemoryDeclaration, TinyHome, tree
from test_dagster_assets import refusing

from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.home import DestinationDeclaration
from ctexport_dagster.instance import open_instance
from ctexport_dagster.resources.local import LocalDestination
from ctexport_dagster.running.location import LOCATION
from ctexport_dagster.running.planning import Ledger, Planner
from ctexport_dagster.running.requests import JOB
from ctexport_dagster.running.switch import REPOSITORY, start, stop
from ctexport_dagster.schedules import cron_of
from ctexport_dagster.stages.chunks import format_partition
from ctexport_dagster.stages.delivery import deliver_partition
from ctexport_dagster.stages.identity import resolve_partition

FIRST = date(2026, 3, 2)
FOLDER = LocalDestination(type="local", name="disk", folder="out")
LATER = datetime(2100, 1, 1, tzinfo=UTC)
"""An instant long after everything that tests do, so that no failure is too young to be tried again."""


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster's own on disk: one in memory has no schedules, and can't be opened by a tick."""
    instance = open_instance(tmp_path / "dagster", {})
    yield instance
    instance.dispose()


def day(number: int) -> str:
    return (FIRST + timedelta(days=number)).isoformat()


def midnight_after(number: int) -> datetime:
    return datetime.combine(FIRST + timedelta(days=number + 1), time(0), tzinfo=UTC)


def told(number: int) -> Given:
    """Five profiles, of which one changes each day."""
    rows = tuple({"clevertapId": f"id{n}", "plan": f"p{number if n == number % 5 else 0}"} for n in range(5))
    return Given({"clevertapId": pl.String(), "plan": pl.String()}, rows)


def home_of(root: Path, *, days: int) -> TinyHome:
    """A home whose source has so many days, all of them told."""
    home = TinyHome(root, MemoryDeclaration(name="crm", start=FIRST, end=FIRST + timedelta(days=days), max_deleted=1))
    for number in range(days):
        home.tell(day(number), told(number))
    return home


def clockwork(
    home: TinyHome,
    instance: dg.DagsterInstance,
    *declared: Mapping[str, object],
    destination: DestinationDeclaration = FOLDER,
    now: datetime = LATER,
) -> Clockwork:
    """The exports e0, e1 and so on; only what differs from the least that an export declares needs to be given."""
    lines = [home.line(f"e{n}", **{"files": {"name": f"e{n}"}, **one}) for n, one in enumerate(declared or [{}])]
    return Clockwork(DagsterHome(home, lines, destination, instance, SetClock(now)))


def delivered(home: TinyHome) -> dict[str, bytes]:
    """What lies at the destination, but for manifests: they name runs."""
    return {name: content for name, content in tree(home.root / "out").items() if ".manifest." not in name}


@pytest.mark.req("P24", "P26")
def test_a_tick_runs_the_partition_whose_window_ended_with_its_source(
    tmp_path: Path, stored: dg.DagsterInstance
) -> None:
    works = clockwork(home_of(tmp_path, days=1), stored, {"schedule": {"at": "02:00"}})
    at = midnight_after(0) + timedelta(hours=2)
    assert works.tick("e0", midnight_after(0)) == []
    (request,) = works.tick("e0", at)
    assert request.partition_key == day(0)
    assert keys_of(request) == ["crm/profiles", *assets_of(works.home.line)]
    assert works.run(request).success
    assert works.skipped("e0", at) == "everything that is due is delivered"


def test_missed_partitions_are_run_oldest_first(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    works = clockwork(home_of(tmp_path, days=3), instance)
    assert works.run_until_quiet() == [f"e0 {day(number)} 0" for number in range(3)]
    assert works.waits() == "everything that is due is delivered"


def test_the_source_comes_before_an_export_of_another_cadence(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    works = clockwork(home_of(tmp_path, days=2), instance, {"schedule": {"start": day(1)}})
    assert works.run_until_quiet() == [f"crm/profiles {day(0)} 0", f"crm/profiles {day(1)} 0", f"e0 {day(1)} 0"]


def test_two_exports_of_one_source_do_not_both_write_its_partition(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    works = clockwork(home_of(tmp_path, days=1), instance, {}, {})
    assert works.run_until_quiet() == [f"e0 {day(0)} 0", f"e1 {day(0)} 0"]


@pytest.mark.req("P26", "B2")
def test_a_backfill_of_thirty_partitions_shuffled_ends_with_the_bytes_of_thirty_daily_runs(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    in_order, shuffled = home_of(tmp_path / "in_order", days=30), home_of(tmp_path / "shuffled", days=30)
    for number in range(30):
        in_order.ingest(day(number))
        run_stages(in_order, day(number))
    works = clockwork(shuffled, instance)
    succeeded = [number for number in Random(30).sample(range(30), 30) if works.home.everything(day(number)).success]
    assert succeeded == list(range(len(succeeded)))
    left = range(len(succeeded), 30)
    assert works.run_until_quiet() == [f"e0 {day(number)} 1" for number in left]
    assert delivered(shuffled) == delivered(in_order)


def test_after_a_failure_later_windows_wait_but_not_those_of_a_full_export(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    works = clockwork(
        home_of(tmp_path, days=2),
        instance,
        {},
        {"schedule": {"mode": "full"}},
        destination=refusing("customer"),
        now=datetime.now(UTC),
    )
    for expected in (f"e0 {day(0)} 0", f"e1 {day(0)} 0", f"e1 {day(1)} 0"):
        (request,) = works.look()
        assert request.run_key == expected
        works.run(request)
    assert works.look() == []


def test_a_stale_partition_of_a_source_is_written_anew_though_nothing_waits_for_it(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    home = home_of(tmp_path, days=3)
    works = clockwork(home, instance)
    works.run_until_quiet()
    home.tell(day(0), told(7))
    works.home.materialize(day(0), "crm/profiles")
    (request,) = works.look()
    assert (request.partition_key, keys_of(request)) == (day(1), ["crm/profiles"])
    works.run(request)
    assert works.look() == []


def test_a_stale_partition_is_left_alone_as_long_as_what_is_written_with_it_may_come_late(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    home = home_of(tmp_path, days=2)
    works = clockwork(home, instance)
    works.run_until_quiet()
    home.tell(day(0), told(7))
    works.home.materialize(day(0), "crm/profiles")
    hold = timedelta(hours=2)
    line = replace(works.home.line, shared_hold=hold)
    end = line.source.cadence.window_of(day(1)).end
    early, late = (Planner(instance, now).mend(line) for now in (end + hold - timedelta(seconds=1), LATER))
    assert early is None
    assert late is not None
    assert late.partition.end == end


@pytest.mark.req("P24")
def test_a_one_time_export_runs_once_as_soon_as_its_day_has_ended(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    once = {"schedule": {"every": "once", "start": day(1), "at": "03:00"}}
    works = clockwork(home_of(tmp_path, days=3), instance, once, now=midnight_after(1))
    assert works.look() == []
    set_to(works, LATER)
    assert works.run_until_quiet() == [f"crm/profiles {day(0)} 0", f"crm/profiles {day(1)} 0", f"e0 {day(1)} 0"]
    assert works.repository.get_schedule_def("e0").cron_schedule == "0 3 4 3 *"


@pytest.mark.req("P34", "S8")
def test_a_stopped_export_is_not_launched_and_catches_up_once_started(
    tmp_path: Path, stored: dg.DagsterInstance
) -> None:
    works = clockwork(home_of(tmp_path, days=2), stored)
    stop(stored, "e0")
    assert works.waits() == "e0: the export is stopped"
    assert works.skipped("e0", LATER) == "the export is stopped"
    start(stored, "e0", now=datetime.now(UTC))
    assert works.run_until_quiet() == [f"e0 {day(0)} 0", f"e0 {day(1)} 0"]


@pytest.mark.req("S8")
def test_an_export_edited_after_it_was_done_is_disabled_alone(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    home = home_of(tmp_path, days=1)
    clockwork(home, instance).run_until_quiet()
    home.tell(day(0), told(3))
    works = clockwork(home, instance, {"format": "csv"}, {})
    reason = "an export that has ended that is Done can't be edited (edited: format.type); undo the edit"
    assert reason in (works.repository.get_schedule_def("e0").description or "")
    failure = failed(works.home, works.home.everything(day(0)))
    assert reason in failure.said
    assert not failure.may_be_retried
    assert works.run_until_quiet() == [f"e1 {day(0)} 0"]


def test_a_tick_that_comes_late_is_about_its_own_instant(tmp_path: Path) -> None:
    line, ledger = home_of(tmp_path, days=3).line("daily"), Ledger()
    windows = line.due.until(LATER)
    for window in windows[:2]:
        record = line.folders.deliveries("daily") / line.cadence.key_of(window)
        record.mkdir(parents=True)
        (record / "manifest-g1.json").touch()
    assert list(ledger.undelivered(line, LATER)) == windows[2:]
    assert list(ledger.undelivered(line, midnight_after(0))) == []
    assert list(ledger.undelivered(line, LATER)) == windows[2:]
    (record / "manifest-g1.json").unlink()
    assert list(ledger.undelivered(line, LATER)) == windows[1:]


def test_runs_of_one_source_or_export_wait_for_each_other(tmp_path: Path, stored: dg.DagsterInstance) -> None:
    """A pool for each, of which one run at a time has all."""
    works = clockwork(home_of(tmp_path, days=1), stored)
    pools = {
        key.path[0]: works.definitions.get_assets_def(key).op.pool
        for key in works.repository.asset_graph.get_all_asset_keys()
    }
    assert pools == {"crm": "source_crm", "e0": "export_e0"}
    configured = stored.get_concurrency_config().pool_config
    assert (configured.default_pool_limit, str(configured.pool_granularity)) == (1, "PoolGranularity.RUN")


@pytest.mark.req("P24")
def test_a_run_that_waits_in_the_queue_is_not_launched_again_though_somebody_else_launched_it(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    works = clockwork(home_of(tmp_path, days=1), instance)
    queued(instance, works, dg.DagsterRunStatus.QUEUED)
    assert works.waits() == "e0: a run of the export is at work"


def test_a_run_whose_process_is_gone_counts_as_failed_and_is_run_again(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    works = clockwork(home_of(tmp_path, days=1), instance, now=datetime.now(UTC))
    dead = queued(instance, works, dg.DagsterRunStatus.STARTED)
    instance.report_engine_event("at work", dead)
    assert works.waits() == "e0: a run of the export is at work"
    set_to(works, datetime.now(UTC) + timedelta(minutes=6))
    with works.home.line.locked():
        assert works.look() == []
    works.look()
    assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE]
    set_to(works, LATER)
    assert works.run_until_quiet() == [f"e0 {day(0)} 0"]


@pytest.mark.req("P34")
def test_stopping_ends_what_runs_and_what_waits(tmp_path: Path, stored: dg.DagsterInstance) -> None:
    works = clockwork(home_of(tmp_path, days=1), stored)
    waiting = queued(stored, works, dg.DagsterRunStatus.QUEUED)
    by_hand = queued(stored, works, dg.DagsterRunStatus.STARTED)
    ended = stop(stored, "e0")
    assert (ended.canceled, ended.elsewhere) == ((waiting.run_id,), (by_hand.run_id,))
    assert {run.run_id: run.status for run in stored.get_runs()} == {
        waiting.run_id: dg.DagsterRunStatus.CANCELED,
        by_hand.run_id: dg.DagsterRunStatus.STARTED,
    }


@pytest.mark.req("P26", "A4", "L4")
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata", "Europe/Berlin", "Australia/Lord_Howe"])
@pytest.mark.parametrize(("every", "at"), [(24, "00:00"), (24, "02:30"), (6, "00:00"), (6, "01:15"), (3, "00:20")])
def test_ticks_fall_on_the_instants_at_which_windows_are_due_but_where_clocks_change(
    tmp_path: Path, zone: str, every: int, at: str
) -> None:
    source = MemoryDeclaration(name="crm", start=FIRST, every=3, timezone=zone)
    line = TinyHome(tmp_path, source).line("daily", schedule={"every": f"{every}h", "at": at})
    until = datetime(2027, 3, 2, tzinfo=UTC)
    due = {line.due.due(window) for window in line.due.until(until)}
    ticks = set(ticks_between(cron_of(line), zone, min(due), until))
    assert all(any(abs(one - tick) <= timedelta(hours=1) for tick in ticks) for one in due ^ ticks)
    assert [one for one in due ^ ticks if not is_near_a_switch(one, zone)] == []


def ticks_between(cron: str, zone: str, first: datetime, until: datetime) -> Iterator[datetime]:
    for tick in schedule_execution_time_iterator(first.timestamp(), cron, zone):
        if tick > until:
            return
        yield tick.astimezone(UTC)


def is_near_a_switch(instant: datetime, zone: str) -> bool:
    offsets = {(instant + timedelta(hours=hours)).astimezone(ZoneInfo(zone)).utcoffset() for hours in (-24, 0, 24)}
    return len(offsets) > 1


def queued(instance: dg.DagsterInstance, works: Clockwork, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    """A run of the export's assets as Dagit launches it: without any tag of ours."""
    assets = frozenset(dg.AssetKey(key.split("/")) for key in ["crm/profiles", *assets_of(works.home.line)])
    location = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(LOCATION), REPOSITORY)
    run = dg.DagsterRun(
        job_name=JOB,
        status=status,
        tags={"dagster/partition": day(0)},
        asset_selection=assets,
        remote_job_origin=location.get_job_origin(JOB),
    )
    return instance.add_run(run)


def set_to(works: Clockwork, now: datetime) -> None:
    assert isinstance(works.home.clock, SetClock)
    works.home.clock.now = now


def run_stages(home: TinyHome, partition: str) -> None:
    """The three stages of e0, without Dagster."""
    line = home.line("e0", files={"name": "e0"})
    resolve_partition(line, partition, engine=home.engine, run_id="run")
    format_partition(line, partition, engine=home.engine, run_id="run")
    deliver_partition(line, partition, FOLDER.open(Surroundings(home.root)), run_id="run")
