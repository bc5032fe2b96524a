"""The Delta table of a source's events: its columns and records; listing and commits are those of every lake table."""

from collections.abc import Iterable
from functools import lru_cache

import polars as pl

from ctexport_dagster.core.events.model import EVENT_COLUMNS
from ctexport_dagster.lake.events.record import EventHistory, EventRecord
from ctexport_dagster.lake.table import LakeTable

LOG, ANONYMOUS, KEYS = "log", "anonymous", "keys"
"""The kinds of files that hold events and what their maps hold."""
STORED_COLUMNS: dict[str, pl.DataType] = {
    name: dtype for name, dtype in EVENT_COLUMNS.items() if name != "instance"
} | {"h": pl.Int64(), "seq": pl.Int64()}
"""The columns of a data file: `h` comes first; Delta knows no unsigned numbers."""


class EventTable(LakeTable[EventHistory]):
    """The events of a source."""

    content = "events"
    columns = STORED_COLUMNS

    def _history(self, records: Iterable[str]) -> EventHistory:
        return EventHistory.of(self.source, map(_parsed, records))


@lru_cache(maxsize=5_000)
def _parsed(record: str) -> EventRecord:
    return EventRecord.from_json(record)
