"""A tiny home whose stages Dagster runs, in this process."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
from line_fakes import TinyHome

from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.build import build_definitions
from ctexport_dagster.clock import Clock, utc_now
from ctexport_dagster.core.settings import Settings
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.home import DestinationDeclaration
from ctexport_dagster.line import Line


@dataclass(frozen=True)
class DagsterHome:
    """A tiny home, its exports, the one destination of all of them, and a Dagster instance."""

    tiny: TinyHome
    lines: Sequence[Line]
    destination: DestinationDeclaration
    instance: dg.DagsterInstance
    clock: Clock = utc_now
    settings: Settings | None = None

    @property
    def definitions(self) -> dg.Definitions:
        declaration = self.tiny.declaration
        return build_definitions(
            [line.export for line in self.lines],
            {declaration.name: declaration},
            {"disk": self.destination},
            surroundings=Surroundings(self.tiny.root),
            workshop=Workshop(self.tiny.folders),
            settings=self.settings,
            clock=self.clock,
        )

    @property
    def line(self) -> Line:
        return self.lines[0]

    def materialize(
        self,
        partition: str | None,
        *keys: str,
        config: Mapping[str, object] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        job = self.definitions.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            asset_selection=[dg.AssetKey(key.split("/")) for key in keys],
            partition_key=partition,
            instance=self.instance,
            run_config=dict(config or {}),
            tags=dict(tags or {}),
            raise_on_error=False,
        )

    def everything(self, partition: str, *, config: Mapping[str, object] | None = None) -> dg.ExecuteInProcessResult:
        source = f"{self.tiny.declaration.name}/profiles"
        return self.materialize(partition, source, *assets_of(self.line), config=config)

    def event_log(self) -> str:
        """Everything that Dagster stored of all runs, as text."""
        runs = self.instance.get_runs()
        entries = [entry for run in runs for entry in self.instance.all_logs(run.run_id)]
        return "\n".join(dg.serialize_value(stored) for stored in (*runs, *entries))


@dataclass(frozen=True)
class FailedRun:
    """How a run failed: what it said, and whether Dagster may try it again."""

    said: str
    next_step: str
    may_be_retried: bool


def assets_of(line: Line) -> list[str]:
    return [f"{line.name}/{stage}" for stage in ("identity_resolved_profiles", "formatted_chunks", "delivery")]


def failed(home: DagsterHome, result: dg.ExecuteInProcessResult) -> FailedRun:
    assert not result.success
    data = next(event for event in result.all_events if event.is_step_failure).step_failure_data
    assert data.user_failure_data is not None
    run = home.instance.get_run_by_id(result.run_id)
    assert run is not None
    next_step = data.user_failure_data.metadata.get("next step")
    return FailedRun(
        said=data.user_failure_data.description or "",
        next_step=str(next_step.value) if next_step else "",
        may_be_retried=run.tags.get("dagster/retry_on_asset_or_op_failure") != "false",
    )
