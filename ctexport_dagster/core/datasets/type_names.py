"""The names of a table's types, for people and readers: `list<struct<id: int64, "full name": decimal(9,2)>>`.

    boolean · int8 … int128 · uint8 … uint128 · float16 · float32 · float64 · decimal(12,2) · string · binary · date
    time · timestamp(us) · timestamp(us, Asia/Kolkata) · duration(us) · null · list<…> · struct<…> · map<…, …>

Types that files write alike have one name: a list and an array of fixed length, a text and a category.
"""

import json
import re
from collections import deque
from collections.abc import Iterator
from typing import Literal, get_args

import polars as pl

from ctexport_dagster.core.datasets.formats.texts import is_text
from ctexport_dagster.core.nested_values import instance

_SCALARS: dict[str, pl.DataType] = {
    type(dtype).__name__.lower(): dtype
    for dtype in (
        *(pl.Boolean(), pl.String(), pl.Binary(), pl.Date(), pl.Time(), pl.Null()),
        *(pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64(), pl.Int128()),
        *(pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64(), pl.UInt128()),
        *(pl.Float16(), pl.Float32(), pl.Float64()),
    )
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\([^)]*\)|[<>:,]|\w+')
_Unit = Literal["ms", "us", "ns"]
_UNITS: dict[str, _Unit] = {unit: unit for unit in get_args(_Unit)}


def type_name(dtype: pl.DataType) -> str:
    """A type's name."""
    match dtype:
        case pl.Decimal():
            return f"decimal({dtype.precision},{dtype.scale})"
        case pl.Datetime():
            return f"timestamp({dtype.time_unit}{f', {dtype.time_zone}' if dtype.time_zone else ''})"
        case pl.Duration():
            return f"duration({dtype.time_unit})"
        case pl.List() | pl.Array():
            return f"list<{type_name(instance(dtype.inner))}>"
        case pl.Struct():
            fields = (f"{_field_name(field.name)}: {type_name(instance(field.dtype))}" for field in dtype.fields)
            return f"struct<{', '.join(fields)}>"
        case pl.Map():
            return f"map<{type_name(instance(dtype.key))}, {type_name(instance(dtype.value))}>"
        case _:
            return "string" if is_text(dtype) else type(dtype).__name__.lower()


def type_named(name: str) -> pl.DataType:
    """The type of a name that `type_name` gave.

    Raises:
        ValueError: the text is no such name.
    """
    tokens = deque(_TOKEN.findall(name))
    try:
        dtype = _type(tokens)
    except (KeyError, IndexError, ValueError, TypeError):
        raise ValueError(f"a type {name!r} that no table has") from None
    if tokens:
        raise ValueError(f"a type {name!r} that no table has")
    return dtype


def _field_name(name: str) -> str:
    return name if _NAME.fullmatch(name) else json.dumps(name, ensure_ascii=False)


def _type(tokens: deque[str]) -> pl.DataType:
    match word := tokens.popleft():
        case "decimal":
            precision, scale = _arguments(tokens)
            return pl.Decimal(int(precision), int(scale))
        case "timestamp":
            unit, *zone = _arguments(tokens)
            return pl.Datetime(_UNITS[unit], *zone)
        case "duration":
            return pl.Duration(_UNITS[_arguments(tokens)[0]])
        case "list" | "map":
            inner = [_type(tokens) for _ in _items(tokens)]
            return pl.List(*inner) if word == "list" else pl.Map(*inner)
        case "struct":
            return pl.Struct([_field(tokens) for _ in _items(tokens)])
        case _:
            return _SCALARS[word]


def _arguments(tokens: deque[str]) -> list[str]:
    """What stands in round brackets: one token."""
    return [argument.strip() for argument in tokens.popleft()[1:-1].split(",")]


def _items(tokens: deque[str]) -> Iterator[None]:
    """Once for each item in angle brackets, which the caller reads."""
    mark = tokens.popleft()
    if tokens[0] == ">":
        mark = tokens.popleft()
    while mark != ">":
        yield
        mark = tokens.popleft()


def _field(tokens: deque[str]) -> pl.Field:
    name = tokens.popleft()
    tokens.popleft()
    return pl.Field(json.loads(name) if name.startswith('"') else name, _type(tokens))
