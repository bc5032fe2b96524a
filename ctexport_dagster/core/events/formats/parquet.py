"""Events as Parquet: the tables that consumers have built (style `clevertap`), or flat typed columns (style `typed`).

    clevertap   commPrefs · deviceInfo · eventName · eventProps · eventTime · identity · profile: the time as epoch
                seconds in text, the maps' values as core/events/unions.py has them
    typed       eventTime (timestamp) and the other flat columns of core/events/formats/flat.py, each key with the type
                that it has in the partition

The original's table has no place for `sessionProps` and `controlGroupName`: they stand among eventProps, as
`sessionProps.<key>` and `controlGroupName`. `dimensions` of a device stands under its own key as a map, and its fields
beside it as text, as readers take them. Source: REQUIREMENTS L11, L13; CONSUMERS.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import polars as pl
import pyarrow as pa

from ctexport_dagster.core.columns import ColumnPlan
from ctexport_dagster.core.events.dimensions import DIMENSIONS
from ctexport_dagster.core.events.formats.flat import FlatColumn, FlatEvents
from ctexport_dagster.core.events.formats.layout import ENTRY_COUNT, EventFile, own_profile
from ctexport_dagster.core.events.json_spans import Kind
from ctexport_dagster.core.events.maps import MapEntries, read_map, with_members
from ctexport_dagster.core.events.resolve import resolved_event_schema
from ctexport_dagster.core.events.text_views import TextViews, texts_from
from ctexport_dagster.core.events.types import KeyTypes
from ctexport_dagster.core.events.unions import device_unions, map_of, own_unions, property_unions, struct_of
from ctexport_dagster.core.export import Format
from ctexport_dagster.core.formats.escapes import JSON
from ctexport_dagster.core.formats.layout import Rows
from ctexport_dagster.core.formats.member_unions import Slot, preference_maps
from ctexport_dagster.core.formats.parquet import LeafColumns, groups_place, parquet_file, slot_of, typed_column
from ctexport_dagster.core.formats.row_group import MAGIC, RowGroup, footer_of, lifted
from ctexport_dagster.core.formats.values import scalar_texts
from ctexport_dagster.core.schema import STRINGS, ValueType

_COMPAT = pl.CompatLevel.oldest()
_SESSION = np.frombuffer(b"sessionProps.", np.uint8)
_MAPS = ("commPrefs", "deviceInfo", "eventProps", "identity", "profile")
_KEY_PATHS = [f"{name}.key_value.key" for name in _MAPS]
_REPEATED = [*_KEY_PATHS, "eventName", "eventProps.key_value.value.member6.list.element.member6.key_value.key"]
_ENTRY_BYTES = 24
"""What an entry of a map takes beside its text while it becomes a union (key, spans, members): with hundreds of short
values it is most of the memory."""
_NUMBER_TYPES = (pa.int32(), pa.int64(), pa.float32(), pa.float64())
_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True)
class UnionTable:
    """The style `clevertap`: one schema for all events."""

    plan: ColumnPlan
    as_string: bool

    extra_bytes: ClassVar[pl.Expr] = _ENTRY_BYTES * ENTRY_COUNT
    dictionaries: ClassVar[LeafColumns] = _REPEATED
    """Keys repeat; the mixed texts of a union don't pay for one."""
    statistics: ClassVar[LeafColumns] = ["eventName", "eventTime"]

    def of(self, frame: pl.DataFrame) -> pa.Table:
        """A resolved event frame as the table's columns."""
        height = frame.height
        device = _read_device(frame["deviceInfo"])
        props = _read_props(frame)
        own = own_profile(frame["profile"]).present
        columns = {
            "commPrefs": self._preferences(frame),
            "deviceInfo": map_of(device, device_unions(device.values, as_string=self.as_string), height),
            "eventName": frame["eventName"].to_arrow(compat_level=_COMPAT),
            "eventProps": map_of(props, property_unions(props.values, as_string=self.as_string), height),
            "eventTime": frame["ts"].dt.epoch("s").cast(pl.String).to_arrow(compat_level=_COMPAT),
            "identity": identity_maps(self.plan, frame),
            "profile": map_of(own, own_unions(own.values, as_string=self.as_string), height),
        }
        return pa.table(columns)

    def _preferences(self, frame: pl.DataFrame) -> pa.MapArray:
        chosen = self.plan.of_role("preference", "groups")
        slots = [slot_of(column, frame[column.key], as_string=self.as_string) for column in chosen]
        nothing = Slot("", pl.Series([None] * frame.height, dtype=pl.String))
        return preference_maps(slots or [nothing], groups_place(chosen))


@dataclass(frozen=True)
class TypedTable:
    """The style `typed`: the flat columns of one event, each in the type that `types` has for its key."""

    file: EventFile
    types: KeyTypes
    as_string: bool

    dictionaries: ClassVar[LeafColumns] = True
    statistics: ClassVar[LeafColumns] = True

    @property
    def plan(self) -> ColumnPlan:
        return self.file.plan

    @property
    def extra_bytes(self) -> int:
        return 24 * len(self._flat.columns)

    @cached_property
    def _flat(self) -> FlatEvents:
        return FlatEvents(self.file)

    def of(self, frame: pl.DataFrame) -> pa.Table:
        """A resolved event frame as the table's columns."""
        fields = [self._typed(*field) for field in zip(self._flat.columns, self._flat.fields(frame), strict=True)]
        return pa.Table.from_arrays(fields, names=[_typed_header(column) for column in self._flat.columns])

    def _typed(self, column: FlatColumn, values: pl.Series) -> pa.Array:
        if column.output:
            return typed_column(column.output, values, as_string=self.as_string)
        if column.header == "ts" and self.as_string:
            return scalar_texts(values, ValueType.TIMESTAMP).to_arrow(compat_level=_COMPAT)
        type_ = self.types.get(column.key, ValueType.STRING) if column.key and not self.as_string else ValueType.STRING
        if type_ == ValueType.BOOLEAN:
            values = values.replace_strict(_TRUTHS, default=None, return_dtype=pl.Boolean)
        elif type_ != ValueType.STRING:
            values = values.cast(type_.dtype)
        return values.to_arrow(compat_level=_COMPAT)


