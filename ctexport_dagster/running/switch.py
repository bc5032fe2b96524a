"""Whether an export is on, and turning it on and off: the state of its schedule in Dagster, and nothing else.

Dagit's toggle and `ctexport stop|start` write the same row of Dagster's schedule storage, so that either shows in the
other. Every export has a schedule, a one-time one too. An export whose schedule nobody touched is on.

Dagster has no public way to write that row without starting a code server, which takes seconds and which a sensor can't
do. What this file imports from `dagster._core` for it is what `DagsterInstance.stop_schedule` itself writes;
tests/test_switch.py compares the two.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, ScheduleInstigatorData

from ctexport_dagster.assets.attempts import LAST_STAGE, attempt_tag
from ctexport_dagster.running.location import LOCATION

REPOSITORY = "__repository__"
"""What Dagster calls the one repository of a location that is defined by `Definitions`."""

_CANCELABLE = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
_SERVER = ".dagster/grpc_info"


@dataclass(frozen=True)
class Switch:
    """Whether an export is on, and since when by somebody's hand; None where nobody ever started it."""

    is_on: bool = True
    started: datetime | None = None


@dataclass(frozen=True)
class Ended:
    """The runs of a stopped export: those told to end, and those that another terminal runs and alone can end."""

    canceled: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()


def switch_of(instance: dg.DagsterInstance, export: str) -> Switch:
    """How an export's schedule stands."""
    state = _stored(instance, export)
    return _switch(state) if state else Switch()


def switches(instance: dg.DagsterInstance) -> dict[str, Switch]:
    """How every schedule stands that anybody or the daemon has touched, by its export."""
    if instance.schedule_storage is None:
        return {}
    states = instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE)
    return {state.name: _switch(state) for state in states if state.repository_selector.location_name == LOCATION}


def _switch(state: InstigatorState) -> Switch:
    data = state.instigator_data
    by_hand = state.status == InstigatorStatus.RUNNING and isinstance(data, ScheduleInstigatorData)
    started = data.start_timestamp if by_hand and isinstance(data, ScheduleInstigatorData) else None
    return Switch(state.is_running, datetime.fromtimestamp(started, UTC) if started else None)


def is_on(instance: dg.DagsterInstance, export: str) -> bool:
    """Whether an export runs by itself."""
    return switch_of(instance, export).is_on


def stop(instance: dg.DagsterInstance, export: str, *, but_for: str | None = None) -> Ended:
    """Turns an export off, then ends its runs, but for the one named; what they delivered so far is kept.

    A run that is told to end does so at its next step; nothing half-delivered is visible, for the manifest is missing.
    """
    _write(instance, export, InstigatorStatus.STOPPED, started=None)
    canceled, elsewhere = list[str](), list[str]()
    for run in _open_runs(instance, export):
        if run.run_id == but_for:
            continue
        if run.status != dg.DagsterRunStatus.QUEUED and _SERVER not in run.tags:
            elsewhere.append(run.run_id)
        elif instance.run_coordinator.cancel_run(run.run_id):
            canceled.append(run.run_id)
    return Ended(tuple(canceled), tuple(elsewhere))


def start(instance: dg.DagsterInstance, export: str, *, now: datetime) -> None:
    """Turns an export on; what it missed meanwhile is caught up."""
    _write(instance, export, InstigatorStatus.RUNNING, started=now)


def _open_runs(instance: dg.DagsterInstance, export: str) -> list[dg.DagsterRun]:
    """Runs that somebody launched in Dagit carry no tag of ours before they begin: these tell by their assets."""
    runs = instance.get_runs(dg.RunsFilter(statuses=_CANCELABLE))
    delivery = dg.AssetKey([export, LAST_STAGE])
    return [run for run in runs if attempt_tag(export) in run.tags or delivery in (run.asset_selection or ())]


def _stored(instance: dg.DagsterInstance, export: str) -> InstigatorState | None:
    if instance.schedule_storage is None:  # an instance in memory, as tests have it: nothing is ever written there
        return None
    origin = _origin(export)
    return instance.get_instigator_state(origin.get_id(), origin.get_selector().get_id())


def _write(instance: dg.DagsterInstance, export: str, status: InstigatorStatus, *, started: datetime | None) -> None:
    """The row as it shall be; the schedule's own origin and cron are kept where Dagster has written them before."""
    stored = _stored(instance, export)
    cron = (
        stored.instigator_data.cron_schedule
        if stored and isinstance(stored.instigator_data, ScheduleInstigatorData)
        else ""
    )
    data = ScheduleInstigatorData(cron, started.timestamp() if started else None)
    if stored:
        instance.update_instigator_state(stored.with_status(status).with_data(data))
    else:
        instance.add_instigator_state(InstigatorState(_origin(export), InstigatorType.SCHEDULE, status, data))


def _origin(export: str) -> RemoteInstigatorOrigin:
    return RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(LOCATION), REPOSITORY).get_instigator_origin(export)
