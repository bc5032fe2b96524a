"""Parquet: member unions as the samples show (style `clevertap`), or flat typed columns (style `typed`).

    clevertap   identity · profileIdentities · device · commPrefs · profileProps, of which those that have columns
    typed       one column per header with the value's own type; lists list<string>, device struct<token: string>,
                subscriptionGroups map<string, string>

A missing value is no map entry; a map without entries is empty, not null. Pages are compressed by zstd unless the
declaration says otherwise: a third smaller than snappy for a twentieth more time, and read by every engine that
consumers use. Source: REQUIREMENTS P11, P21, P30, P31.
"""

from collections.abc import Sequence
from typing import Literal

import polars as pl
import pyarrow as pa
from pyarrow import parquet

from ctexport_dagster.core.columns import ColumnPlan, OutputColumn
from ctexport_dagster.core.export import Format
from ctexport_dagster.core.formats.layout import Rows
from ctexport_dagster.core.formats.lists import bracketed, json_arrays
from ctexport_dagster.core.formats.member_unions import Slot, identity_maps, preference_maps, union_maps
from ctexport_dagster.core.formats.row_group import MAGIC, RowGroup, footer_of, lifted
from ctexport_dagster.core.formats.subscription_groups import group_maps
from ctexport_dagster.core.formats.values import scalar_texts
from ctexport_dagster.core.formats.xml import SECTIONS, entry_key
from ctexport_dagster.core.schema import ValueType

_COMPAT = pl.CompatLevel.oldest()
_VALUE_BYTES = {"clevertap": 32, "typed": 24}
"""What a value takes beside itself while its row group is built (members, keys, indexes; offsets, copies): with many
columns of short texts it is most of the memory."""

LeafColumns = Literal[True] | list[str]
"""Paths of leaf columns, or all."""


class ParquetFormat:
    """One declared Parquet format; each slice of rows becomes a row group."""

    slice_bytes = 12_000_000
    head = MAGIC

    def __init__(self, declared: Format, plan: ColumnPlan) -> None:
        self._codec = declared.compression or "zstd"
        self._is_typed = declared.style == "typed"
        self._table = typed_table if self._is_typed else union_table
        self._as_string = declared.as_string
        self._plan = plan
        self._empty_file = self._file(pl.DataFrame(schema=plan.frame_schema))
        self.extra_bytes = _VALUE_BYTES[declared.style] * len(plan.columns)

    def rows(self, frame: pl.DataFrame) -> Rows:
        content, row_group = lifted(self._file(frame))
        return Rows(content, frame.height, row_group)

    def tail(self, row_groups: Sequence[RowGroup]) -> bytes:
        return footer_of(self._empty_file, row_groups)

    def _file(self, frame: pl.DataFrame) -> memoryview:
        """The rows as a file by themselves.

        A dictionary pays for keys, which repeat, not for the mixed texts of a union; nobody asks for its statistics.
        """
        table = self._table(self._plan, frame, as_string=self._as_string)
        dictionaries = True if self._is_typed else [f"{section}.key_value.key" for section in SECTIONS]
        statistics = True if self._is_typed else ["identity"]
        return parquet_file(table, self._codec, dictionaries, statistics)


def parquet_file(table: pa.Table, codec: str, dictionaries: LeafColumns, statistics: LeafColumns) -> memoryview:
    """A Parquet file of one row group, or of none for a table without rows; which leaf columns get what."""
    sink = pa.BufferOutputStream()
    with parquet.ParquetWriter(
        sink,
        table.schema,
        compression=codec,
        use_dictionary=dictionaries,  # pyright: ignore[reportArgumentType]  (its stub knows bool alone)
        write_statistics=statistics,  # pyright: ignore[reportArgumentType]
        store_schema=False,
    ) as writer:
        if table.num_rows:
            writer.write_table(table, row_group_size=table.num_rows)
    return memoryview(sink.getvalue()).cast("B")


def union_table(plan: ColumnPlan, frame: pl.DataFrame, *, as_string: bool) -> pa.Table:
    """The columns of the style `clevertap`."""
    columns: dict[str, pa.Array] = {}
    for column in plan.of_role("identity"):
        values = frame[column.key]
        columns["identity"] = (json_arrays(values) if column.is_list else values).to_arrow(compat_level=_COMPAT)
    for section, roles in SECTIONS.items():
        chosen = plan.of_role(*roles)
        if not chosen:
            continue
        slots = [slot_of(column, frame[column.key], as_string=as_string) for column in chosen]
        match section:
            case "profileIdentities":
                columns[section] = identity_maps(slots)
            case "commPrefs":
                columns[section] = preference_maps(slots, groups_place(chosen))
            case _:
                columns[section] = union_maps(slots)
    return pa.table(columns)


def groups_place(columns: Sequence[OutputColumn]) -> int | None:
    """The place of the subscription groups among the columns; None without them."""
    return next((place for place, column in enumerate(columns) if column.role == "groups"), None)


def slot_of(column: OutputColumn, values: pl.Series, *, as_string: bool) -> Slot:
    """A column as an entry of its section's maps."""
    key = entry_key(column)
    if column.role == "clevertapIds":
        return Slot(key, values)
    if column.role == "all_identities":
        return Slot(key, bracketed(values))
    if column.is_list:
        return Slot(key, json_arrays(values))
    is_text = as_string or column.type in (ValueType.DATE, ValueType.TIMESTAMP, ValueType.UNKNOWN)
    return Slot(key, scalar_texts(values, column.type) if is_text else values)


def typed_table(plan: ColumnPlan, frame: pl.DataFrame, *, as_string: bool) -> pa.Table:
    """The columns of the style `typed`, by header."""
    return pa.table({c.header: typed_column(c, frame[c.key], as_string=as_string) for c in plan.columns})


def typed_column(column: OutputColumn, values: pl.Series, *, as_string: bool) -> pa.Array:
    """A column of the plan in its own type."""
    if column.role == "device":
        return pa.StructArray.from_arrays(
            [values.to_arrow(compat_level=_COMPAT)], names=["token"], mask=pa.array(values.is_null().to_numpy())
        )
    if column.role == "groups":
        return group_maps(values)
    is_text = not column.is_list and (as_string or column.type == ValueType.UNKNOWN)
    return (scalar_texts(values, column.type) if is_text else values).to_arrow(compat_level=_COMPAT)
