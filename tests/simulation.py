"""A Dagster whose time is simulated: storage in memory, the real schedules and sensors, runs in this process.

Weeks pass in minutes. Schedules tick at their instants; sensors are spared the ticks at which nothing can have changed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.definitions.schedule_definition import ScheduleExecutionData
from dagster._core.events.log import EventLogEntry
from dagster._core.execution.execute_in_process import core_execute_in_process
from dagster._core.instance.types import InstanceType
from dagster._core.launcher.sync_in_memory_run_launcher import SyncInMemoryRunLauncher
from dagster._core.run_coordinator import DefaultRunCoordinator
from dagster._core.storage.dagster_run import DagsterRun
from dagster._core.storage.event_log import InMemoryEventLogStorage
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage
from dagster._core.storage.runs import InMemoryRunStorage
from dagster._core.storage.runs.schema import RunsTable
from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata
from dagster._core.storage.schedules.sql_schedule_storage import SqlScheduleStorage
from dagster._core.utils import make_new_run_id
from dagster._utils.schedules import cron_string_iterator
from sqlalchemy import Connection, StaticPool, create_engine

from ctexport_dagster.running import switch
from ctexport_dagster.running.history import PARTITION
from ctexport_dagster.running.launcher import QUIET

READ = {
    dg.DagsterEventType.PIPELINE_START,
    dg.DagsterEventType.PIPELINE_SUCCESS,
    dg.DagsterEventType.PIPELINE_FAILURE,
    dg.DagsterEventType.PIPELINE_CANCELED,
    dg.DagsterEventType.STEP_START,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.ASSET_OBSERVATION,
}
"""The events that somebody reads here: to store the others, and what checks look up in them, takes half of the time."""
STEP = timedelta(seconds=20)
"""How long each step of a run takes."""
BUSY, CALM = timedelta(minutes=10), timedelta(hours=1)
"""How often sensors are asked while something waits, and when nothing does."""


@dataclass
class Clock:
    """The simulated time."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


class Killed(BaseException):
    """The run's process is gone: nothing that it would have said from here on reaches the storage."""


class SimulatedEvents(InMemoryEventLogStorage):
    """Events on one connection that stays: Dagster opens one anew each time, which costs more than all else."""

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        with nested_transaction(self._held_conn) as connection:
            yield connection


class SimulatedRuns(InMemoryRunStorage):
    """Runs whose instants are those of the simulated clock, on one connection as well."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        super().__init__()

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with nested_transaction(self._held_conn) as connection:
            yield connection

    def add_run(self, dagster_run: DagsterRun) -> DagsterRun:
        values = self._get_run_insertion_values(dagster_run, self.clock())
        self._core_add_run({**values, "update_timestamp": self.clock()}, dagster_run.tags_for_storage())
        return dagster_run

    def add_run_tags(self, run_id: str, new_tags: Mapping[str, str]) -> None:
        super().add_run_tags(run_id, new_tags)
        with self.connect() as connection:
            update = RunsTable.update().where(RunsTable.c.run_id == run_id)
            connection.execute(update.values(update_timestamp=self.clock().replace(tzinfo=None)))


@contextmanager
def nested_transaction(connection: Connection) -> Iterator[Connection]:
    if connection.in_transaction():
        yield connection
    else:
        with connection.begin():
            yield connection


class SimulatedSchedules(SqlScheduleStorage):
    """The state of schedules in memory, on one connection that stays."""

    def __init__(self) -> None:
        self.engine = create_engine("sqlite://", poolclass=StaticPool)
        self.held = self.engine.connect()
        ScheduleStorageSqlMetadata.create_all(self.engine)
        super().__init__()
        self.migrate()

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        with nested_transaction(self.held) as connection:
            yield connection

    def upgrade(self) -> None:
        """It is always new."""

    def dispose(self) -> None:
        self.engine.dispose()


class SimulatedInstance(dg.DagsterInstance):
    """An instance in memory, with schedules, whose events happen at the simulated time; steps take their time."""

    def __init__(self, clock: Clock, folder: Path) -> None:
        self.clock = clock
        self.at_work = ""
        self.killed: set[str] = set()
        (folder / "artifacts").mkdir(parents=True)
        super().__init__(
            instance_type=InstanceType.EPHEMERAL,
            local_artifact_storage=LocalArtifactStorage(str(folder / "artifacts")),
            run_storage=SimulatedRuns(clock),
            event_storage=SimulatedEvents(),
            schedule_storage=SimulatedSchedules(),
            compute_log_manager=NoOpComputeLogManager(),
            run_coordinator=DefaultRunCoordinator(),
            run_launcher=SyncInMemoryRunLauncher(),
        )

    def handle_new_event(self, event: EventLogEntry, **batch: object) -> None:
        if event.run_id in self.killed:
            return
        self.at_work = event.run_id
        if event.dagster_event and event.dagster_event.is_step_start:
            self.clock.now += STEP
        if event.dagster_event_type not in READ:
            return
        super().handle_new_event(event._replace(timestamp=self.clock().timestamp()))

    def fetch_materializations(self, *_: object, **__: object) -> dg.EventRecordsResult:
        """None is kept."""
        return dg.EventRecordsResult([], "", has_more=False)

    def create_run_for_job(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        job_def: dg.JobDefinition,
        run_config: Mapping[str, object],
        tags: Mapping[str, str],
        asset_selection: frozenset[dg.AssetKey],
        **_: object,
    ) -> DagsterRun:
        """Without the snapshots of job and plan, which Dagit alone looks at."""
        return self.add_run(
            DagsterRun(job_def.name, make_new_run_id(), run_config, asset_selection=asset_selection, tags=tags)
        )

    def kill(self) -> None:
        """Ends the run at work as if its process were killed."""
        self.killed.add(self.at_work)
        raise Killed


class _ScheduleTick(dg.ScheduleEvaluationContext):
    """Dagster opens an instance anew for each tick, which one in memory can't be."""

    def __init__(self, instance: dg.DagsterInstance, at: datetime, repository: dg.RepositoryDefinition) -> None:
        super().__init__(None, at, repository_def=repository)
        self.simulated = instance

    @property
    def instance(self) -> dg.DagsterInstance:
        return self.simulated


