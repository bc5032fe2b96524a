"""The line of one export: its declaration, its source, its destination and what its stages need to know."""

import shutil
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Generic, TypeAlias

from filelock import Timeout
from typing_extensions import TypeVar

from ctexport_dagster.core.atomic import write_bytes
from ctexport_dagster.core.catch_up import DueWindows
from ctexport_dagster.core.delivery.record import latest_manifest
from ctexport_dagster.core.edits import Edit, edits, kind_of, kind_refusal, read, refusal, written
from ctexport_dagster.core.errors import Busy, ConfigurationError, Mistake, StagingMissing
from ctexport_dagster.core.export import DeclaredExport, Export
from ctexport_dagster.core.interval import Cadence, Interval
from ctexport_dagster.core.lateness import GRACE, Standing, standing
from ctexport_dagster.core.manifest import Manifest
from ctexport_dagster.core.run_names import FileOfDataset
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.core.staging import ResolvedRows, StagedChunks, StagingArea
from ctexport_dagster.core.versions import Versions
from ctexport_dagster.lake import Lake
from ctexport_dagster.state import StateFolders

_MANIFESTS = "manifest-g*.json"
AnExport = TypeVar("AnExport", bound=DeclaredExport, default=DeclaredExport, covariant=True)


@dataclass(frozen=True)
class StagedPart:
    """What one manifest will vouch for: a partition's chunks, or those of one dataset in it.

    `folder` has the chunks' files, `record` tells of the deliveries. `name` is the dataset's, else empty.
    """

    name: str
    chunks: StagedChunks[ResolvedRows]
    folder: Path
    record: Path
    dataset: FileOfDataset | None = None


