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
from ctexport_dagster.core.formats.lists import bracketed, json_arrays
from ctexport_dagster.core.formats.records import Entry, Piece, joined_records, markup_bytes
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

    slice_bytes = 4_000_000
    head = b'<?xml version="1.0" encoding="UTF-8"?>\n<root>\n'

    def __init__(self, declared: Format, plan: ColumnPlan) -> None:
        self._style = declared.style
        self._columns = plan.columns
        self._pieces = _profile(plan)
        self.fixed_bytes = markup_bytes(self._pieces)

    def rows(self, frame: pl.DataFrame) -> Rows:
        texts = {column.key: self._text(column, frame[column.key]) for column in self._columns}
        return Rows(joined_records(texts, self._pieces), frame.height)

    def tail(self, row_groups: Sequence[RowGroup]) -> bytes:
        return b"</root>\n"

    def _text(self, column: OutputColumn, values: pl.Series) -> pl.Series:
        if column.is_list:
            texts = XML.column(bracketed(values) if self._style == "clevertap" else json_arrays(values))
        else:
            texts = scalar_texts(values, column.type)
            texts = XML.column(texts) if column.type == ValueType.STRING else texts
        return texts.fill_null("") if column.role == "identity" else texts


def entry_key(column: OutputColumn) -> str:
    """The key under which a column's value stands in its section."""
    return "token" if column.role == "device" else column.header


def _profile(plan: ColumnPlan) -> list[Piece]:
    pieces: list[Piece] = ["<Profile>"]
    pieces += [Entry("<identity>", column.key, "</identity>") for column in plan.of_role("identity")]
    for section, roles in SECTIONS.items():
        columns = plan.of_role(*roles)
        if columns:
            pieces += [f"<{section}>", *map(_entry, columns), f"</{section}>"]
    return [*pieces, "</Profile>\n"]


def _entry(column: OutputColumn) -> Entry:
    key = XML.text(entry_key(column))
    return Entry(f"<entry><key>{key}</key><value>", column.key, "</value></entry>")
