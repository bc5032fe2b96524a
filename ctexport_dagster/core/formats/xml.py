"""XML as the sample shows it, one `<Profile>` a line, well-formed for every input. Source: REQUIREMENTS P21, P28.

    <?xml version="1.0" encoding="UTF-8"?>
    <root>
    <Profile><identity>…</identity><profileIdentities><entry><key>…</key><value>…</value></entry>…</profileIdentities>…
    </root>

The style `typed` differs in its lists alone: JSON arrays, so that a comma within a value can't be mistaken.
"""

from collections.abc import Sequence

import polars as pl

from ctexport_dagster.core.columns import ColumnPlan, ColumnRole, OutputColumn
from ctexport_dagster.core.export import Format
from ctexport_dagster.core.formats.escapes import XML
from ctexport_dagster.core.formats.layout import Rows
from ctexport_dagster.core.formats.lists import joined, json_arrays
from ctexport_dagster.core.formats.records import Entry, Piece, RecordLayout
from ctexport_dagster.core.formats.row_group import RowGroup
from ctexport_dagster.core.formats.values import scalar_texts
from ctexport_dagster.core.schema import ValueType

SECTIONS: dict[str, tuple[ColumnRole, ...]] = {
    "profileIdentities": ("all_identities", "clevertapId", "clevertapIds"),
    "device": ("device",),
    "commPrefs": ("preference", "groups"),
    "profileProps": ("property",),
}
"""The elements (and Parquet columns) that gather the columns of some roles; one without columns isn't written."""


class XmlFormat:
    """One declared XML format."""

    slice_bytes = 16_000_000
    head = b'<?xml version="1.0" encoding="UTF-8"?>\n<root>\n'

    def __init__(self, declared: Format, plan: ColumnPlan) -> None:
        self._has_json_lists = declared.style == "typed"
        self._columns = plan.columns
        self._records = RecordLayout(self._profile(plan))
        self.extra_bytes = self._records.markup_bytes

    def rows(self, frame: pl.DataFrame) -> Rows:
        values = {column.key: self._value(column, frame[column.key]) for column in self._columns}
        return Rows(self._records.joined(values), frame.height)

    def tail(self, row_groups: Sequence[RowGroup]) -> bytes:
        return b"</root>\n"

    def _profile(self, plan: ColumnPlan) -> list[Piece]:
        pieces: list[Piece] = ["<Profile>"]
        pieces += [self._entry(column, "<identity>", "</identity>") for column in plan.of_role("identity")]
        for section, roles in SECTIONS.items():
            columns = plan.of_role(*roles)
            if columns:
                entries = [self._entry(column, _opening(column), "</value></entry>") for column in columns]
                pieces += [f"<{section}>", *entries, f"</{section}>"]
        return [*pieces, "</Profile>\n"]

    def _entry(self, column: OutputColumn, before: str, after: str) -> Entry:
        if self._is_bracketed(column):
            before, after = before + "[", "]" + after
        return Entry(before, column.key, after, is_boolean=column.type == ValueType.BOOLEAN)

    def _is_bracketed(self, column: OutputColumn) -> bool:
        return column.is_list and not self._has_json_lists

    def _value(self, column: OutputColumn, values: pl.Series) -> pl.Series:
        """The column's escaped texts, or Booleans; only `identity` has a text where it has none."""
        if column.is_list:
            texts = XML.column(json_arrays(values) if self._has_json_lists else joined(values))
        elif column.type == ValueType.STRING:
            texts = XML.column(values)
        elif column.type == ValueType.BOOLEAN:
            return values
        else:
            texts = scalar_texts(values, column.type)
        return texts.fill_null("") if column.role == "identity" else texts


def entry_key(column: OutputColumn) -> str:
    """The key under which a column's value stands in its section."""
    return "token" if column.role == "device" else column.header


def _opening(column: OutputColumn) -> str:
    return f"<entry><key>{XML.text(entry_key(column))}</key><value>"