@dataclass(frozen=True)
class Line(Generic[AnExport]):
    """One export of any kind, and what all of its stages need to know."""

    export: AnExport
    source: SourceDeclaration
    folders: StateFolders
    is_final: bool = False
    """Whether the home's guard refuses every edit after the first run."""
    shared_hold: timedelta = timedelta(0)
    """The longest that an export which needs the same rows waits for late ones: they are taken in once, for all."""

    @property
    def name(self) -> str:
        return self.export.name

    @cached_property
    def cadence(self) -> Cadence:
        return self.export.cadence(self.source.cadence)

    @cached_property
    def configuration_version(self) -> str:
        """The export's, hashed once: each of its assets tells it."""
        return self.export.configuration_version

    @property
    def lake(self) -> Lake:
        """The lake of the profiles of the export's source."""
        return self.folders.lake(self.source.name)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The assets of the source that the export stands on, by their names below the source's."""
        return ("profiles",)

    @property
    def first_stage(self) -> str:
        """The name of the export's first asset below its own."""
        return f"identity_resolved_{self.export.kind}"

    @property
    def waits_for(self) -> tuple[Hashable, ...]:
        """Equal for lines of which `unready` says the same."""
        return self.source.name, self.inputs

    def staged_chunks(self, partition: str) -> StagedChunks[ResolvedRows]:
        """What `formatted_chunks` staged for a partition.

        Raises:
            StagingMissing: it has not run for this partition.
        """
        return self.staging(partition).chunks()

    def staged_parts(self, partition: str) -> list[StagedPart]:
        """What `formatted_chunks` staged for a partition, one part for each manifest that it will have.

        Raises:
            StagingMissing: it has not run for this partition, or the declaration was edited since.
        """
        chunks = self.staged_chunks(partition)
        self.check_unedited(partition, chunks.resolved)
        folder = self.staging(partition).folder("chunks", chunks.attempt)
        return [StagedPart("", chunks, folder, self.record(partition))]

    def record(self, partition: str) -> Path:
        """The folder that tells whether a partition was delivered."""
        return self.folders.deliveries(self.name) / partition

    def records(self, partition: str) -> Mapping[str, Path]:
        """The folders that tell of a partition's deliveries, by the name of the part: of a flow, the dataset's."""
        return {"": self.record(partition)}

    def note_delivered(self, partition: str, manifests: Sequence[Manifest]) -> None:
        """Writes down that all parts of a partition are delivered; of a single one, its own record says so."""

    def unready(self, tiles: Sequence[Interval]) -> list[Interval]:
        """Those of the source's first windows, oldest first, that are missing in its lake or stale there."""
        return unready_profiles(self.lake, self.source.cadence, tiles)

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

    @property
    def hold(self) -> timedelta:
        """How much later than its time a run is due, for rows that come late."""
        return max(self.export.hold, self.shared_hold)

    @cached_property
    def due(self) -> DueWindows:
        """The export's windows by when their runs are due."""
        return DueWindows(self.cadence, self.export.schedule.at, self.hold)

    def is_delivered(self, window: Interval) -> bool:
        """Whether the partition of a window was delivered, in any generation."""
        return any(self.record(self.cadence.key_of(window)).glob(_MANIFESTS))

    def standing(self, now: datetime) -> Standing:
        """Whether the newest partitions that are due have been delivered in time."""
        return standing(self.due.until(now - GRACE), self.due.due, self.is_delivered)

    def undelivered(self, now: datetime) -> list[Interval]:
        """The windows that are due and not delivered, oldest first."""
        return [window for window in self.due.until(now) if not self.is_delivered(window)]

    def staging(self, partition: str) -> StagingArea:
        return self.folders.staging(self.name, partition)

    def check_unedited(self, partition: str, staged: ResolvedRows) -> None:
        """Refuses rows that were resolved for another identity, other columns or another format than declared now.

        Raises:
            StagingMissing: the declaration was edited since; the message says what to materialize.
        """
        if staged.content_version != self.export.content_version:
            raise StagingMissing(
                f"Reading what {self.name}/{self.first_stage} staged for {partition}",
                "identity, columns or format were edited since",
                f"Materialize {self.name}/{self.first_stage} for {partition} again, and what follows it.",
            )

    def sweep_staging(self, current: str) -> None:
        """Removes the staged files of partitions that were delivered, but for the current one's.

        A later re-run of theirs begins with the first stage again.
        """
        for area in (self.folders.root / "staging" / self.name).glob("*"):
            if area.name != current and latest_manifest(self.record(area.name)) is not None:
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
        declared = written(self.export)
        if declared != self._last_declared():
            write_bytes(self.folders.declared(self.name), declared.encode())
        return noted

    @property
    def edits(self) -> tuple[Edit, ...]:
        """What was edited since the last run; nothing before the first."""
        text = self._last_declared()
        before = read(text, self.export) if text else None
        return edits(before, self.export) if before else ()

    @property
    def refusal(self) -> str | None:
        """Why the export is disabled, as it was edited in a way that is refused; None where it isn't."""
        text = self._last_declared()
        if text is None:
            return None
        before = read(text, self.export)
        if before is None:
            return kind_refusal(kind_of(text), kind_of(written(self.export)))
        if before.configuration_version == self.export.configuration_version:
            return None
        return refusal(before, self.export, is_done=self._had_delivered_all(before), is_final=self.is_final)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the export for one run.

        Raises:
            ConfigurationError: the export is disabled.
            filelock.Timeout: another run holds it.
        """
        if reason := self.refusal:
            raise ConfigurationError([Mistake(f"assets/{self.name}.yaml", 0, "", reason)])
        with self.folders.lock("export", self.name):
            yield

    def _last_declared(self) -> str | None:
        path = self.folders.declared(self.name)
        return path.read_text(encoding="utf-8") if path.exists() else None

    def _had_delivered_all(self, before: DeclaredExport) -> bool:
        """Whether a declaration came to its end, and all of its windows are delivered."""
        cadence = before.cadence(self.source.cadence)
        if cadence.end is None:
            return False
        window: Interval | None = cadence.first
        while window:
            if not any(self.record(cadence.key_of(window)).glob(_MANIFESTS)):
                return False
            window = cadence.after(window)
        return True


ProfileLine: TypeAlias = Line[Export]
"""The line of a profile export."""


def unready_profiles(lake: Lake, cadence: Cadence, tiles: Sequence[Interval]) -> list[Interval]:
    """Those of a source's first windows, oldest first, whose profiles are missing in its lake or stale there."""
    history = lake.view().listing.history
    if not tiles:
        return []
    upto = history.before(cadence.window_from(tiles[-1].end))
    stale = frozenset(upto.stale)
    return [tile for tile in tiles if (key := cadence.key_of(tile)) not in upto or key in stale]


def busy(name: str, problem: Timeout) -> Busy:
    """What a run that finds the lock taken says."""
    return Busy(
        f"Starting a run of {name}",
        f"another one holds {Path(problem.lock_file).name}",
        "Wait until it has ended; nothing was changed by this one.",
    )
