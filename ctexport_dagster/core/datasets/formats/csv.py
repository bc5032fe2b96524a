"""Tables as CSV, by RFC 4180: header, CRLF, null an empty field and an empty text `""`. Source: REQUIREMENTS P29."""

from collections.abc import Sequence

import polars as pl

from ctexport_dagster.core.datasets.format import DatasetFormat
from ctexport_dagster.core.datasets.formats.texts import column_text, evaluated
from ctexport_dagster.core.formats.csv import ROW_END, csv_bytes
from ctexport_dagster.core.formats.layout import Rows
from ctexport_dagster.core.formats.row_group import RowGroup

_FIELD_BYTES = 12
"""What a field takes in memory beside its text."""


class DatasetCsv:
    """The declared CSV format, for one schema."""

    slice_bytes = 4_000_000

    def __init__(self, declared: DatasetFormat, schema: pl.Schema) -> None:
        self._as_string = declared.as_string
        self.extra_bytes = _FIELD_BYTES * len(schema) + len(ROW_END)
        headers = pl.DataFrame(schema=dict.fromkeys(schema.names(), pl.String))
        self.head = csv_bytes(headers, has_header=True).tobytes() or ROW_END.encode()

    def rows(self, frame: pl.DataFrame) -> Rows:
        if not frame.width:
            return Rows(memoryview(ROW_END.encode() * frame.height), frame.height)
        fields = pl.DataFrame([self._field(values).alias(str(place)) for place, values in enumerate(frame)])
        return Rows(csv_bytes(fields, has_header=False), frame.height)

    def tail(self, row_groups: Sequence[RowGroup]) -> bytes:
        return b""

    def _field(self, values: pl.Series) -> pl.Series:
        """What Polars writes as it should be stays as it is: but infinity is `inf` to it."""
        dtype = values.dtype
        is_finite = dtype.is_float() and not evaluated(values, pl.Expr.is_infinite).any()
        is_as_it_should_be = dtype.is_integer() or dtype.is_decimal() or dtype in (pl.String, pl.Boolean)
        return values if is_finite or is_as_it_should_be else column_text(values, as_string=self._as_string)
