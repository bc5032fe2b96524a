"""Staging: what one stage leaves for the next, whole or not at all.

    <state>/staging/<export>/<partition>/resolved.json      what the identity stage staged, and where
    <state>/staging/<export>/<partition>/chunks.json        the formatted chunks, ready for delivery
    <state>/staging/<export>/<partition>/<stage>-<attempt>/ their data files

A stage writes into a folder of its own attempt and publishes it by renaming one small JSON document; what a killed
attempt left behind is swept by the next one.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from ctexport_dagster.core.atomic import write_bytes
from ctexport_dagster.core.errors import StagingMissing
from ctexport_dagster.core.manifest import Mode

Stage = Literal["resolved", "chunks"]


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


class Resolved(_Document):
    """What the identity stage staged for one partition: one file of resolved rows per instance that has any."""

    attempt: str
    mode: Mode
    content_version: str
    configuration_version: str
    columns: tuple[StagedColumn, ...]
    warnings: tuple[str, ...]
    files: dict[int, str]
    """instance → file name within the attempt's folder; instances without rows are absent."""
    rows: StagedCounts
    lake_version: int
    lake_state: str
    upstream_runs: tuple[str, ...]
    run_id: str


class StagedChunk(_Document):
    """One formatted chunk: its file in the attempt's folder, instance, index, rows, bytes and checksum (hex)."""

    file: str
    instance: int
    index: int
    rows: int
    bytes: int
    sha256: str


class Chunks(_Document):
    """What the format stage staged for one partition, in delivery order: by instance, then index."""

    attempt: str
    resolved: Resolved
    chunks: tuple[StagedChunk, ...]
    run_id: str


@dataclass(frozen=True)
class StagingArea:
    """The staging of one partition of one export."""

    root: Path

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

    def publish(self, stage: Stage, document: Resolved | Chunks) -> None:
        """Makes an attempt the stage's result, then sweeps every other attempt of the stage."""
        write_bytes(self.root / f"{stage}.json", document.model_dump_json(indent=1).encode())
        for folder in self.root.glob(f"{stage}-*"):
            if folder.name != f"{stage}-{document.attempt}":
                shutil.rmtree(folder, ignore_errors=True)

    def resolved(self) -> Resolved:
        """Raises: StagingMissing: `identity_resolved_profiles` has not run for this partition."""
        return Resolved.model_validate_json(self._document("resolved", "identity_resolved_profiles"))

    def chunks(self) -> Chunks:
        """Raises: StagingMissing: `formatted_chunks` has not run for this partition."""
        return Chunks.model_validate_json(self._document("chunks", "formatted_chunks"))

    def _document(self, stage: Stage, asset: str) -> str:
        path = self.root / f"{stage}.json"
        if not path.exists():
            export, partition = self.root.parent.name, self.root.name
            raise StagingMissing(
                f"Reading what {export}/{asset} staged for {partition}",
                "there is nothing",
                f"Materialize {export}/{asset} for {partition} first, or run `ctexport run {export}"
                f" --partition {partition}`.",
            )
        return path.read_text()
