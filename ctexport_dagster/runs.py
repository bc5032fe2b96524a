"""Runs assets through Dagster in this process: what `ctexport run` and `ctexport demo` do without a daemon.

A run launched here is one of the home's Dagster instance like any other: it stands in the run list, its
materializations in the catalog, its lineage in the graph.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from ctexport_dagster.assets.chunks import chunks_key
from ctexport_dagster.assets.delivery import delivery_key
from ctexport_dagster.assets.identity import identity_key
from ctexport_dagster.assets.profiles import profiles_key
from ctexport_dagster.core.errors import ExportError
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.line import Line
from ctexport_dagster.partitions import dagster_key

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class RunFailed(ExportError):
    """A Dagster run ended without success; the message is the failed asset's own."""


@dataclass(frozen=True)
class Launcher:
    """Launches the assets of one home on one instance."""

    definitions: dg.Definitions
    instance: dg.DagsterInstance

    def bring_source_up_to(self, line: Line, window: Interval) -> list[str]:
        """Materializes the source's partitions up to a window's end that are missing or stale, and those within it.

        Oldest first; gives the keys of the runs' partitions.
        """
        source = line.source
        history = line.lake.view().listing.history
        wanted = [
            tile
            for tile in source.cadence.windows(until=window.end)
            if source.cadence.key_of(tile) not in history or window.covers(tile)
        ]
        return [self._ingest(line, tile) for tile in wanted] + self._mend(line, window)

    def _mend(self, line: Line, window: Interval) -> list[str]:
        """Writes stale partitions anew, oldest first: each may make the next one stale."""
        mended: list[str] = []
        last = line.source_partitions(window)[-1]
        while stale := line.lake.view().listing.history.upto(last).stale:
            mended.append(self._ingest(line, line.source.cadence.window_of(stale[0])))
        return mended

    def _ingest(self, line: Line, tile: Interval) -> str:
        self._materialize([profiles_key(line.source.name)], dagster_key(line.source.cadence, tile), {})
        return line.source.cadence.key_of(tile)

    def export(self, line: Line, window: Interval, *, wants_full: bool = False) -> None:
        """Runs the three assets of an export for one window.

        Raises:
            RunFailed: one of them failed.
        """
        keys = [identity_key(line.name), chunks_key(line.name), delivery_key(line.name)]
        config = {"ops": {_op(keys[0]): {"config": {"full": True}}}} if wants_full else {}
        self._materialize(keys, dagster_key(line.cadence, window), config)

    def _materialize(self, keys: Sequence[dg.AssetKey], partition: str, config: Mapping[str, object]) -> None:
        job = self.definitions.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            asset_selection=list(keys),
            partition_key=partition,
            instance=self.instance,
            run_config={**QUIET, **config},
            raise_on_error=False,
        )
        if not result.success:
            raise _failure(result)


def due_windows(line: Line, now: datetime) -> list[Interval]:
    """Every window of an export that has ended by now, oldest first."""
    return list(line.cadence.windows(until=now))


def _op(key: dg.AssetKey) -> str:
    return key.to_python_identifier()


def _failure(result: dg.ExecuteInProcessResult) -> RunFailed:
    failed = next(event for event in result.all_events if event.is_step_failure)
    data = failed.step_failure_data
    given = data.user_failure_data
    asset = "/".join(failed.asset_key.path) if failed.asset_key else failed.step_key or "the run"
    if given is not None and given.description:
        metadata = given.metadata
        return RunFailed(*(str(metadata[name].value) for name in ("attempted", "happened", "next step")))
    what = data.error.cls_name if data.error else "an unknown error"
    return RunFailed(
        f"Materializing {asset}",
        f"{what} was raised, an error that ctexport doesn't expect",
        f"See run {result.run_id} in Dagit for where; report it, for it is ours to mend.",
    )
