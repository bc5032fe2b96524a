"""The files of one partition's events, of whatever format, as raw events."""

from collections.abc import Iterator
from pathlib import Path
from typing import assert_never

from ctexport_dagster.core.events.source import RawEvents
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.resources.files.csv import csv_batches
from ctexport_dagster.resources.files.event_model import event_batches
from ctexport_dagster.resources.files.events_ndjson import ndjson_events
from ctexport_dagster.resources.files.parquet import parquet_batches
from ctexport_dagster.resources.files.templates import FileFormat

READING = 2
"""Raise it when the same files come to be read differently: it stands in the fingerprint."""
ROW_BYTES = 700


def read_events(
    path: Path, origin: str, kind: FileFormat, declaration: SourceDeclaration, event_name: str | None
) -> Iterator[RawEvents]:
    """A file's events in order; `event_name` is what its path says, if it does.

    Raises:
        SourceUnreadable: the file as a whole can't be read.
    """
    match kind:
        case "parquet":
            return event_batches(parquet_batches(path, origin), declaration, event_name)
        case "csv":
            return event_batches(csv_batches(path, origin), declaration, event_name)
        case "ndjson":
            return ndjson_events(path, origin, declaration.columns, event_name)
        case _:
            assert_never(kind)
