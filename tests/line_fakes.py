"""A home without Dagster, YAML or files of a source: profiles given from memory, stages run one by one."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import Field, InstanceOf

from ctexport_dagster.core.delivery.protocol import DeliveryOutcome
from ctexport_dagster.core.destination import Destination, PutOutcome, Upload
from ctexport_dagster.core.errors import DeliveryError, SourceMissing
from ctexport_dagster.core.export import Export
from ctexport_dagster.core.failure import Failure
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.source import ProfileInput, RawBatch, Source, SourceDeclaration
from ctexport_dagster.core.staging import Chunks, Resolved
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.engine import Engine, InProcess
from ctexport_dagster.lake import Lake, PartitionRecord, Tuning
from ctexport_dagster.line import Line
from ctexport_dagster.resources.local import LocalDestination
from ctexport_dagster.stages.chunks import format_partition
from ctexport_dagster.stages.delivery import deliver_partition
from ctexport_dagster.stages.identity import resolve_partition
from ctexport_dagster.stages.profiles import ingest_partition
from ctexport_dagster.state import StateFolders

Value = None | str | bool | int | float | object
Row = Mapping[str, Value]


@dataclass(frozen=True)
class Given:
    """What a source gives for one partition: its columns with their types, and rows that may leave values out."""

    columns: Mapping[str, pl.DataType]
    rows: tuple[Row, ...] = ()
    batch_rows: int = 1000

    @property
    def fingerprint(self) -> str:
        told = [
            sorted((name, str(dtype)) for name, dtype in self.columns.items()),
            [sorted(r.items()) for r in self.rows],
        ]
        return hashlib.sha256(repr(told).encode()).hexdigest()

    def batches(self) -> Iterator[RawBatch]:
        frame = pl.DataFrame([dict(row) for row in self.rows], schema=dict(self.columns))
        for start in range(0, max(frame.height, 1), self.batch_rows):
            yield RawBatch(frame[start : start + self.batch_rows], origin="memory")


@dataclass
class MemorySource:
    """A source whose partitions are told by a dictionary; a partition may be told anew at any time."""

    given: dict[str, Given] = field(default_factory=dict)

    def profiles(self, partition: str, window: Interval) -> ProfileInput:
        if partition not in self.given:
            raise SourceMissing(
                f"Looking for the profiles of {partition}", "memory has none", "Tell the source what it should give."
            )
        told = self.given[partition]
        return ProfileInput(told.fingerprint, ("memory",), told.batches, len(told.rows), tuple(told.columns))


class MemoryDeclaration(SourceDeclaration):
    """Declares a `MemorySource`."""

    type: Literal["memory"] = "memory"
    source: InstanceOf[MemorySource] = Field(default_factory=MemorySource, exclude=True)

    def open(self, surroundings: Surroundings) -> Source:
        return self.source


@dataclass
class RefusingDestination:
    """Takes nothing, and says why."""

    failure: Failure

    def put(self, upload: Upload) -> PutOutcome:
        raise DeliveryError(f"Writing {upload.key}", self.failure)

    def discard_unfinished(self, key: str, attempt: str) -> None:
        pass

    def address(self, key: str) -> str:
        return f"nowhere/{key}"


class RefusingDeclaration(LocalDestination):
    """Declares a `RefusingDestination`."""

    failure: InstanceOf[Failure] = Field(exclude=True)

    def open(self, surroundings: Surroundings) -> Destination:  # pyright: ignore[reportIncompatibleMethodOverride]
        return RefusingDestination(self.failure)


@dataclass(frozen=True)
class TunedFolders(StateFolders):
    """State folders whose lakes work in sizes of the test's choice."""

    tuning: Tuning = field(default_factory=Tuning)

    def lake(self, source: str) -> Lake:
        plain = super().lake(source)
        return Lake(plain.source, plain.root, plain.quarantine, plain.scratch, self.tuning)


@dataclass(frozen=True)
class Ran:
    """What one run of a partition left: what was staged, the staged files' bytes, and the delivery's outcome."""

    resolved: Resolved
    chunks: Chunks
    contents: Mapping[str, bytes]
    outcome: DeliveryOutcome


@dataclass(frozen=True)
class TinyHome:
    """One source in memory, any number of exports, each delivered to a folder of its own."""

    root: Path
    declaration: MemoryDeclaration
    tuning: Tuning = field(default_factory=Tuning)
    engine: Engine = field(default_factory=InProcess)

    @property
    def folders(self) -> StateFolders:
        return TunedFolders(self.root / "state", self.tuning)

    def tell(self, partition: str, given: Given) -> None:
        self.declaration.source.given[partition] = given

    def ingest(self, partition: str, run_id: str = "run") -> PartitionRecord:
        return ingest_partition(
            self.declaration, self.declaration.source, partition, folders=self.folders, run_id=run_id
        )

    def line(self, name: str, **declared: object) -> Line:
        """The line of an export; only what differs from the least that an export declares needs to be given."""
        least = {
            "owner": "growth@example.com",
            "source": self.declaration.name,
            "destination": "disk",
            "account_id": 100000000,
            "format": "json",
        }
        export = Export.model_validate({**least, **declared, "name": name})
        return Line(export, self.declaration, self.folders)

    def delivered_to(self, line: Line) -> Path:
        """The folder that an export's files arrive in."""
        return self.root / "exports" / line.name

    def destination(self, line: Line) -> Destination:
        return LocalDestination(type="local", name="disk", folder=f"exports/{line.name}").open(Surroundings(self.root))

    def run(self, line: Line, partition: str, *, run_id: str = "run", wants_full: bool = False) -> Ran:
        """The three stages of an export, one after the other."""
        resolved = resolve_partition(line, partition, engine=self.engine, run_id=run_id, wants_full=wants_full).resolved
        chunks = format_partition(line, partition, engine=self.engine, run_id=run_id)
        folder = line.staging(partition).folder("chunks", chunks.attempt)
        contents = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
        outcome = deliver_partition(line, partition, self.destination(line), run_id=run_id)
        return Ran(resolved, chunks, contents, outcome)


def tree(root: Path) -> dict[str, bytes]:
    """Every file below a folder, by its relative path."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
