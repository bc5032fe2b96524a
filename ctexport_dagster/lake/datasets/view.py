"""What the lake of a dataset holds, as it stood when it was looked at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from ctexport_dagster.core.datasets.declared import Holds
from ctexport_dagster.core.datasets.widening import Contradiction, united
from ctexport_dagster.core.errors import LakeError, PartitionMissing
from ctexport_dagster.lake.datasets.record import END, DatasetHistory, DatasetRecord
from ctexport_dagster.lake.datasets.segments import read_segment


@dataclass(frozen=True)
class DatasetView:
    """A dataset's partitions; safe to read while others write, until `sweep` takes replaced rows away a day later."""

    root: Path
    history: DatasetHistory

    def records(self) -> tuple[DatasetRecord, ...]:
        """Every partition, oldest window first."""
        return self.history.records

    def find(self, partition: str) -> DatasetRecord | None:
        return self.history.find(partition)

    def record(self, partition: str) -> DatasetRecord:
        """Raises: PartitionMissing; the message says what to run."""
        return self.history.record(partition)

    def state_of(self, partitions: Sequence[str]) -> str:
        """A fingerprint of everything that a read of these partitions gives. Raises: PartitionMissing."""
        return self.history.state_of(partitions)

    def schema_of(self, partitions: Sequence[str]) -> pl.Schema:
        """The columns of these partitions, by first appearance, with types that hold the values of all.

        Raises:
            PartitionMissing.
            LakeError: a column has types that contradict each other; the message says what to do.
        """
        records = self._by_window(partitions)
        try:
            return united(record.columns for record in records)
        except Contradiction as problem:
            name, culprit = self.history.name, records[problem.place]
            raise LakeError(
                f"Reading {name}",
                f"the column {problem.column} is {problem.seen} in {culprit.partition}, and {problem.known} before it",
                f"Declare its type under `types:` of the dataset, then materialize {name} for"
                f" {', '.join(record.partition for record in records[: problem.place + 1])} again.",
            ) from None

    def check_held(self, partitions: Sequence[str], holds: Holds) -> None:
        """Raises PartitionMissing where a partition was taken in as holding something else than `holds`.

        Rows of partitions that hold the whole table would stand in several of them; those of one that holds what was
        added would pass for the whole table.
        """
        unlike = [record for record in self._by_window(partitions) if record.holds != holds]
        if not unlike:
            return
        name, keys = self.history.name, ", ".join(record.partition for record in unlike)
        raise PartitionMissing(
            f"Reading {name} of {keys}",
            f"taken in as `holds: {unlike[0].holds}`, while `holds: {holds}` is declared now",
            f"Materialize {name} for {keys} again, the oldest first.",
        )

    def has_rows_of(self, record: DatasetRecord) -> bool:
        """Whether all files of a partition are there: they go where newer partitions hold the whole table."""
        return all((self.root / record.folder / file).exists() for file in record.files)

    def upto_of(self, record: DatasetRecord) -> str | None:
        """Where a partition ends and the next one begins; None where nothing tells."""
        path = self.root / record.folder / END
        return path.read_text(encoding="utf-8") if record.has_end and path.exists() else None

    def frames(self, partitions: Sequence[str], *, schema: pl.Schema | None = None) -> Iterator[pl.DataFrame]:
        """The rows of these partitions, by window, then as the source gave them, in frames of some 8 to 16 MB.

        They have the columns of `schema`, else those of all these partitions together; null where one isn't there.
        Partitions without rows give no frame.

        Raises:
            PartitionMissing: a partition isn't in the lake, or its rows were dropped.
            LakeError: the values of a column can't be had in one type.
        """
        records = self._by_window(partitions)
        for record in records:
            if not self.has_rows_of(record):
                raise self._dropped(record)
        columns = schema if schema is not None else self.schema_of(partitions)
        for record in records:
            yield from self._rows_of(record, columns)

    def _rows_of(self, record: DatasetRecord, columns: pl.Schema) -> Iterator[pl.DataFrame]:
        try:
            for segment in record.segments:
                yield from read_segment(self.root / record.folder / segment.file, columns)
        except FileNotFoundError:
            raise self._dropped(record) from None
        except ValueError as problem:
            raise LakeError(
                f"Reading {self.history.name} of {record.partition}",
                str(problem),
                "Declare the column's type under `types:` of the dataset, then materialize the partition again.",
            ) from None

    def _by_window(self, partitions: Sequence[str]) -> list[DatasetRecord]:
        return sorted({key: self.record(key) for key in partitions}.values(), key=lambda record: record.window)

    def _dropped(self, record: DatasetRecord) -> PartitionMissing:
        name = self.history.name
        why = "newer partitions hold the whole table" if record.holds_all else "it was written anew meanwhile"
        return PartitionMissing(
            f"Reading {name} of {record.partition}",
            f"its rows were dropped, as {why}",
            f"Materialize {name} for {record.partition} again.",
        )
