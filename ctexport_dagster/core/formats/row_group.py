"""Parquet row groups that can be put into any file: encoded by themselves, then placed where a file has got to.

pyarrow encodes one file on one thread, and knows how large a row group became only when it is in the file. So each
slice is encoded as a small file of its own, in any thread, and its row group is lifted out of it: the bytes stand as
they are, and in the footer's record of it every offset moves by as much as the row group moves.

Source: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from ctexport_dagster.core.formats.thrift import (
    I16,
    I64,
    LIST,
    STRUCT,
    Hole,
    Template,
    ThriftField,
    ThriftList,
    ThriftStruct,
    ThriftValue,
    decode_struct,
    encode_struct,
    template_of,
)

MAGIC = b"PAR1"

# Field ids in parquet.thrift.
_FILE_ROW_COUNT, _FILE_ROW_GROUPS = 3, 4
_GROUP_COLUMNS, _GROUP_OFFSET, _GROUP_ORDINAL = 1, 5, 7
_CHUNK_OFFSET, _CHUNK_META = 2, 3
_META_OFFSETS = (9, 10, 11)
"""The data page's, the index page's and the dictionary page's."""

_OFFSET_BYTES, _NUMBER_BYTES = 6, 3
"""What an offset below 2^41 takes at most, and a row group's number (16 bits)."""


@dataclass(frozen=True)
class RowGroup:
    """A row group as in a file of its own, which ends with `ending`.

    Its record stays encoded: as a tree it takes some hundred times as much, and a file has hundreds of row groups.
    """

    content_bytes: int
    row_count: int
    ending: bytes
    record: Template
    offsets: tuple[int, ...]
    """What stands in the record's holes but the last: offsets in the file; in the last, the row group's number."""

    @property
    def footer_bytes(self) -> int:
        """What its record takes in a footer, at most."""
        return len(self.record.encoded) + _OFFSET_BYTES * len(self.offsets) + _NUMBER_BYTES

    def placed(self, moved_by: int, number: int) -> bytes:
        """Its record in a file in which it stands that much later, as the group with this number."""
        return self.record.filled([*(offset + moved_by for offset in self.offsets), number])


def lifted(file: memoryview) -> tuple[memoryview, RowGroup]:
    """The content and the record of the one row group of a Parquet file without page indexes and bloom filters."""
    footer_start = len(file) - 8 - int.from_bytes(file[-8:-4], "little")
    content, ending = file[len(MAGIC) : footer_start], bytes(file[footer_start:])
    footer = decode_struct(ending[: -len(MAGIC) - 4])
    row_count = footer[_FILE_ROW_COUNT].value
    (record,) = _items(footer[_FILE_ROW_GROUPS].value)
    assert isinstance(row_count, int)
    assert isinstance(record, dict)
    offsets: list[int] = []
    template = template_of(_with_holes(record, offsets))
    return content, RowGroup(len(content), row_count, ending, template, tuple(offsets))


def footer_of(empty_file: memoryview, row_groups: Sequence[RowGroup]) -> bytes:
    """The end of a Parquet file that holds these row groups right after its magic bytes.

    `empty_file` is a whole file of the same schema without rows: the footer is its, with the row groups. A single one
    ends as it did in a file of its own.
    """
    if len(row_groups) == 1:
        return row_groups[0].ending
    footer = decode_struct(bytes(empty_file[len(MAGIC) : -8]))
    starts = itertools.accumulate((group.content_bytes for group in row_groups), initial=0)
    records = [
        group.placed(start, number) for number, (group, start) in enumerate(zip(row_groups, starts, strict=False))
    ]
    footer[_FILE_ROW_COUNT] = ThriftField(I64, sum(group.row_count for group in row_groups))
    footer[_FILE_ROW_GROUPS].value = ThriftList(STRUCT, list(records))
    encoded = encode_struct(footer)
    return encoded + len(encoded).to_bytes(4, "little") + MAGIC


def _with_holes(record: ThriftStruct, offsets: list[int]) -> ThriftStruct:
    """A row group's record with holes for its offsets, which are added to `offsets`, and for its number."""
    columns: list[ThriftValue] = []
    for chunk in _items(record[_GROUP_COLUMNS].value):
        assert isinstance(chunk, dict)
        meta = chunk[_CHUNK_META].value
        assert isinstance(meta, dict)
        outer = _open(chunk, (_CHUNK_OFFSET,), offsets)
        columns.append({**outer, _CHUNK_META: ThriftField(STRUCT, _open(meta, _META_OFFSETS, offsets))})
    opened = {**record, _GROUP_COLUMNS: ThriftField(LIST, ThriftList(STRUCT, columns))}
    return {**_open(opened, (_GROUP_OFFSET,), offsets), _GROUP_ORDINAL: ThriftField(I16, Hole(0))}


def _open(struct: ThriftStruct, fields: Sequence[int], offsets: list[int]) -> ThriftStruct:
    """The struct with holes for its offsets, but those of 0, which means that there is none."""
    opened = dict(struct)
    for number in fields:
        value = struct[number].value if number in struct else 0
        assert isinstance(value, int)
        if value:
            opened[number] = ThriftField(I64, Hole(value))
            offsets.append(value)
    return opened


def _items(value: ThriftValue) -> list[ThriftValue]:
    assert isinstance(value, ThriftList)
    return value.items
