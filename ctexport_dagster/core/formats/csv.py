"""CSV as RFC 4180 has it: a header row in every file, CRLF after each row. Source: REQUIREMENTS P21, P29.

Null is an empty field, an empty string is `""`. Polars writes and quotes it; lists and objects are JSON text before.
"""

import io
from collections.abc import Sequence

import polars as pl

from ctexport_dagster.core.columns import ColumnPlan, OutputColumn
from ctexport_dagster.core.export import Format
from ctexport_dagster.core.formats.layout import Rows
from ctexport_dagster.core.formats.lists import bracketed, json_arrays, token_objects
from ctexport_dagster.core.formats.row_group import RowGroup
from ctexport_dagster.core.formats.values import TIMESTAMP_PATTERN

ROW_END = "\r\n"


class CsvFormat:
    """One declared CSV format."""

    slice_bytes = 4_000_000

    def __init__(self, declared: Format, plan: ColumnPlan) -> None:
        self._style = declared.style
        self._columns = plan.columns
        self.extra_bytes = len(plan.columns) + 1
        self.head = csv_bytes(pl.DataFrame(schema=dict.fromkeys(plan.headers, pl.String)), has_header=True).tobytes()

    def rows(self, frame: pl.DataFrame) -> Rows:
        fields = [self._field(column, frame[column.key]) for column in self._columns]
        return Rows(csv_bytes(pl.DataFrame(fields), has_header=False), frame.height)

    def tail(self, row_groups: Sequence[RowGroup]) -> bytes:
        return b""

    def _field(self, column: OutputColumn, values: pl.Series) -> pl.Series:
        if column.role == "device":
            return token_objects(values)
        if column.role == "clevertapIds" and self._style == "clevertap":
            return bracketed(values)
        return json_arrays(values) if column.is_list else values


def csv_bytes(frame: pl.DataFrame, *, has_header: bool) -> memoryview:
    """A frame's rows, and its header where wanted, as RFC 4180 has them."""
    buffer = io.BytesIO()
    frame.write_csv(buffer, include_header=has_header, line_terminator=ROW_END, datetime_format=TIMESTAMP_PATTERN)
    return buffer.getbuffer()
