"""The record of a partition of a dataset: what was written, from what, and where the next one begins."""

from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from ctexport_dagster.core.datasets.declared import Holds
from ctexport_dagster.core.datasets.normalise import KnownTable
from ctexport_dagster.core.datasets.schema_text import schema_from_text
from ctexport_dagster.core.datasets.widening import NO_TYPE, widened
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.lake.partition_records import PartitionRecords, digest

END = "upto"
"""The file that holds where a partition ends, as the source wrote it down for itself."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DatasetTally(_Document):
    """What became of the rows that the source gave: source = quarantined + kept."""

    source: int = 0
    quarantined: int = 0
    kept: int = 0


class Segment(_Document):
    """One file of a partition's rows, by its name in the attempt's folder."""

    file: str
    rows: int
    bytes: int


class DatasetRecord(_Document):
    """One partition of a dataset, as it was last written."""

    partition: str
    window: Interval
    generation: int
    attempt: str
    input: str
    """The input's fingerprint."""
    shape: str
    """A fingerprint of what else shapes the rows: the declaration, and the version of this code's rules."""
    rows: DatasetTally
    schema_text: str
    """The columns: those of the partitions before, then those that were new (core/datasets/schema_text.py)."""
    present: tuple[str, ...]
    """Those of them that the source gave, in its order."""
    wide: tuple[str, ...]
    """Those that hold whole numbers which have no float64 of their own."""
    segments: tuple[Segment, ...]
    """In the source's order."""
    holds_all: bool
    """Whether the partition has the whole table, so that younger ones stand in for it."""
    cursor: str | None
    """The column by which rows were new."""
    zone: str | None = None
    """The source's time zone, in which instants without one of their own were read; None in records of old."""
    has_end: bool
    """Whether the source told where the partition ends: `DatasetView.upto_of` reads it. It stands beside the rows and
    not in here, for it may be long, and whoever looks at the lake holds all records."""
    quarantine: str | None
    run_id: str
    is_new: bool = Field(default=True, exclude=True)
    """False where the ingest found the partition as it should be, and wrote nothing. Not stored."""

    @property
    def folder(self) -> str:
        """The name of the folder with its segments."""
        return f"{self.partition}-g{self.generation}-{self.attempt}"

    @property
    def files(self) -> tuple[str, ...]:
        """What lies in that folder."""
        return (*(segment.file for segment in self.segments), *([END] if self.has_end else []))

    @property
    def bytes(self) -> int:
        """What the segments take on the disk."""
        return sum(segment.bytes for segment in self.segments)

    @cached_property
    def columns(self) -> pl.Schema:
        """The columns with their types."""
        return schema_from_text(self.schema_text)

    @property
    def holds(self) -> Holds:
        """What the partition has, as it was declared when it was taken in."""
        return "all" if self.holds_all else "added"

    @property
    def state(self) -> str:
        """A fingerprint of the kept rows, and of the columns that they are given with."""
        return digest(self.input, self.shape, self.schema_text)


class DatasetHistory(PartitionRecords[DatasetRecord]):
    """The records of a dataset."""

    @staticmethod
    def read(name: str, root: Path) -> "DatasetHistory":
        """What lies in a dataset's folder."""
        stamps = ((path, path.stat()) for path in root.glob("[!.]*.json"))
        records = [_parsed(path, stat.st_mtime_ns, stat.st_ino) for path, stat in stamps]
        return DatasetHistory(name, tuple(sorted(records, key=lambda record: record.window)))

    def known_beside(self, partition: str, window: Interval) -> KnownTable:
        """What the other partitions say of the table."""
        others = [record for record in self.records if record.partition != partition]
        before = (name for record in others if record.window < window for name in record.columns)
        wide = frozenset(name for record in others for name in record.wide)
        return KnownTable(_newest_types(others), tuple(dict.fromkeys(before)), wide)


def _newest_types(records: Sequence[DatasetRecord]) -> pl.Schema:
    """The columns of all; where they contradict each other, as after an edit of `types:`, the newest counts."""
    types: dict[str, pl.DataType] = {}
    for record in records:
        for name, seen in record.columns.items():
            types[name] = widened(types.get(name, NO_TYPE), seen) or seen
    return pl.Schema(types)


@lru_cache(maxsize=5_000)
def _parsed(path: Path, _changed: int, _file: int) -> DatasetRecord:
    """A record is replaced by another file, never written over."""
    return DatasetRecord.model_validate_json(path.read_text())
