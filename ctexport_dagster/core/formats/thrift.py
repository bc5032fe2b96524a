"""Thrift's compact protocol, as far as a Parquet footer needs it: bytes to a tree of fields, and back.

Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)


@dataclass
class ThriftList:
    """A list: the type of its elements, and those."""

    element: int
    items: list["ThriftValue"]


@dataclass
class ThriftField:
    """One field of a struct: its wire type and its value."""

    type: int
    value: "ThriftValue"


ThriftStruct = dict[int, ThriftField]
"""Field id → field, in ascending order of ids."""

ThriftValue: TypeAlias = "bool | int | bytes | ThriftList | ThriftStruct"


class Hole(int):
    """An integer whose place a template leaves open."""


@dataclass(frozen=True)
class Template:
    """An encoded struct without the integers of its holes, and where in it they go."""

    encoded: bytes
    places: tuple[int, ...]

    def filled(self, values: Sequence[int]) -> bytes:
        """The struct with these integers in its holes, in order."""
        out = bytearray()
        start = 0
        for place, value in zip(self.places, values, strict=True):
            out += self.encoded[start:place]
            _write_varint(out, _zigzagged(value))
            start = place
        return bytes(out + self.encoded[start:])


def decode_struct(data: bytes) -> ThriftStruct:
    """The struct that `data` begins with.

    Raises:
        ValueError: a type that Parquet footers don't have.
    """
    return _Decoder(data).struct()


def encode_struct(struct: ThriftStruct) -> bytes:
    """The struct's bytes; what `decode_struct` read comes out the same."""
    out = _Output()
    _write_struct(out, struct)
    return bytes(out)


def template_of(struct: ThriftStruct) -> Template:
    """The struct with its holes open."""
    out = _Output(holes=[])
    _write_struct(out, struct)
    return Template(bytes(out), tuple(out.holes or ()))


class _Output(bytearray):
    """What is encoded; with `holes`, where the integers of those would stand."""

    def __init__(self, holes: list[int] | None = None) -> None:
        super().__init__()
        self.holes = holes


class _Decoder:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def struct(self) -> ThriftStruct:
        fields: ThriftStruct = {}
        number = 0
        while head := self._byte():
            kind, delta = head & 0x0F, head >> 4
            number = number + delta if delta else self._zigzag()
            fields[number] = ThriftField(kind, self._value(kind))
        return fields

    def _value(self, kind: int) -> ThriftValue:
        match kind:
            case 1 | 2:
                return kind == TRUE
            case 3:
                return self._byte()
            case 4 | 5 | 6:
                return self._zigzag()
            case 7:
                return self._take(8)
            case 8:
                return self._take(self._varint())
            case 9 | 10:
                return self._list()
            case 12:
                return self.struct()
            case _:
                raise ValueError(f"a Parquet footer has no Thrift type {kind}")

    def _list(self) -> ThriftList:
        head = self._byte()
        count, element = head >> 4, head & 0x0F
        if count == 0x0F:
            count = self._varint()
        if element in (TRUE, FALSE):
            return ThriftList(element, [self._byte() for _ in range(count)])
        return ThriftList(element, [self._value(element) for _ in range(count)])

    def _byte(self) -> int:
        self._at += 1
        return self._data[self._at - 1]

    def _take(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at]

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def _zigzag(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)


def _write_struct(out: _Output, struct: ThriftStruct) -> None:
    last = 0
    for number, field in struct.items():
        delta = number - last
        if 0 < delta < 16:
            out.append(delta << 4 | field.type)
        else:
            out.append(field.type)
            _write_varint(out, _zigzagged(number))
        if field.type not in (TRUE, FALSE):
            _write_value(out, field.type, field.value)
        last = number
    out.append(0)


def _write_value(out: _Output, kind: int, value: ThriftValue) -> None:
    match value:
        case dict():
            _write_struct(out, value)
        case ThriftList():
            _write_list(out, value)
        case bytes():
            if kind == BINARY:
                _write_varint(out, len(value))
            out += value
        case Hole() if out.holes is not None:
            out.holes.append(len(out))
        case int() if kind in (I16, I32, I64):
            _write_varint(out, _zigzagged(value))
        case _:
            out.append(value)


def _write_list(out: _Output, items: ThriftList) -> None:
    count = len(items.items)
    if count < 0x0F:
        out.append(count << 4 | items.element)
    else:
        out.append(0xF0 | items.element)
        _write_varint(out, count)
    for item in items.items:
        _write_value(out, items.element, item)


def _write_varint(out: bytearray, value: int) -> None:
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _zigzagged(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1
