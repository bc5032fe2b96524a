"""Parquet row groups that can be put into any file: encoded by themselves, then placed where a file has got to.

pyarrow encodes one file on one thread, and knows how large a row group became only when it is in the file. So each
slice is encoded as a small file of its own, in any thread, and its row group is lifted out of it: the bytes stand as
they are, and in the footer's record of it every offset moves by as much as the row group moves.

Source: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ctexport_dagster.core.formats.thrift import (
    I16,
    I64,
    LIST,
    STRUCT,
    ThriftField,
    ThriftList,
    ThriftStruct,
    ThriftValue,
    decode_struct,
    encode_struct,
)

MAGIC = b"PAR1"

# Field ids in parquet.thrift.
_FILE_ROW_COUNT, _FILE_ROW_GROUPS = 3, 4
_GROUP_COLUMNS, _GROUP_OFFSET, _GROUP_ORDINAL = 1, 5, 7
_CHUNK_OFFSET, _CHUNK_META = 2, 3
_META_OFFSETS = (9, 10, 11)
"""The data page's, the index page's and the dictionary page's."""

_OFFSET_GROWTH = 5
"""An offset below 2^41 takes 6 bytes at most, and 1 where it is 0."""


@dataclass(frozen=True)
class RowGroup:
    """A row group as in a file of its own, read when it is asked for: `ending` is what that file ends with."""

    content_bytes: int
    ending: bytes

    @cached_property
    def record(self) -> ThriftStruct:
        """The footer's record of it."""
        (record,) = _items(self._footer[_FILE_ROW_GROUPS].value)
        assert isinstance(record, dict)
        return record

    @cached_property
    def row_count(self) -> int:
        row_count = self._footer[_FILE_ROW_COUNT].value
        assert isinstance(row_count, int)
        return row_count

    @cached_property
    def footer_bytes(self) -> int:
        """What it takes in a footer, at most."""
        columns = _items(self.record[_GROUP_COLUMNS].value)
        return len(encode_struct(self.record)) + _OFFSET_GROWTH * (2 + 4 * len(columns))

    @cached_property
    def _footer(self) -> ThriftStruct:
        return decode_struct(self.ending[: -len(MAGIC) - 4])


def lifted(file: memoryview) -> tuple[memoryview, RowGroup]:
    """The content and the record of the one row group of a Parquet file without page indexes and bloom filters."""
    footer_start = len(file) - 8 - int.from_bytes(file[-8:-4], "little")
    content = file[len(MAGIC) : footer_start]
    return content, RowGroup(len(content), bytes(file[footer_start:]))


def footer_of(empty_file: memoryview, row_groups: Sequence[RowGroup]) -> bytes:
    """The end of a Parquet file that holds these row groups right after its magic bytes.

    `empty_file` is a whole file of the same schema without rows: the footer is its, with the row groups. A single one
    ends as it did in a file of its own.
    """
    if len(row_groups) == 1:
        return row_groups[0].ending
    footer = decode_struct(bytes(empty_file[len(MAGIC) : -8]))
    records: list[ThriftValue] = []
    offset = 0
    for ordinal, group in enumerate(row_groups):
        record = _moved(group.record, offset)
        if _GROUP_ORDINAL in record:
            record[_GROUP_ORDINAL] = ThriftField(I16, ordinal)
        records.append(record)
        offset += group.content_bytes
    footer[_FILE_ROW_COUNT] = ThriftField(I64, sum(group.row_count for group in row_groups))
    footer[_FILE_ROW_GROUPS].value = ThriftList(STRUCT, records)
    encoded = encode_struct(footer)
    return encoded + len(encoded).to_bytes(4, "little") + MAGIC


def _moved(record: ThriftStruct, by: int) -> ThriftStruct:
    """A row group's record with every offset moved; the rest is shared with the one given."""
    columns: list[ThriftValue] = []
    for chunk in _items(record[_GROUP_COLUMNS].value):
        assert isinstance(chunk, dict)
        meta = chunk[_CHUNK_META].value
        assert isinstance(meta, dict)
        moved_meta = ThriftField(STRUCT, _with_moved(meta, _META_OFFSETS, by))
        columns.append({**_with_moved(chunk, (_CHUNK_OFFSET,), by), _CHUNK_META: moved_meta})
    moved = _with_moved(record, (_GROUP_OFFSET,), by)
    return {**moved, _GROUP_COLUMNS: ThriftField(LIST, ThriftList(STRUCT, columns))}


def _with_moved(struct: ThriftStruct, fields: Sequence[int], by: int) -> ThriftStruct:
    """The struct with its offsets moved, but those of 0, which means that there is none."""
    moved = dict(struct)
    for number in fields:
        value = struct[number].value if number in struct else 0
        assert isinstance(value, int)
        if value:
            moved[number] = ThriftField(I64, value + by)
    return moved


def _items(value: ThriftValue) -> list[ThriftValue]:
    assert isinstance(value, ThriftList)
    return value.items