class EventParquet:
    """A Parquet format of events; each slice of rows becomes a row group."""

    slice_bytes = 9_000_000
    head = MAGIC

    def __init__(self, declared: Format, table: UnionTable | TypedTable) -> None:
        self._table = table
        self._codec = declared.compression or "zstd"
        self._empty_file = self._file(table.of(pl.DataFrame(schema=resolved_event_schema(table.plan))))
        self.extra_bytes = table.extra_bytes

    def rows(self, frame: pl.DataFrame) -> Rows:
        return self.split(frame, [frame.height])[0]

    def split(self, frame: pl.DataFrame, row_counts: Sequence[int]) -> list[Rows]:
        table = self._table.of(frame)
        starts = itertools.accumulate(row_counts, initial=0)
        return [self._rows(table.slice(start, count)) for start, count in zip(starts, row_counts, strict=False)]

    def tail(self, row_groups: Sequence[RowGroup]) -> bytes:
        return footer_of(self._empty_file, row_groups)

    def _rows(self, table: pa.Table) -> Rows:
        content, row_group = lifted(self._file(table))
        return Rows(content, table.num_rows, row_group)

    def _file(self, table: pa.Table) -> memoryview:
        return parquet_file(table, self._codec, self._table.dictionaries, self._table.statistics)


def identity_maps(plan: ColumnPlan, frame: pl.DataFrame) -> pa.MapArray:
    """Who an event is of: `identity`, `all_identities` and `clevertapId`, texts in member0, lists in member1."""
    columns = plan.of_role("identity", "all_identities", "clevertapId")
    present = np.stack([frame[column.key].is_not_null().to_numpy() for column in columns], axis=1)
    rows, slots = np.nonzero(present)
    picks = pl.Series(slots * frame.height + rows)
    nothing = pl.Series([None] * frame.height, dtype=pl.String)
    texts = pl.concat([nothing if c.is_list else frame[c.key].alias("") for c in columns]).gather(picks)
    lists = pl.concat([frame[c.key].alias("") if c.is_list else nothing.cast(STRINGS) for c in columns]).gather(picks)
    members = [texts.to_arrow(compat_level=_COMPAT), _identity_lists(lists)]
    members += [pa.nulls(len(rows), type_) for type_ in _NUMBER_TYPES]
    names = pa.array([column.header for column in columns], pa.string())
    offsets = np.concatenate([[0], np.cumsum(present.sum(axis=1))]).astype(np.int32)
    keys = pa.DictionaryArray.from_arrays(pa.array(slots.astype(np.int32)), names)
    return pa.MapArray.from_arrays(pa.array(offsets), keys, struct_of(members))


def _identity_lists(lists: pl.Series) -> pa.ListArray:
    texts = lists.drop_nulls().explode(empty_as_null=False).to_arrow(compat_level=_COMPAT)
    items = struct_of([texts, *(pa.nulls(len(texts), type_) for type_ in _NUMBER_TYPES)])
    sizes = lists.list.len().fill_null(0).to_numpy()
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), items, mask=pa.array(lists.is_null().to_numpy()))


def _read_device(texts: pl.Series) -> MapEntries:
    """The entries of the devices, and after them the fields of their `dimensions`, where no entry has that key."""
    found = read_map(texts).present
    (places,) = np.nonzero(found.named(DIMENSIONS) & (found.values.kinds == Kind.OBJECT))
    if not len(places):
        return found
    values = found.values
    inner = TextViews.of(values.content, values.starts[places] + 1, values.ends[places] - 1).series()
    led = inner.to_frame("i").select(pl.when(pl.col("i") != "").then(pl.concat_str(pl.lit(","), "i"))).to_series()
    spread = pl.Series([None], dtype=pl.String).new_from_index(0, len(texts))
    members = spread.scatter(found.rows[places], led)
    return read_map(with_members(texts, members)).present.first_of_each


def _read_props(frame: pl.DataFrame) -> MapEntries:
    """The entries of the events' properties, and of what else the table has no column for.

    A property whose name the latter take gets `eventProps.` before it, where an event has both.
    """
    objects, session, group = frame["eventProps"], frame["sessionProps"], frame["controlGroupName"]
    if session.null_count() == group.null_count() == frame.height:
        return read_map(objects).present
    if session.null_count() < frame.height:
        objects = with_members(objects, _session_members(session))
    if group.null_count() < frame.height:
        named = pl.concat_str(pl.lit(',"controlGroupName":"'), pl.col(group.name), pl.lit('"'))
        objects = with_members(objects, JSON.column(group).to_frame().select(named).to_series())
    return read_map(objects).present.told_apart("eventProps.")


def _session_members(session: pl.Series) -> pl.Series:
    """`,"sessionProps.key":value` of every entry."""
    found = read_map(session)
    content, offsets = found.entries.joined()
    places = np.repeat(offsets[:-1] + 2, len(_SESSION))
    prefixed = np.insert(content, places, np.tile(_SESSION, len(found.rows)))
    starts = offsets + np.arange(len(offsets)) * len(_SESSION)
    prefixed[starts[:-1]] = ord(",")
    return texts_from(prefixed, starts[np.searchsorted(found.rows, np.arange(len(session) + 1))])


def _typed_header(column: FlatColumn) -> str:
    return "eventTime" if column.header == "ts" else column.header
