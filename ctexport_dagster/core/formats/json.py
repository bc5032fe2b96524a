"""NDJSON: one object a line, keys in column order, a missing value's key left out. Source: REQUIREMENTS P21, P27."""

from collections.abc import Sequence

import polars as pl

from ctexport_dagster.core.columns import ColumnPlan, OutputColumn
from ctexport_dagster.core.export import Format
from ctexport_dagster.core.formats.escapes import JSON
from ctexport_dagster.core.formats.layout import Rows
from ctexport_dagster.core.formats.lists import bracketed, json_arrays, token_objects
from ctexport_dagster.core.formats.records import Entry, Piece, RecordLayout
from ctexport_dagster.core.formats.row_group import RowGroup
from ctexport_dagster.core.formats.values import is_bare_in_json, scalar_texts
from ctexport_dagster.core.schema import ValueType


class JsonFormat:
    """One declared JSON format."""

    slice_bytes = 8_000_000
    head = b""

    def __init__(self, declared: Format, plan: ColumnPlan) -> None:
        if not plan.columns or plan.columns[0].role != "identity":
            raise ValueError("a column plan begins with identity")
        self._declared = declared
        self._columns = plan.columns
        leads = ["{", *"," * (len(plan.columns) - 1)]
        pieces: list[Piece] = [self._entry(column, lead) for column, lead in zip(plan.columns, leads, strict=True)]
        self._records = RecordLayout([*pieces, "}\n"])
        self.extra_bytes = self._records.markup_bytes

    def rows(self, frame: pl.DataFrame) -> Rows:
        values = {column.key: self._value(column, frame[column.key]) for column in self._columns}
        return Rows(self._records.joined(values), frame.height)

    def tail(self, row_groups: Sequence[RowGroup]) -> bytes:
        return b""

    def _entry(self, column: OutputColumn, lead: str) -> Entry:
        key = f'{lead}"{JSON.text(column.header)}":'
        quote = '"' if self._is_quoted(column) else ""
        return Entry(key + quote, column.key, quote, is_boolean=column.type == ValueType.BOOLEAN)

    def _is_quoted(self, column: OutputColumn) -> bool:
        """Whether the column's text is the inside of a JSON string, else it is a JSON value by itself."""
        if column.role == "clevertapIds":
            return self._declared.style == "clevertap"
        if column.role in ("device", "groups") or column.is_list:
            return False
        return self._declared.as_string or not is_bare_in_json(column.type)

    def _value(self, column: OutputColumn, values: pl.Series) -> pl.Series:
        match column.role:
            case "identity" | "all_identities":
                return json_arrays(values).fill_null("[]") if column.is_list else JSON.column(values.fill_null(""))
            case "clevertapIds" if self._is_quoted(column):
                return JSON.column(bracketed(values))
            case "device":
                return token_objects(values)
            case "groups":
                return values
            case _:
                return json_arrays(values) if column.is_list else self._scalar(column, values)

    def _scalar(self, column: OutputColumn, values: pl.Series) -> pl.Series:
        if column.type == ValueType.BOOLEAN:
            return values
        texts = scalar_texts(values, column.type)
        return JSON.column(texts) if column.type == ValueType.STRING else texts
