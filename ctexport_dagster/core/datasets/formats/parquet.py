"""Tables as Parquet: a column is a column, in its own type wherever Parquet has it (`stored.py`).

Every file has the schema of the table, whether or not its rows use all of it. With `as_string` each column is the text
that CSV has. Source: REQUIREMENTS A7, P21.
"""

from collections.abc import Sequence

import polars as pl

from ctexport_dagster.core.datasets.format import DatasetFormat
from ctexport_dagster.core.datasets.formats.stored import stored
from ctexport_dagster.core.datasets.formats.texts import column_text, evaluated
from ctexport_dagster.core.formats.layout import Rows
from ctexport_dagster.core.formats.parquet import parquet_file
from ctexport_dagster.core.formats.row_group import MAGIC, RowGroup, footer_of, lifted

_COMPAT = pl.CompatLevel.oldest()
_VALUE_BYTES = 24
"""What a value takes beside itself while its row group is built."""


class DatasetParquet:
    """The declared Parquet format, for one schema; each slice of rows becomes a row group."""

    slice_bytes = 12_000_000
    head = MAGIC

    def __init__(self, declared: DatasetFormat, schema: pl.Schema) -> None:
        self._codec = declared.compression or "zstd"
        self._as_string = declared.as_string
        self._empty_file = self._file(schema.to_frame())
        self.extra_bytes = _VALUE_BYTES * len(schema)

    def rows(self, frame: pl.DataFrame) -> Rows:
        content, row_group = lifted(self._file(frame))
        return Rows(content, frame.height, row_group)

    def tail(self, row_groups: Sequence[RowGroup]) -> bytes:
        return footer_of(self._empty_file, row_groups)

    def _file(self, frame: pl.DataFrame) -> memoryview:
        columns = pl.DataFrame([self._column(values) for values in frame], height=frame.height)
        columns.columns = frame.columns  # Polars gives a column that is called "" another name
        table = columns.to_arrow(compat_level=_COMPAT)
        return parquet_file(table, self._codec, dictionaries=True, statistics=True)

    def _column(self, values: pl.Series) -> pl.Series:
        if self._as_string:
            return column_text(values, as_string=True).alias(values.name)
        return evaluated(values, lambda value: stored(value, values.dtype)).alias(values.name)
