"""A small lake of events for tests: days of rows given as dictionaries, and what the lake then says."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from ctexport_dagster.core.events.source import EventInput, RawEvents
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.lake.events import EventLake, EventRecord, EventView, ingest_events
from ctexport_dagster.lake.tuning import Tuning
from ctexport_dagster.resources.files.declaration import FilesSource

Row = Mapping[str, object]
TINY = Tuning(slice_rows=4, spill_bytes=2_000, group_rows=3, small_group_rows=2, file_rows=6, most_layers=3)
"""Sizes so small that a dozen rows make several slices, row groups and files."""
COLUMNS = (
    *("eventName", "ts", "clevertapId", "identity", "profile", "deviceInfo", "eventProps", "sessionProps"),
    "controlGroupName",
)


def key(day: int) -> str:
    return (date(2026, 10, 31) + timedelta(days=day)).isoformat()


def window(day: int) -> Interval:
    start = datetime(2026, 10, 31, tzinfo=UTC) + timedelta(days=day)
    return Interval(start, start + timedelta(days=1))


def event(name: str = "Viewed", who: str | None = "a", at: str = "20261101120000", **values: object) -> Row:
    """A raw event; maps are given as dictionaries."""
    texts = {column: json.dumps(value) if isinstance(value, dict) else value for column, value in values.items()}
    return {"eventName": name, "ts": at, "clevertapId": who, **texts}


def raw(rows: Sequence[Row], batch_rows: int = 3) -> Iterator[RawEvents]:
    """The rows as batches of text columns."""
    for start in range(0, max(len(rows), 1), batch_rows):
        part = rows[start : start + batch_rows]
        frame = pl.DataFrame(
            {c: [row.get(c) for row in part] for c in COLUMNS}, schema=dict.fromkeys(COLUMNS, pl.String)
        )
        numbers = pl.Series(range(start + 1, start + 1 + len(part)), dtype=pl.UInt64)
        yield RawEvents(frame, origin="app.ndjson", numbers=numbers)


@dataclass
class EventDays:
    """The events of one source, written day by day (day 1 is the first)."""

    root: Path
    instances: int = 1
    timezone: str = "UTC"
    max_quarantined: float | int | None = None
    tuning: Tuning = TINY
    batch_rows: int = field(default=3)

    @property
    def lake(self) -> EventLake:
        return EventLake("app", self.root / "lake", self.root / "quarantine", self.root / "scratch", self.tuning)

    @property
    def declaration(self) -> FilesSource:
        return FilesSource(
            name="app",
            events="{{Partition}}.ndjson",
            start=date(2026, 11, 1),
            instances=self.instances,
            timezone=self.timezone,
            max_quarantined=self.max_quarantined,
        )

    def put(self, day: int, rows: Sequence[Row]) -> EventRecord:
        fingerprint = hashlib.sha256(json.dumps([dict(row) for row in rows]).encode()).hexdigest()
        return ingest_events(
            self.lake,
            declaration=self.declaration,
            partition=key(day),
            window=window(day),
            input=EventInput(fingerprint, ("app.ndjson",), lambda: raw(rows, self.batch_rows), len(rows)),
            run_id="run",
            scratch=self.root / "scratch",
        )

    def view(self) -> EventView:
        return self.lake.view()

    def slices(self, *days: int, instance: int = 0) -> list[pl.DataFrame]:
        return list(self.view().slices([key(day) for day in days], instance))

    def events(self, *days: int) -> pl.DataFrame:
        """All events of these days, instance by instance."""
        keys = [key(day) for day in days]
        view = self.view()
        return pl.concat(rows for instance in view.instances(keys) for rows in view.slices(keys, instance))

    def quarantined(self) -> pl.DataFrame:
        return pl.concat([pl.read_parquet(path) for path in sorted((self.root / "quarantine").glob("*.parquet"))])