@dataclass(frozen=True)
class Ran:
    """One run that was asked for: by which schedule or sensor, when, and whether it succeeded."""

    asked_by: str
    at: datetime
    run_key: str
    is_success: bool


@dataclass
class Simulation:
    """A home under a simulated daemon; `actions` are what people do, by when."""

    definitions: dg.Definitions
    instance: SimulatedInstance
    actions: dict[datetime, Callable[[], None]] = field(default_factory=dict)
    ran: list[Ran] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """What each sensor said last."""

    def __post_init__(self) -> None:
        self.clock = self.instance.clock
        self.repository = self.definitions.get_repository_def()
        self.jobs: dict[frozenset[dg.AssetKey], InMemoryJob] = {}
        self.next_check = self.clock()
        self.cursors: dict[str, str | None] = {}
        self.asked: set[tuple[str, str | None]] = set()
        self.coming = {s.name: self._crons(s) for s in self.repository.schedule_defs}
        self.due = {name: next(times) for name, times in self.coming.items()}

    def run_until(self, end: datetime) -> None:
        """Lets time pass."""
        while self.clock() < end:
            before = len(self.ran)
            self._act()
            self._tick_schedules()
            self._catch_up()
            if len(self.ran) > before or self.waits or self.clock() >= self.next_check:
                self._check()
            self.clock.now = max(self.clock() + timedelta(seconds=1), min(end, self._next()))

    @property
    def waits(self) -> bool:
        """Whether anything that is due is not delivered."""
        return self.skipped["catch_up"] != "everything that is due is delivered"

    def _next(self) -> datetime:
        every = BUSY if self.waits else CALM
        return min([following(self.clock(), every), *self.due.values(), *self.actions])

    def _act(self) -> None:
        for instant in sorted(instant for instant in self.actions if instant <= self.clock()):
            self.actions.pop(instant)()

    def _tick_schedules(self) -> None:
        for name in sorted(self.due, key=lambda name: (self.due[name], name)):
            while self.due[name] <= self.clock():
                at, self.due[name] = self.due[name], next(self.coming[name])
                if switch.is_on(self.instance, name):
                    self._run_all(name, self._schedule(name, at).run_requests or ())

    def _schedule(self, name: str, at: datetime) -> ScheduleExecutionData:
        return self.repository.get_schedule_def(name).evaluate_tick(_ScheduleTick(self.instance, at, self.repository))

    def _catch_up(self) -> None:
        """Twice a minute, while runs are asked for."""
        while self._tick_sensor("catch_up"):
            self.clock.now += timedelta(seconds=30)

    def _check(self) -> None:
        """The other sensors would say that nothing has changed since, at the ticks that are left out here."""
        self.next_check = following(self.clock(), CALM)
        for name in ("failed_runs", "failure_notices", "punctuality"):
            self._tick_sensor(name)

    def _tick_sensor(self, name: str) -> bool:
        sensor = self.repository.get_sensor_def(name)
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursors.get(name), repository_def=self.repository, sensor_name=name
        ) as context:
            given = sensor.evaluate_tick(context)
        self.cursors[name] = given.cursor
        self.skipped[name] = given.skip_message or ""
        return self._run_all(name, given.run_requests or ())

    def _run_all(self, asked_by: str, requests: Sequence[dg.RunRequest]) -> bool:
        fresh = [request for request in requests if (asked_by, request.run_key) not in self.asked]
        for request in fresh:
            self.asked.add((asked_by, request.run_key))
            at = self.clock()
            self.ran.append(Ran(asked_by, at, request.run_key or "", self._run(request)))
        return bool(fresh)

    def _run(self, request: dg.RunRequest) -> bool:
        """As `execute_in_process` does, but that the job of a choice of assets is built once."""
        assets = frozenset(request.asset_selection or ())
        try:
            result = core_execute_in_process(
                run_config=QUIET,
                job=self._job_of(assets),
                instance=self.instance,
                output_capturing_enabled=False,
                raise_on_error=False,
                run_tags={**request.tags, PARTITION: request.partition_key or ""},
                asset_selection=assets,
            )
        except Killed:
            return False
        finally:
            self.instance.killed.clear()
        return result.success

    def _job_of(self, assets: frozenset[dg.AssetKey]) -> InMemoryJob:
        if assets not in self.jobs:
            everything = self.definitions.resolve_implicit_global_asset_job_def()
            self.jobs[assets] = InMemoryJob(everything.as_ephemeral_job({}, {}, asset_selection=sorted(assets)))
        return self.jobs[assets]

    def _crons(self, schedule: dg.ScheduleDefinition) -> Iterator[datetime]:
        cron, zone = schedule.cron_schedule, schedule.execution_timezone
        assert isinstance(cron, str)
        return (at.astimezone(UTC) for at in cron_string_iterator(self.clock().timestamp(), cron, zone))


def following(instant: datetime, every: timedelta) -> datetime:
    """The next instant of a grid."""
    seconds = every.total_seconds()
    return datetime.fromtimestamp((instant.timestamp() // seconds + 1) * seconds, UTC)
