"""Events as CSV: one event a row, the window's keys of the event in the header of every file. Source: REQUIREMENTS L9.

Null and absent are an empty field, an empty text is `""`, lists and objects are JSON text.
"""

import itertools
from collections.abc import Sequence

import polars as pl

from ctexport_dagster.core.events.formats.flat import FlatColumn, FlatEvents
from ctexport_dagster.core.events.formats.layout import EventFile, local_numbers
from ctexport_dagster.core.export import Format
from ctexport_dagster.core.formats.csv import csv_bytes
from ctexport_dagster.core.formats.layout import Rows
from ctexport_dagster.core.formats.lists import json_arrays
from ctexport_dagster.core.formats.row_group import RowGroup

_FIELD_BYTES = 20
"""What a field takes in memory beside its text, empty or not."""


class EventCsv:
    """The declared CSV format, for the files of one event."""

    slice_bytes = 12_000_000

    def __init__(self, declared: Format, file: EventFile) -> None:
        self._zone = file.zone
        self._is_typed = declared.style == "typed"
        self._flat = FlatEvents(file)
        headers = [column.header for column in self._flat.columns]
        self.head = csv_bytes(pl.DataFrame([headers], orient="row"), has_header=False).tobytes()
        self.extra_bytes = _FIELD_BYTES * len(headers)

    def rows(self, frame: pl.DataFrame) -> Rows:
        return self.split(frame, [frame.height])[0]

    def split(self, frame: pl.DataFrame, row_counts: Sequence[int]) -> list[Rows]:
        fields = zip(self._flat.columns, self._flat.fields(frame), strict=True)
        table = pl.DataFrame([self._field(*field).alias(str(place)) for place, field in enumerate(fields)])
        starts = itertools.accumulate(row_counts, initial=0)
        parts = (table.slice(start, count) for start, count in zip(starts, row_counts, strict=False))
        return [Rows(csv_bytes(part, has_header=False), part.height) for part in parts]

    def tail(self, row_groups: Sequence[RowGroup]) -> bytes:
        return b""

    def _field(self, column: FlatColumn, values: pl.Series) -> pl.Series:
        if column.header == "ts" and not self._is_typed:
            return local_numbers(values, self._zone)
        return json_arrays(values) if column.output and column.output.is_list else values
