"""Dagster's daemon without the daemon: schedules and sensors tick when a test says so, runs go in process."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

import dagster as dg
from dagster_home import DagsterHome


@dataclass
class SetClock:
    """A clock that stands still until it is set."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True)
class Ticked:
    """What a tick asked for, or why it asked for nothing."""

    requests: list[dg.RunRequest]
    why: str


@dataclass
class Clockwork:
    """Ticks what a home declares; its definitions are built once."""

    home: DagsterHome

    @cached_property
    def definitions(self) -> dg.Definitions:
        return self.home.definitions

    @cached_property
    def repository(self) -> dg.RepositoryDefinition:
        return self.definitions.get_repository_def()

    def tick(self, export: str, at: datetime) -> list[dg.RunRequest]:
        """What the schedule of an export asks for at a tick."""
        return self._tick(export, at).requests

    def skipped(self, export: str, at: datetime) -> str:
        """Why the schedule of an export asks for nothing at a tick."""
        return self._tick(export, at).why

    def look(self) -> list[dg.RunRequest]:
        """What the catch-up sensor asks for now."""
        return self._look().requests

    def waits(self) -> str:
        """Why the catch-up sensor asks for nothing now."""
        return self._look().why

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        """Runs what was asked for, in this process."""
        return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=list(request.asset_selection or ()),
            partition_key=request.partition_key,
            instance=self.home.instance,
            tags=dict(request.tags),
            raise_on_error=False,
        )

    def run_until_quiet(self, most: int = 100) -> list[str]:
        """Looks and runs, again and again, until nothing is asked for; gives the run keys."""
        keys: list[str] = []
        while requests := self.look():
            for request in requests:
                keys.append(request.run_key or "")
                self.run(request)
            assert len(keys) <= most
        return keys

    def _tick(self, export: str, at: datetime) -> Ticked:
        context = dg.build_schedule_context(
            instance=self.home.instance, scheduled_execution_time=at.astimezone(UTC), repository_def=self.repository
        )
        given = self.repository.get_schedule_def(export).evaluate_tick(context)
        return Ticked(list(given.run_requests or ()), given.skip_message or "")

    def _look(self) -> Ticked:
        context = dg.build_sensor_context(instance=self.home.instance, repository_def=self.repository)
        given = self.repository.get_sensor_def("catch_up").evaluate_tick(context)
        return Ticked(list(given.run_requests or ()), given.skip_message or "")


def keys_of(request: dg.RunRequest) -> list[str]:
    """The assets that a request asks for, as `daily/delivery`."""
    return ["/".join(key.path) for key in request.asset_selection or ()]
