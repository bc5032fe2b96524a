"""A home for the benchmarks: a files source of generated Parquet, one CSV export, local disk."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from shutil import rmtree

from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.core.export import Export
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.engine import InProcess
from ctexport_dagster.line import Line
from ctexport_dagster.resources.files.declaration import FilesSource
from ctexport_dagster.resources.local import LocalDestination
from ctexport_dagster.stages.chunks import format_partition
from ctexport_dagster.stages.delivery import deliver_partition
from ctexport_dagster.stages.identity import resolve_partition
from ctexport_dagster.stages.profiles import ingest_partition
from ctexport_dagster.state import StateFolders

DagsterRun = Callable[[str], None]


@dataclass(frozen=True)
class BenchHome:
    """The line of the one export, and where it delivers."""

    line: Line
    destination: LocalDestination
    surroundings: Surroundings

    @staticmethod
    def at(work: Path, mode: str) -> "BenchHome":
        start = date(2026, 11, 1)
        source = FilesSource.model_validate(
            {
                "name": "bench",
                "type": "files",
                "profiles": "input-{{Partition}}.parquet",
                "mode": mode,
                "start": start,
            }
        )
        export = Export.model_validate(
            {
                "name": "bench_export",
                "owner": "bench@example.com",
                "source": "bench",
                "destination": "disk",
                "account_id": 1,
                "format": "csv",
                "identity": {"all_identities": True},
                "columns": {"communication": ["MSG-push", "MSG-email", "subscriptionGroups"]},
            }
        )
        home = work.resolve()
        destination = LocalDestination(type="local", name="disk", folder="exports")
        return BenchHome(Line(export, source, StateFolders(home / "state")), destination, Surroundings(home))

    def run(self, step: str, partition: str, dagster: DagsterRun | None) -> dict[str, float]:
        """Runs one stage, or (`core`, `dagster`) all from the lake on; gives what it counted."""
        match step:
            case "profiles":
                return self._profiles(partition)
            case "identity":
                staged = resolve_partition(self.line, partition, engine=InProcess(), run_id="bench")
                return {"rows": staged.resolved.rows.exported}
            case "chunks":
                chunks = format_partition(self.line, partition, engine=InProcess(), run_id="bench").chunks
                return {"files": len(chunks), "bytes": sum(chunk.bytes for chunk in chunks)}
            case "delivery":
                opened = self.destination.open(self.surroundings)
                outcome = deliver_partition(self.line, partition, opened, run_id="bench")
                return {"files": outcome.sent_files, "bytes": outcome.sent_bytes}
            case "core":
                self._forget_deliveries()
                for stage in ("identity", "chunks", "delivery"):
                    self.run(stage, partition, None)
                return {}
            case "dagster":
                assert dagster is not None
                self._forget_deliveries()
                dagster(partition)
                return {}
            case _:
                raise SystemExit(f"no step {step}")

    def ready_dagster(self) -> DagsterRun:
        """Dagster, imported and its instance opened: its own start isn't what is measured."""
        from ctexport_dagster.build import build_definitions
        from ctexport_dagster.instance import open_instance
        from ctexport_dagster.running.launcher import Launcher

        definitions = build_definitions(
            [self.line.export],
            {"bench": self.line.source},
            {"disk": self.destination},
            surroundings=self.surroundings,
            workshop=Workshop(self.line.folders),
        )
        launcher = Launcher(definitions, open_instance(self.surroundings.home / "dagster", {}))
        definitions.resolve_implicit_global_asset_job_def()
        return lambda partition: launcher.export(self.line, self.line.window(partition))

    def _profiles(self, partition: str) -> dict[str, float]:
        source = self.line.source.open(self.surroundings)
        record = ingest_partition(self.line.source, source, partition, folders=self.line.folders, run_id="bench")
        files = self.line.lake.view().listing.files
        return {"logged": record.rows.log_rows, "lake_bytes": sum(file.bytes for file in files)}

    def _forget_deliveries(self) -> None:
        """So that each repeat sends everything again."""
        for folder in (self.line.folders.root / "deliveries", self.surroundings.home / "exports"):
            rmtree(folder, ignore_errors=True)
