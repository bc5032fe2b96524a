"""Runs assets through Dagster in this process: what `ctexport run` and `ctexport demo` do without a daemon.

A run launched here is one of the home's Dagster instance like any other: it stands in the run list, its
materializations in the catalog, its lineage in the graph.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from ctexport_dagster.assets.attempts import needed_by_tag, tags_of_assets
from ctexport_dagster.core.errors import ConfigurationError, ExportError
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.line import Line
from ctexport_dagster.partitions import dagster_key
from ctexport_dagster.running.requests import export_keys, source_keys

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class RunFailed(ExportError):
    """A Dagster run ended without success; the message is the failed asset's own."""


class RunRefused(ConfigurationError):
    """A Dagster run failed for what is declared, which only the data could show (exit code 2)."""

    def __init__(self, attempted: str, happened: str, next_step: str) -> None:
        self.mistakes = ()
        ExportError.__init__(self, attempted, happened, next_step)

    def __str__(self) -> str:
        return f"{self.attempted}: {self.happened}. {self.next_step}"


@dataclass(frozen=True)
class Launcher:
    """Launches the assets of one home on one instance."""

    definitions: dg.Definitions
    instance: dg.DagsterInstance

    def bring_source_up_to(self, line: Line, window: Interval) -> list[str]:
        """Materializes the source's partitions up to a window's end that are missing or stale, and those within it.

        Oldest first; gives the keys of the runs' partitions.
        """
        tiles = list(line.source.cadence.windows(until=window.end))
        unready = set(line.unready(tiles))
        wanted = [tile for tile in tiles if tile in unready or window.covers(tile)]
        return [self._ingest(line, tile, window) for tile in wanted] + self._mend(line, tiles, window)

    def _mend(self, line: Line, tiles: Sequence[Interval], window: Interval) -> list[str]:
        """Writes stale partitions anew, oldest first: each may make the next one stale."""
        mended: list[str] = []
        while stale := line.unready(tiles):
            mended.append(self._ingest(line, stale[0], window))
        return mended

    def _ingest(self, line: Line, tile: Interval, window: Interval) -> str:
        """Without the tag, an export whose source fails would look as if nobody had ever run it."""
        needed_by = {needed_by_tag(line.name): dagster_key(line.cadence, window)}
        self._materialize(source_keys(line), dagster_key(line.source.cadence, tile), {}, needed_by)
        return line.source.cadence.key_of(tile)

    def export(self, line: Line, window: Interval, *, wants_full: bool = False) -> None:
        """Runs the three assets of an export for one window.

        Raises:
            RunFailed: one of them failed.
            RunRefused: one of them failed for what is declared.
        """
        keys = export_keys(line)
        config = {"ops": {_op(keys[0]): {"config": {"full": True}}}} if wants_full else {}
        self._materialize(keys, dagster_key(line.cadence, window), config)

    def _materialize(
        self,
        keys: Sequence[dg.AssetKey],
        partition: str,
        config: Mapping[str, object],
        tags: Mapping[str, str] | None = None,
    ) -> None:
        job = self.definitions.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            asset_selection=list(keys),
            partition_key=partition,
            instance=self.instance,
            tags={**tags_of_assets(keys), **(tags or {})},
            run_config={**QUIET, **config},
            raise_on_error=False,
        )
        if not result.success:
            raise _failure(result)


def _op(key: dg.AssetKey) -> str:
    return key.to_python_identifier()


def _failure(result: dg.ExecuteInProcessResult) -> RunFailed | RunRefused:
    failed = next(event for event in result.all_events if event.is_step_failure)
    data = failed.step_failure_data
    given = data.user_failure_data
    asset = "/".join(failed.asset_key.path) if failed.asset_key else failed.step_key or "the run"
    if given is not None and given.description:
        told = {name: str(value.value) for name, value in given.metadata.items()}
        kind = RunRefused if told["kind"] == ConfigurationError.__name__ else RunFailed
        return kind(told["attempted"], told["happened"], told["next step"])
    what = data.error.cls_name if data.error else "an unknown error"
    return RunFailed(
        f"Materializing {asset}",
        f"{what} was raised, an error that ctexport doesn't expect",
        f"See run {result.run_id} in Dagit for where; report it, for it is ours to mend.",
    )
