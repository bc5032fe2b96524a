"""Tables as XML, one `<Row>` a line, well-formed for every input. Source: REQUIREMENTS P28.

    <?xml version="1.0" encoding="UTF-8"?>
    <root>
    <Row><entry><key>order_id</key><value>17</value></entry>…</Row>
    </root>

A null has no entry; nested values are JSON text.
"""

from collections.abc import Iterator, Sequence

import polars as pl

from ctexport_dagster.core.datasets.format import DatasetFormat
from ctexport_dagster.core.datasets.formats.texts import column_text, is_nested, is_text
from ctexport_dagster.core.formats.escapes import XML
from ctexport_dagster.core.formats.layout import Rows
from ctexport_dagster.core.formats.records import Entry, RecordLayout
from ctexport_dagster.core.formats.row_group import RowGroup

_OPEN, _CLOSE = "<Row>", "</Row>\n"


class DatasetXml:
    """The declared XML format, for one schema."""

    slice_bytes = 4_000_000
    head = b'<?xml version="1.0" encoding="UTF-8"?>\n<root>\n'

    def __init__(self, declared: DatasetFormat, schema: pl.Schema) -> None:
        self._as_string = declared.as_string
        self._records = RecordLayout([_OPEN, *_entries(schema), _CLOSE])
        self.extra_bytes = self._records.markup_bytes

    def rows(self, frame: pl.DataFrame) -> Rows:
        if not frame.width:
            return Rows(memoryview(f"{_OPEN}{_CLOSE}".encode() * frame.height), frame.height)
        values = {str(place): self._value(values) for place, values in enumerate(frame)}
        return Rows(self._records.joined(values), frame.height)

    def tail(self, row_groups: Sequence[RowGroup]) -> bytes:
        return b"</root>\n"

    def _value(self, values: pl.Series) -> pl.Series:
        if values.dtype == pl.Boolean:
            return values
        texts = column_text(values, as_string=self._as_string)
        return XML.column(texts) if is_text(values.dtype) or is_nested(values.dtype) else texts


def _entries(schema: pl.Schema) -> Iterator[Entry]:
    for place, (name, dtype) in enumerate(schema.items()):
        before = f"<entry><key>{XML.text(name)}</key><value>"
        yield Entry(before, str(place), "</value></entry>", is_boolean=isinstance(dtype, pl.Boolean))
