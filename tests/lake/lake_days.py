"""A small lake for tests: days of rows given as dictionaries, and what the lake then says, as dictionaries again."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.normalise.normaliser import Normaliser
from ctexport_dagster.core.schema import SourceSchema
from ctexport_dagster.core.source import ProfileInput, RawBatch, RowsWithoutId, SourceDeclaration, SourceMode
from ctexport_dagster.lake import Lake, LakeView, PartitionRecord, Touched, Tuning, ingest
from ctexport_dagster.lake.intake import NormaliserOf
from ctexport_dagster.resources.files.declaration import FilesSource

Row = Mapping[str, object]
TINY = Tuning(
    slice_rows=4, spill_bytes=600, group_rows=3, small_group_rows=2, file_rows=6, base_after_logs=0, most_layers=3
)
"""Sizes so small that a dozen rows make several slices, row groups and files."""

TYPES: dict[str, pl.DataType | type[pl.DataType]] = {
    "clevertapId": pl.String,
    "clevertapIds": pl.List(pl.String),
    "identity": pl.List(pl.String),
    "deleted": pl.Boolean,
    "instanceId": pl.Int64,
    "updatedAt": pl.Datetime("us", "UTC"),
}


def key(day: int) -> str:
    return (date(2026, 10, 31) + timedelta(days=day)).isoformat()


def window(day: int) -> Interval:
    start = datetime(2026, 10, 31, tzinfo=UTC) + timedelta(days=day)
    return Interval(start, start + timedelta(days=1))


@dataclass
class Days:
    """The lake of one source, written day by day (day 1 is the first)."""

    root: Path
    mode: SourceMode = "snapshot"
    instances: int = 1
    max_deleted: float = 1.0
    max_quarantined: float | int | None = None
    rows_without_id: RowsWithoutId = "hold"
    tuning: Tuning = TINY
    normaliser_of: NormaliserOf = Normaliser
    types: Mapping[str, pl.DataType | type[pl.DataType]] = field(default_factory=dict)

    @property
    def lake(self) -> Lake:
        return Lake("crm", self.root / "lake", self.root / "quarantine", self.root / "scratch", self.tuning)

    @property
    def declaration(self) -> SourceDeclaration:
        return FilesSource(
            name="crm",
            profiles="crm-{{Partition}}.parquet",
            mode=self.mode,
            start=date(2026, 11, 1),
            instances=self.instances,
            max_deleted=self.max_deleted,
            max_quarantined=self.max_quarantined,
            rows_without_id=self.rows_without_id,
        )

    def put(self, day: int, rows: Sequence[Row], columns: Sequence[str] | None = None) -> PartitionRecord:
        """Ingests a day; `columns` are the source's where they aren't the first row's."""
        return self.take(day, self.frame(rows, columns))

    def frame(self, rows: Sequence[Row], columns: Sequence[str] | None = None) -> pl.DataFrame:
        names = list(columns if columns is not None else rows[0] if rows else ["clevertapId"])
        known = {**TYPES, **self.types}
        series = []
        for name in names:
            values = [row.get(name) for row in rows]
            series.append(pl.Series(name, values, dtype=known.get(name), strict=True))
        return pl.DataFrame(series)

    def take(self, day: int, *frames: pl.DataFrame) -> PartitionRecord:
        """Ingests a day whose columns may differ from frame to frame."""
        return ingest(
            self.lake,
            declaration=self.declaration,
            partition=key(day),
            window=window(day),
            previous=key(day - 1) if day > 1 else None,
            input=_input(frames),
            run_id="run",
            scratch=self.root / "scratch",
            normaliser_of=self.normaliser_of,
        )

    def view(self) -> LakeView:
        return self.lake.view()

    def state(self, day: int, view: LakeView | None = None) -> dict[str, dict[str, object]]:
        """Every living profile as of a day, by id: its values by name."""
        view = view or self.view()
        frames = [rows for i in view.instances(key(day)) for rows in view.slices(key(day), i)]
        return profiles(frames, view.schema_as_of(key(day)))

    def touched(self, *days: int, view: LakeView | None = None) -> list[Touched]:
        view = view or self.view()
        keys = [key(day) for day in days]
        return [part for i in view.instances(keys[-1]) for part in view.touched(keys, i)]

    def quarantined(self) -> pl.DataFrame:
        return pl.concat([pl.read_parquet(path) for path in sorted((self.root / "quarantine").glob("*.parquet"))])


def profiles(frames: Sequence[pl.DataFrame], schema: SourceSchema) -> dict[str, dict[str, object]]:
    """The rows of profile frames by id: values by field name, `identity`, and `clevertapIds` as a set."""
    found: dict[str, dict[str, object]] = {}
    for row in (row for frame in frames for row in frame.iter_rows(named=True)):
        assert row["clevertapId"] not in found, "a profile comes twice"
        values = {f.name: row[f.column] for f in schema.fields}
        ids = frozenset(row["clevertapIds"] or ())
        found[row["clevertapId"]] = {"identity": row["identity"], "clevertapIds": ids, **values}
    return found


def _input(frames: Sequence[pl.DataFrame]) -> ProfileInput:
    document = repr([(frame.schema, frame.rows()) for frame in frames])

    def batches() -> Iterator[RawBatch]:
        first = 1
        for frame in frames:
            for start in range(0, max(frame.height, 1), 3):
                rows = frame[start : start + 3]
                numbers = pl.Series(range(first, first + rows.height), dtype=pl.UInt64)
                yield RawBatch(rows, origin="crm.parquet", numbers=numbers)
                first += rows.height

    row_count = sum(frame.height for frame in frames)
    return ProfileInput(hashlib.sha256(document.encode()).hexdigest(), ("crm.parquet",), batches, row_count)
