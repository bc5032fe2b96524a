"""Tables as NDJSON: one object a line, keys in column order, a null column's key left out.

Within a nested value nulls stay: a list keeps its places, a struct its fields, a map its keys. A float that isn't
finite is `null`, so it can be told from a missing one. Source: REQUIREMENTS A7, P27.
"""

from collections.abc import Iterator, Sequence

import polars as pl

from ctexport_dagster.core.datasets.format import DatasetFormat
from ctexport_dagster.core.datasets.formats.texts import column_json, is_bare_in_json
from ctexport_dagster.core.events.json_spans import column_bytes
from ctexport_dagster.core.formats.escapes import JSON
from ctexport_dagster.core.formats.layout import Rows
from ctexport_dagster.core.formats.records import Entry, RecordLayout
from ctexport_dagster.core.formats.row_group import RowGroup

_END = "}\n"


class DatasetJson:
    """The declared JSON format, for one schema."""

    slice_bytes = 4_000_000
    head = b""

    def __init__(self, declared: DatasetFormat, schema: pl.Schema) -> None:
        self._as_string = declared.as_string
        self._records = RecordLayout([*self._entries(schema), _END])
        self.extra_bytes = self._records.markup_bytes + 1

    def rows(self, frame: pl.DataFrame) -> Rows:
        if not frame.width:
            return Rows(memoryview(f"{{{_END}".encode() * frame.height), frame.height)
        records = self._records.records({str(place): self._value(values) for place, values in enumerate(frame)})
        return Rows(_opened(records), frame.height)

    def tail(self, row_groups: Sequence[RowGroup]) -> bytes:
        return b""

    def _entries(self, schema: pl.Schema) -> Iterator[Entry]:
        for place, (name, dtype) in enumerate(schema.items()):
            quote = "" if is_bare_in_json(dtype, as_string=self._as_string) else '"'
            before = f',"{JSON.text(name)}":{quote}'
            yield Entry(before, str(place), quote, is_boolean=isinstance(dtype, pl.Boolean))

    def _value(self, values: pl.Series) -> pl.Series:
        return values if values.dtype == pl.Boolean else column_json(values, as_string=self._as_string)


def _opened(records: pl.Series) -> memoryview:
    """The records with the brace that opens each: in place of its first comma, or before a record without values."""
    records = records.replace(_END, f",{_END}")
    shared, offsets = column_bytes(records)
    content = shared.copy()
    content[offsets[:-1]] = ord("{")
    return content.data
