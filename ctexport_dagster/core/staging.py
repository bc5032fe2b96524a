"""Staging: what one stage leaves for the next, whole or not at all.

    <state>/staging/<export>/<partition>/resolved.json      what the identity stage staged, and where
    <state>/staging/<export>/<partition>/chunks.json        the formatted chunks, ready for delivery
    <state>/staging/<export>/<partition>/<stage>-<attempt>/ their data files
    <state>/staging/<flow>/<partition>/<dataset>/…          the same, for each dataset of a flow

A stage writes into a folder of its own attempt and publishes it by renaming one small JSON document; what a killed
attempt left behind is swept by the next one.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from ctexport_dagster.core.atomic import write_bytes
from ctexport_dagster.core.errors import StagingMissing
from ctexport_dagster.core.manifest import Mode

Stage = Literal["resolved", "chunks"]
Document = TypeVar("Document", bound=BaseModel)


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StagedColumn(_Document):
    """An `OutputColumn`, as staged."""

    role: str
    name: str
    header: str
    type: str


class StagedCounts(_Document):
    """A `RowCounts`, as staged."""

    source: int
    unchanged: int
    superseded: int
    quarantined: int
    exported: int
    tombstones: int


class ResolvedRows(_Document):
    """What the identity stage of any kind of export says of the rows that it staged for one partition."""

    attempt: str
    mode: Mode
    content_version: str
    configuration_version: str
    columns: tuple[StagedColumn, ...]
    warnings: tuple[str, ...]
    rows: StagedCounts
    lake_version: int
    lake_state: str
    upstream_runs: tuple[str, ...]
    run_id: str


class Resolved(ResolvedRows):
    """What was staged for one partition of profiles: one file of resolved rows per instance that has any."""

    files: dict[int, str]
    """instance → file name within the attempt's folder; instances without rows are absent."""
    rests_on: str = ""
    """A fingerprint of what the rows follow from: of changes, more and less than the state that they lead to."""


class StagedChunk(_Document):
    """One formatted chunk: its file in the attempt's folder, instance, index, rows, bytes and checksum (hex).

    A chunk of events holds those of one name and day; `index` counts within them.
    """

    file: str
    instance: int
    index: int
    rows: int
    bytes: int
    sha256: str
    event: str | None = None
    day: date | None = None


AnyResolved = TypeVar("AnyResolved", bound=ResolvedRows, covariant=True)


class StagedChunks(_Document, Generic[AnyResolved]):
    """What the format stage staged for one partition, in delivery order."""

    attempt: str
    resolved: AnyResolved
    chunks: tuple[StagedChunk, ...]
    run_id: str


class Chunks(StagedChunks[Resolved]):
    """The chunks of profiles, by instance, then index."""


@dataclass(frozen=True)
class StagingArea:
    """The staging of one partition of one export, or of one dataset in it."""

    root: Path
    dataset: str = ""

    def folder(self, stage: Stage, attempt: str) -> Path:
        return self.root / f"{stage}-{attempt}"

    @contextmanager
    def attempt(self, stage: Stage, attempt: str) -> Iterator[Path]:
        """A fresh folder for this attempt's data files; swept if the stage fails."""
        folder = self.folder(stage, attempt)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def publish(self, stage: Stage, document: ResolvedRows | StagedChunks[AnyResolved]) -> None:
        """Makes an attempt the stage's result, then sweeps every other attempt of the stage."""
        write_bytes(self.root / f"{stage}.json", document.model_dump_json(indent=1).encode())
        for folder in self.root.glob(f"{stage}-*"):
            if folder.name != f"{stage}-{document.attempt}":
                shutil.rmtree(folder, ignore_errors=True)

    def resolved(self) -> Resolved:
        """Raises: StagingMissing: `identity_resolved_profiles` has not run for this partition."""
        return self.read(Resolved, "resolved", "identity_resolved_profiles")

    def chunks(self) -> Chunks:
        """Raises: StagingMissing: `formatted_chunks` has not run for this partition."""
        return self.read(Chunks, "chunks", "formatted_chunks")

    def read(self, model: type[Document], stage: Stage, asset: str) -> Document:
        """What a stage published last.

        Raises:
            StagingMissing: `asset` has not run for this partition.
        """
        path = self.root / f"{stage}.json"
        if not path.exists():
            whole = self.root.parent if self.dataset else self.root
            export, partition = whole.parent.name, whole.name
            of = f" of {self.dataset}" if self.dataset else ""
            raise StagingMissing(
                f"Reading what {export}/{asset} staged for {partition}{of}",
                "there is nothing",
                f"Materialize {export}/{asset} for {partition} first, or run `ctexport run {export}"
                f" --partition {partition}`.",
            )
        return model.model_validate_json(path.read_text())
