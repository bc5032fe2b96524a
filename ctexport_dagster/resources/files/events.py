"""The files of one partition's events, of whatever format, as raw events."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from ctexport_dagster.core.events.source import RawEvents
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.resources.files.csv import csv_batches
from ctexport_dagster.resources.files.event_model import event_batches
from ctexport_dagster.resources.files.events_ndjson import ndjson_events
from ctexport_dagster.resources.files.parquet import parquet_batches, parquet_row_count
from ctexport_dagster.resources.files.templates import FileFormat

READING = 1
"""Raise it when the same files come to be read differently: it stands in the fingerprint."""
_ROW_BYTES = 700
_GZIP_RATIO = 7


@dataclass(frozen=True)
class EventFile:
    """One file of events; `event_name` is what its path says, if it does."""

    path: Path
    origin: str
    format: FileFormat
    event_name: str | None

    @property
    def row_estimate(self) -> int:
        if self.format == "parquet":
            return parquet_row_count(self.path)
        ratio = _GZIP_RATIO if self.path.suffix in (".gz", ".gzip") else 1
        return self.path.stat().st_size * ratio // _ROW_BYTES


def read_events(file: EventFile, declaration: SourceDeclaration) -> Iterator[RawEvents]:
    """The file's events in order.

    Raises:
        SourceUnreadable: the file as a whole can't be read.
    """
    match file.format:
        case "parquet":
            return event_batches(parquet_batches(file.path, file.origin), declaration, file.event_name)
        case "csv":
            return event_batches(csv_batches(file.path, file.origin), declaration, file.event_name)
        case "ndjson":
            return ndjson_events(file.path, file.origin, declaration.columns, file.event_name)
        case _:
            assert_never(file.format)
