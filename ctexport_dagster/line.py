"""The line of one export: its declaration, its source, its destination and where its state lies.

<state>/lake/<source>/…                 the source's state          (lake)
<state>/quarantine/<source>/…           refused rows
<state>/staging/<export>/<partition>/…  what one stage leaves for the next
<state>/deliveries/<export>/…           plans, journals and manifests of what was delivered
<state>/versions/<export>.json          from which partition on each version of the declaration holds
<state>/scratch/…                       spilled rows of a run at work; swept
"""

import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from filelock import FileLock, Timeout

from ctexport_dagster.core.atomic import write_bytes
from ctexport_dagster.core.delivery.record import latest_manifest
from ctexport_dagster.core.errors import Busy, StagingMissing
from ctexport_dagster.core.export import Export
from ctexport_dagster.core.interval import Cadence, Interval
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.core.staging import Resolved, StagingArea
from ctexport_dagster.core.versions import Versions
from ctexport_dagster.lake import Lake


@dataclass(frozen=True)
class StateFolders:
    """The folders of a home's state."""

    root: Path

    def lake(self, source: str) -> Lake:
        """The lake of a source's profiles."""
        return Lake(
            source=source,
            root=self.root / "lake" / source / "profiles",
            quarantine=self.root / "quarantine" / source,
            scratch=self.root / "scratch" / source,
        )

    def staging(self, export: str, partition: str) -> StagingArea:
        return StagingArea(self.root / "staging" / export / partition)

    def deliveries(self, export: str) -> Path:
        return self.root / "deliveries" / export

    def versions(self, export: str) -> Path:
        return self.root / "versions" / f"{export}.json"

    def lock(self, kind: str, name: str) -> FileLock:
        """The lock of one source or export on this home; taken without waiting.

        Dagster's pools keep its own runs apart; this one also keeps apart two Dagster instances and the command line.
        """
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{kind}-{name}.lock", timeout=0)


@dataclass(frozen=True)
class Line:
    """One export and everything that its stages need to know."""

    export: Export
    source: SourceDeclaration
    folders: StateFolders

    @property
    def name(self) -> str:
        return self.export.name

    @cached_property
    def cadence(self) -> Cadence:
        return self.export.cadence(self.source.cadence)

    @property
    def lake(self) -> Lake:
        """The lake of the export's source."""
        return self.folders.lake(self.source.name)

    def window(self, partition: str) -> Interval:
        return self.cadence.window_of(partition)

    def source_partitions(self, window: Interval) -> tuple[str, ...]:
        """The keys of the source's partitions that make up a window of the export.

        Raises:
            ValueError: a boundary isn't one of the source's; the declaration's checks rule that out.
        """
        tiles = self.source.cadence.tiles(window)
        if tiles is None:
            raise ValueError(f"{self.name}: a window doesn't end where one of {self.source.name} does")
        return tuple(self.source.cadence.key_of(tile) for tile in tiles)

    def source_partition_before(self, window: Interval) -> str | None:
        """The key of the source's partition that ends where the window starts; None where none comes before."""
        cadence = self.source.cadence
        before = cadence.before(cadence.window_from(window.start))
        return cadence.key_of(before) if before else None

    def staging(self, partition: str) -> StagingArea:
        return self.folders.staging(self.name, partition)

    def check_unedited(self, partition: str, staged: Resolved) -> None:
        """Refuses rows that were resolved for another identity, other columns or another format than declared now.

        Raises:
            StagingMissing: the declaration was edited since; the message says what to materialize.
        """
        if staged.content_version != self.export.content_version:
            raise StagingMissing(
                f"Reading what {self.name}/identity_resolved_profiles staged for {partition}",
                "identity, columns or format were edited since",
                f"Materialize {self.name}/identity_resolved_profiles for {partition} again, and what follows it.",
            )

    def sweep_staging(self, current: str) -> None:
        """Removes the staged files of partitions that were delivered, but for the current one's.

        A later re-run of theirs begins with `identity_resolved_profiles` again.
        """
        for area in (self.folders.root / "staging" / self.name).iterdir():
            record = self.folders.deliveries(self.name) / area.name
            if area.name != current and latest_manifest(record) is not None:
                shutil.rmtree(area, ignore_errors=True)

    def versions(self) -> Versions:
        """The versions of the declaration that have run so far."""
        path = self.folders.versions(self.name)
        return Versions.model_validate_json(path.read_text()) if path.exists() else Versions()

    def versions_with(self, partition: str) -> Versions:
        """The versions as they will be once this partition has run under the present declaration."""
        known = self.versions()
        newest = known.newest or partition
        following = self.cadence.key_of(self.cadence.window_from(self.window(newest).end))
        return known.after_run(self.export.content_version, partition, following)

    def note_run(self, partition: str) -> Versions:
        """Writes down that this partition runs under the present declaration; gives the versions with it."""
        noted = self.versions_with(partition)
        if noted != self.versions():
            write_bytes(self.folders.versions(self.name), noted.model_dump_json(indent=1).encode())
        return noted

    def locked(self) -> FileLock:
        return self.folders.lock("export", self.name)


def busy(name: str, problem: Timeout) -> Busy:
    """What a run that finds the lock taken says."""
    return Busy(
        f"Starting a run of {name}",
        f"another one holds {Path(problem.lock_file).name}",
        "Wait until it has ended; nothing was changed by this one.",
    )
