"""Events as NDJSON: the event's name on the first line, then one object a line. Source: REQUIREMENTS L8, L13.

    Charged
    {"profile":{"identity":"…","all_identities":[…],"objectId":"…",…},"ts":20171109000015,"eventProps":{…},
     "deviceInfo":{…},"sessionProps":{…},"controlGroupName":"…","commPrefs":{…}}

Of a line, what comes after `eventProps` stands there when it is present. The maps are passed on as the source gave
them: key order, nesting and every digit. The style `typed` has an ISO timestamp; `header_line: false` is pure NDJSON.
"""

from collections.abc import Sequence
from copy import copy
from zoneinfo import ZoneInfo

import polars as pl

from ctexport_dagster.core.columns import ColumnPlan, OutputColumn
from ctexport_dagster.core.events.format import EventFormat
from ctexport_dagster.core.events.formats.layout import label, local_numbers, own_profile, split_records
from ctexport_dagster.core.events.header import header_line
from ctexport_dagster.core.events.json_spans import column_bytes, scalar_spans
from ctexport_dagster.core.events.maps import as_strings, spliced_texts
from ctexport_dagster.core.formats.escapes import JSON
from ctexport_dagster.core.formats.layout import Rows
from ctexport_dagster.core.formats.lists import json_arrays
from ctexport_dagster.core.formats.records import Entry, Piece, RecordLayout
from ctexport_dagster.core.formats.row_group import RowGroup
from ctexport_dagster.core.formats.values import TIMESTAMP_PATTERN, is_bare_in_json, scalar_texts
from ctexport_dagster.core.schema import ValueType

_AFTER_PROPS = ("deviceInfo", "sessionProps")


class EventJson:
    """The declared JSON format: for pure NDJSON, or, `headed`, for the files of one event."""

    slice_bytes = 8_000_000

    head = b""

    def __init__(self, declared: EventFormat, plan: ColumnPlan, zone: ZoneInfo) -> None:
        self._declared = declared
        self._zone = zone
        self._as_string = declared.as_string
        self._is_typed = declared.style == "typed"
        self._identifiers = plan.of_role("identity", "all_identities", "clevertapId")
        self._preferences = plan.of_role("preference", "groups")
        self._records = RecordLayout(self._pieces())
        self.extra_bytes = self._records.markup_bytes

    def headed(self, event: str) -> "EventJson":
        """The format of one event's files: its name stands first, unless the declaration says otherwise."""
        headed = copy(self)
        headed.head = header_line(event) if self._declared.header_line else b""
        return headed

    def rows(self, frame: pl.DataFrame) -> Rows:
        return self.split(frame, [frame.height])[0]

    def split(self, frame: pl.DataFrame, row_counts: Sequence[int]) -> list[Rows]:
        values = {column.key: _identifier(column, frame[column.key]) for column in self._identifiers}
        values["profile"] = spliced_texts(own_profile(self._strings(frame["profile"])), frame.height)
        values["ts"] = self._ts(frame["ts"])
        values["eventProps"] = self._strings(frame["eventProps"].fill_null("{}"))
        values |= {name: self._strings(frame[name]) for name in _AFTER_PROPS}
        values["controlGroupName"] = JSON.column(frame["controlGroupName"])
        if self._preferences:
            values["commPrefs"] = self._preference_objects(frame)
        return split_records(self._records.records(values), row_counts)

    def tail(self, row_groups: Sequence[RowGroup]) -> bytes:
        return b""

    def _pieces(self) -> list[Piece]:
        quote = '"' if self._as_string or self._is_typed else ""
        leads = ['{"profile":{', *"," * (len(self._identifiers) - 1)]
        pieces: list[Piece] = [
            _quoted_entry(f'{lead}"{JSON.text(label(column))}":', column)
            for lead, column in zip(leads, self._identifiers, strict=True)
        ]
        pieces += [Entry("", "profile", ""), Entry(f'}},"ts":{quote}', "ts", quote)]
        pieces += [Entry(f',"{name}":', name, "") for name in ("eventProps", *_AFTER_PROPS)]
        pieces.append(Entry(',"controlGroupName":"', "controlGroupName", '"'))
        if self._preferences:
            pieces.append(Entry(',"commPrefs":', "commPrefs", ""))
        return [*pieces, "}\n"]

    def _ts(self, instants: pl.Series) -> pl.Series:
        if self._is_typed:
            return instants.dt.strftime(TIMESTAMP_PATTERN)
        return local_numbers(instants, self._zone).cast(pl.String)

    def _strings(self, texts: pl.Series) -> pl.Series:
        """The JSON texts, every number and boolean in them as a string where the format wants that."""
        if not self._as_string:
            return texts
        content, offsets = column_bytes(texts)
        written = as_strings(content, offsets, *scalar_spans(content))
        return (
            written.zip_with(texts.is_not_null(), pl.Series([None], dtype=pl.String)) if texts.has_nulls() else written
        )

    def _preference_objects(self, frame: pl.DataFrame) -> pl.Series:
        """The communication preferences of each row as a JSON object; null for none."""
        members = [self._preference(column, frame[column.key]) for column in self._preferences]
        joined = pl.concat_str(pl.all(), ignore_nulls=True)
        objects = pl.concat_str(pl.lit("{"), joined.str.slice(1), pl.lit("}"))
        return pl.DataFrame(members).select(pl.when(joined != "").then(objects)).to_series()

    def _preference(self, column: OutputColumn, values: pl.Series) -> pl.Series:
        """`,"key":value` of each row; null for null."""
        is_bare = column.role == "groups" or (is_bare_in_json(column.type) and not self._as_string)
        quote = "" if is_bare else '"'
        texts = scalar_texts(values, column.type)
        texts = JSON.column(texts) if column.type == ValueType.STRING and column.role != "groups" else texts
        member = pl.concat_str(pl.lit(f',"{JSON.text(label(column))}":{quote}'), pl.col(texts.name), pl.lit(quote))
        return texts.to_frame().select(member.alias(column.key)).to_series()


def _identifier(column: OutputColumn, values: pl.Series) -> pl.Series:
    if column.is_list:
        return json_arrays(values).fill_null("[]")
    return JSON.column(values.fill_null("") if column.role == "identity" else values)


def _quoted_entry(before: str, column: OutputColumn) -> Entry:
    quote = "" if column.is_list else '"'
    return Entry(before + quote, column.key, quote)
