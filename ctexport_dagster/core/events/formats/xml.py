"""Events as XML, one `<Event>` a line, well-formed for every input. Source: REQUIREMENTS L10, P28.

    <Event><ts>…</ts><eventName>…</eventName><profile>…</profile><commPrefs>…</commPrefs><deviceInfo>…</deviceInfo>
    <eventProps><entry><key>…</key><value>…</value></entry>…</eventProps><sessionProps>…</sessionProps>
    <controlGroupName>…</controlGroupName></Event>

A key of `profile` and `deviceInfo` is an element of its own, as in the original; one that can't name an element is an
entry, as all keys of `eventProps`, `sessionProps` and `commPrefs` are. Lists and objects are JSON text, but in the
style `clevertap` several values of `identity` are `[a,b]`, and `all_identities` is `a,b`, as the sample shows. Missing
values have no element.
"""

import re
from collections.abc import Callable, Sequence
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from ctexport_dagster.core.columns import ColumnPlan, OutputColumn
from ctexport_dagster.core.events.formats.layout import ENTRY_COUNT, label, local_numbers, own_profile, split_records
from ctexport_dagster.core.events.json_spans import column_bytes
from ctexport_dagster.core.events.maps import MapEntries, read_map
from ctexport_dagster.core.events.text_views import texts_from
from ctexport_dagster.core.export import Format
from ctexport_dagster.core.formats.escapes import XML
from ctexport_dagster.core.formats.layout import Rows
from ctexport_dagster.core.formats.lists import bracketed, joined, json_arrays
from ctexport_dagster.core.formats.records import Entry, Piece, RecordLayout
from ctexport_dagster.core.formats.row_group import RowGroup
from ctexport_dagster.core.formats.values import TIMESTAMP_PATTERN, scalar_texts
from ctexport_dagster.core.schema import ValueType

_ELEMENT_NAME = re.compile(r"(?!xml|entry$)[A-Za-z_][A-Za-z0-9_.-]*", re.IGNORECASE)
_ENTRY_BYTES = 60
"""What an entry of a map takes beside its text: its markup, and its places while it is read."""
Markup = Callable[[str], tuple[str, str]]
"""A key → what stands before and after its value."""


class EventXml:
    """The declared XML format, for the files of any event."""

    slice_bytes = 8_000_000
    head = b'<?xml version="1.0" encoding="UTF-8"?>\n<root>\n'

    def __init__(self, declared: Format, plan: ColumnPlan, zone: ZoneInfo) -> None:
        self._zone = zone
        self._is_typed = declared.style == "typed"
        self._identifiers = plan.of_role("identity", "all_identities", "clevertapId")
        self._preferences = plan.of_role("preference", "groups")
        self._records = RecordLayout(self._pieces())
        self.extra_bytes = _ENTRY_BYTES * ENTRY_COUNT + self._records.markup_bytes

    def rows(self, frame: pl.DataFrame) -> Rows:
        return self.split(frame, [frame.height])[0]

    def split(self, frame: pl.DataFrame, row_counts: Sequence[int]) -> list[Rows]:
        height = frame.height
        values = {column.key: self._identifier(column, frame[column.key]) for column in self._identifiers}
        values |= {column.key: self._preference(column, frame[column.key]) for column in self._preferences}
        values["ts"] = self._ts(frame["ts"])
        values["eventName"] = XML.column(frame["eventName"])
        values["profile"] = marked_up(own_profile(frame["profile"]), element, height)
        values["deviceInfo"] = marked_up(read_map(frame["deviceInfo"]), element, height)
        values["eventProps"] = marked_up(read_map(frame["eventProps"]), entry, height)
        values["sessionProps"] = _blank_as_null(marked_up(read_map(frame["sessionProps"]), entry, height))
        values["controlGroupName"] = XML.column(frame["controlGroupName"])
        return split_records(self._records.records(values), row_counts)

    def tail(self, row_groups: Sequence[RowGroup]) -> bytes:
        return b"</root>\n"

    def _pieces(self) -> list[Piece]:
        pieces: list[Piece] = [
            Entry("<Event><ts>", "ts", "</ts>"),
            Entry("<eventName>", "eventName", "</eventName>"),
            "<profile>",
            *(_entry(column, element(label(column))) for column in self._identifiers),
            Entry("", "profile", "</profile>"),
        ]
        if self._preferences:
            entries = [_entry(column, entry(label(column))) for column in self._preferences]
            pieces += ["<commPrefs>", *entries, "</commPrefs>"]
        pieces.append(Entry("<deviceInfo>", "deviceInfo", "</deviceInfo>"))
        pieces.append(Entry("<eventProps>", "eventProps", "</eventProps>"))
        pieces.append(Entry("<sessionProps>", "sessionProps", "</sessionProps>"))
        pieces.append(Entry("<controlGroupName>", "controlGroupName", "</controlGroupName>"))
        return [*pieces, "</Event>\n"]

    def _ts(self, instants: pl.Series) -> pl.Series:
        if self._is_typed:
            return instants.dt.strftime(TIMESTAMP_PATTERN)
        return local_numbers(instants, self._zone).cast(pl.String)

    def _identifier(self, column: OutputColumn, values: pl.Series) -> pl.Series:
        if column.is_list and not self._is_typed:
            return XML.column(bracketed(values) if column.role == "identity" else joined(values))
        if column.is_list:
            return XML.column(json_arrays(values))
        return XML.column(values.fill_null("") if column.role == "identity" else values)

    def _preference(self, column: OutputColumn, values: pl.Series) -> pl.Series:
        if column.type == ValueType.BOOLEAN:
            return values
        texts = scalar_texts(values, column.type)
        return XML.column(texts) if column.type == ValueType.STRING else texts


def element(key: str) -> tuple[str, str]:
    """The markup of a key as an element, or as an entry where XML has no such name."""
    return (f"<{key}>", f"</{key}>") if _ELEMENT_NAME.fullmatch(key) else entry(key)


def entry(key: str) -> tuple[str, str]:
    """The markup of a key as an entry."""
    return f"<entry><key>{XML.text(key)}</key><value>", "</value></entry>"


def marked_up(found: MapEntries, markup: Markup, row_count: int) -> pl.Series:
    """The entries of each row as XML (String), in order; an empty text for none. Nulls have no element."""
    found = found.present
    if not len(found.rows):
        return pl.Series([""], dtype=pl.String).new_from_index(0, row_count)
    before, after = zip(*map(markup, found.names), strict=True)
    codes = pl.Series(found.codes)
    pieces = [pl.Series("before", before).gather(codes), XML.column(found.texts.series().alias("value"))]
    pieces.append(pl.Series("after", after).gather(codes))
    content, offsets = column_bytes(pl.DataFrame(pieces).select(pl.concat_str(pl.all())).to_series())
    return texts_from(content, offsets[np.searchsorted(found.rows, np.arange(row_count + 1))])


def _entry(column: OutputColumn, markup: tuple[str, str]) -> Entry:
    before, after = markup
    return Entry(before, column.key, after, is_boolean=column.type == ValueType.BOOLEAN)


def _blank_as_null(texts: pl.Series) -> pl.Series:
    return texts.to_frame("text").select(pl.when(pl.col("text") != "").then("text")).to_series()
