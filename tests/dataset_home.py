"""A tiny home with one source of tables in memory, and flows of them that are delivered to folders of their own."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import polars as pl
from line_fakes import MemorySource
from pydantic import Field, InstanceOf

from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.datasets.export import DatasetExport
from ctexport_dagster.core.datasets.source import DatasetInput, RawRows, Span
from ctexport_dagster.core.delivery.protocol import DeliveryOutcome
from ctexport_dagster.core.errors import SourceMissing
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.dataset_line import DatasetLine
from ctexport_dagster.lake.datasets import DatasetRecord
from ctexport_dagster.reader import Partition, open_delivery
from ctexport_dagster.resources.local import LocalDestination
from ctexport_dagster.stages.dataset_chunks import stage_dataset_chunks
from ctexport_dagster.stages.datasets import ingest_dataset_partition
from ctexport_dagster.stages.delivery import deliver_parts
from ctexport_dagster.state import StateFolders

Row = Mapping[str, object]
NUMBERED: Mapping[str, pl.DataType] = {"number": pl.Int64(), "note": pl.String()}


def numbered(first: int, stop: int) -> pl.DataFrame:
    """A table of numbered rows."""
    numbers = range(first, stop)
    return pl.DataFrame({"number": list(numbers), "note": [f"nö {n}" for n in numbers]}, schema=dict(NUMBERED))


@dataclass
class MemoryTables(MemorySource):
    """Tables whose partitions are told by a dictionary: dataset and partition → rows."""

    tables: dict[tuple[str, str], pl.DataFrame] = field(default_factory=dict)

    def dataset(self, name: str, span: Span) -> DatasetInput:
        if (name, span.partition) not in self.tables:
            raise SourceMissing(f"Looking for {name} of {span.partition}", "memory has none", "Tell it what to give.")
        frame = self.tables[name, span.partition]

        def batches() -> Iterator[RawRows]:
            yield RawRows(frame, origin="memory")

        fingerprint = hashlib.sha256(f"{frame.schema} {frame.rows()}".encode()).hexdigest()
        return DatasetInput(fingerprint, ("memory",), batches, frame.height)


class TablesDeclaration(SourceDeclaration):
    """Declares `MemoryTables`."""

    type: Literal["tables"] = "tables"
    datasets: dict[str, DeclaredDataset] = Field(default_factory=dict)
    source: InstanceOf[MemoryTables] = Field(default_factory=MemoryTables, exclude=True)

    @property
    def has_profiles(self) -> bool:
        return False

    @property
    def declared_datasets(self) -> Mapping[str, DeclaredDataset]:
        return self.datasets

    def open(self, surroundings: Surroundings) -> MemoryTables:
        return self.source


@dataclass(frozen=True)
class DatasetHome:
    """A home under `root`."""

    root: Path
    source: TablesDeclaration

    @staticmethod
    def at(root: Path, *, end: str | None = None, **datasets: Mapping[str, object]) -> "DatasetHome":
        """A daily source that begins on 2026-11-01, with these datasets and what is declared of each."""
        declared = {"name": "shop", "start": "2026-11-01", "end": end, "datasets": datasets}
        return DatasetHome(root, TablesDeclaration.model_validate(declared))

    @property
    def declaration(self) -> TablesDeclaration:
        """The source's, as tests on Dagster know it of every home."""
        return self.source

    @property
    def folders(self) -> StateFolders:
        return StateFolders(self.root / "state")

    def tell(self, dataset: str, partition: str, rows: pl.DataFrame) -> None:
        """Tells the source a partition."""
        self.source.source.tables[dataset, partition] = rows

    def take_in(self, dataset: str, partition: str, rows: pl.DataFrame) -> DatasetRecord:
        """Tells the source a partition, and takes it in."""
        self.tell(dataset, partition, rows)
        return ingest_dataset_partition(
            self.source, self.source.source, dataset, partition, folders=self.folders, run_id="in"
        )

    def line(self, *datasets: str, **declared: object) -> DatasetLine:
        least = {"owner": "a@example.com", "source": "shop", "destination": "disk", "account_id": 1, "format": "json"}
        export = DatasetExport.model_validate({"name": "flow", "datasets": datasets, **least, **declared})
        return DatasetLine(export, self.source, self.folders)

    def run(self, line: DatasetLine, partition: str, *, wants_full: bool = False) -> Mapping[str, DeliveryOutcome]:
        """Both stages of the flow, one after the other."""
        stage_dataset_chunks(line, partition, run_id="run", wants_full=wants_full)
        return self.deliver(line, partition)

    def deliver(self, line: DatasetLine, partition: str) -> Mapping[str, DeliveryOutcome]:
        """The second stage alone."""
        destination = LocalDestination(type="local", name="disk", folder=f"exports/{line.name}")
        return deliver_parts(line, partition, destination.open(Surroundings(self.root)), run_id="run")

    def delivered(self, line: DatasetLine, dataset: str, partition: str) -> Partition:
        return open_delivery(self.root / "exports" / line.name, dataset=dataset).partition(partition)

    def numbers(self, line: DatasetLine, dataset: str, partition: str) -> Sequence[object]:
        """The `number` of every row that was delivered of a dataset for a partition."""
        return [row["number"] for row in self.delivered(line, dataset, partition).records()]
