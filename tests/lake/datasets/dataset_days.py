"""A small dataset for tests: days of frames, and what its lake then says."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.datasets.source import DatasetInput
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.source import RawBatch, Source, SourceDeclaration
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.lake.datasets import DatasetLake, DatasetRecord, DatasetView, ingest_dataset
from ctexport_dagster.lake.datasets.segments import SegmentSizes

TINY = SegmentSizes(group_bytes=60, segment_bytes=150)
"""Sizes so small that a dozen rows make several row groups and segments."""


class TableSource(SourceDeclaration):
    """Declares one dataset, `orders`."""

    orders: DeclaredDataset = DeclaredDataset()

    @property
    def has_profiles(self) -> bool:
        return False

    @property
    def declared_datasets(self) -> Mapping[str, DeclaredDataset]:
        return {"orders": self.orders}

    def open(self, surroundings: Surroundings) -> Source:
        raise AssertionError("these tests give the lake its input themselves")


def key(day: int) -> str:
    return (date(2026, 10, 31) + timedelta(days=day)).isoformat()


def window(day: int) -> Interval:
    start = datetime(2026, 10, 31, tzinfo=UTC) + timedelta(days=day)
    return Interval(start, start + timedelta(days=1))


def batch(first: int = 1, variants: Mapping[str, tuple[str, ...]] | None = None, **columns: pl.Series) -> RawBatch:
    """Rows of a file whose first one has this number."""
    frame = pl.DataFrame(columns)
    numbers = pl.Series(range(first, first + frame.height), dtype=pl.UInt64)
    return RawBatch(frame, origin="orders.ndjson", numbers=numbers, variants=variants or {})


def column(*values: object, dtype: pl.DataType | type[pl.DataType] | None = None) -> pl.Series:
    return pl.Series(values, dtype=dtype)


@dataclass
class DatasetDays:
    """The dataset of one source, written day by day (day 1 is the first)."""

    root: Path
    declared: DeclaredDataset = field(default_factory=DeclaredDataset)
    max_quarantined: float | int | None = None
    sizes: SegmentSizes = TINY

    @property
    def lake(self) -> DatasetLake:
        return DatasetLake("shop", "orders", self.root / "lake", self.root / "quarantine", self.sizes)

    @property
    def declaration(self) -> TableSource:
        return TableSource(
            name="shop", start=date(2026, 11, 1), max_quarantined=self.max_quarantined, orders=self.declared
        )

    def put(self, day: int, *batches: RawBatch, upto: str | None = None) -> DatasetRecord:
        told = [(given.frame.schema, given.frame.rows(), given.unreadable.height) for given in batches]
        return self.put_input(day, lambda: iter(batches), hashlib.sha256(repr(told).encode()).hexdigest(), upto)

    def put_input(
        self, day: int, batches: Callable[[], Iterator[RawBatch]], fingerprint: str, upto: str | None = None
    ) -> DatasetRecord:
        return ingest_dataset(
            self.lake,
            declaration=self.declaration,
            partition=key(day),
            window=window(day),
            input=DatasetInput(fingerprint, ("orders.ndjson",), batches, 0, upto),
            run_id="run",
        )

    def view(self) -> DatasetView:
        return self.lake.view()

    def rows(self, *days: int) -> pl.DataFrame:
        """All rows of these days."""
        keys = [key(day) for day in days]
        frames: Sequence[pl.DataFrame] = list(self.view().frames(keys))
        return pl.concat(frames) if frames else pl.DataFrame(schema=self.view().schema_of(keys))

    def quarantined(self) -> pl.DataFrame:
        return pl.concat([pl.read_parquet(path) for path in sorted((self.root / "quarantine").glob("*.parquet"))])

    def files(self) -> list[Path]:
        """All files of the lake and the quarantine."""
        return sorted(path for path in self.root.rglob("*") if path.is_file())
