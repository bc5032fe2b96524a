"""An export's switch is the state of its schedule in Dagster: what we write is what Dagster itself writes."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_representation.external import RemoteSchedule
from dagster._core.test_utils import create_test_daemon_workspace_context
from dagster._core.workspace.load_target import PythonFileTarget

from ctexport_dagster.instance import open_instance
from ctexport_dagster.running.location import LOCATION
from ctexport_dagster.running.switch import REPOSITORY, Switch, is_on, start, stop, switch_of, switches

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SCHEDULES = """\
import dagster as dg

@dg.asset
def nothing(): ...

defs = dg.Definitions(
    assets=[nothing],
    schedules=[
        dg.ScheduleDefinition(
            name="daily", cron_schedule="0 0 * * *", target="*", default_status=dg.DefaultScheduleStatus.RUNNING
        )
    ],
)
"""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    instance = open_instance(tmp_path / "dagster", {})
    yield instance
    instance.dispose()


@pytest.fixture(scope="module")
def schedule(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RemoteSchedule]:
    """A schedule as Dagit and the daemon know it, out of a code server."""
    folder = tmp_path_factory.mktemp("location")
    (folder / "schedules.py").write_text(SCHEDULES)
    target = PythonFileTarget(
        python_file=str(folder / "schedules.py"), attribute=None, working_directory=None, location_name=LOCATION
    )
    with (
        dg.DagsterInstance.local_temp(str(folder)) as own,
        create_test_daemon_workspace_context(target, own) as workspace,
    ):
        location = workspace.create_request_context().get_code_location(LOCATION)
        yield location.get_repository(REPOSITORY).get_schedule("daily")


def in_dagit(instance: dg.DagsterInstance, schedule: RemoteSchedule) -> bool:
    """Whether Dagit shows the schedule as running, and the daemon ticks it."""
    stored = instance.get_instigator_state(schedule.get_remote_origin_id(), schedule.selector_id)
    return schedule.get_current_instigator_state(stored).is_running


def test_an_export_that_nobody_touched_is_on(instance: dg.DagsterInstance) -> None:
    assert switch_of(instance, "daily") == Switch(is_on=True, started=None)
    assert switches(instance) == {}


@pytest.mark.req("P34")
def test_what_we_stop_and_start_dagit_shows_so(instance: dg.DagsterInstance, schedule: RemoteSchedule) -> None:
    assert in_dagit(instance, schedule)
    stop(instance, "daily")
    assert not in_dagit(instance, schedule)
    start(instance, "daily", now=NOW)
    assert in_dagit(instance, schedule)


@pytest.mark.req("P34")
def test_what_dagit_stops_and_starts_is_so_for_us(instance: dg.DagsterInstance, schedule: RemoteSchedule) -> None:
    origin, selector = schedule.get_remote_origin_id(), schedule.selector_id
    instance.stop_schedule(origin, selector, schedule)
    assert not is_on(instance, "daily")
    instance.start_schedule(schedule)
    began = switch_of(instance, "daily").started
    assert began
    assert abs(datetime.now(UTC) - began).total_seconds() < 60


def test_each_may_flip_what_the_other_flipped_and_there_is_one_row(
    instance: dg.DagsterInstance, schedule: RemoteSchedule
) -> None:
    stop(instance, "daily")
    instance.start_schedule(schedule)
    assert is_on(instance, "daily")
    stop(instance, "daily")
    assert not in_dagit(instance, schedule)
    start(instance, "daily", now=NOW)
    instance.stop_schedule(schedule.get_remote_origin_id(), schedule.selector_id, schedule)
    assert switches(instance) == {"daily": Switch(is_on=False, started=None)}
    assert len(instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE)) == 1


def test_a_start_is_dated_and_stopping_one_export_leaves_the_others(instance: dg.DagsterInstance) -> None:
    start(instance, "daily", now=NOW)
    stop(instance, "hourly")
    assert switches(instance) == {"daily": Switch(True, NOW), "hourly": Switch(False)}
    assert switch_of(instance, "weekly") == Switch()
