"""What the values of NDJSON files are, merged over all rows: scalars, lists and objects, 32 levels deep.

Whole numbers are Int64, beyond 64 bits Int128, beyond the 38 digits of a decimal text; fractions are the nearest
Float64, as every JSON reader takes them. A fraction with more digits than a Float64 can tell apart (18 and more), or
beyond its range, stays the text that it is: nothing is rounded silently.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl
import pyarrow as pa

from ctexport_dagster.core.normalise.values import EXACT_INTEGERS

Kind = Literal["boolean", "integer", "long", "wide", "float", "string", "list", "object"]
"""What a value is; `long` integers no Float64 holds exactly, `wide` ones need more than 64 bits."""

FLOAT_DIGITS = 17
"""So many significant digits name a Float64 uniquely; more of them may say what none can hold."""
_INT64 = 2**63
_WIDEST = 10**38
"""Tables keep 128-bit integers as decimals, of 38 digits: those with 39 would be refused."""
_MOST_LEVELS = 32
"""Polars takes several times as long with every few levels more: at 110 of them, minutes for one row."""
_MOST_KEYS = 1_000
"""An object with more keys than these is a map by any name; its values become JSON text."""


class Literally(str):
    """A number as it is written, which no number type holds."""

    __slots__ = ()


def read_float(literal: str) -> float | Literally:
    """A fraction of a JSON text; for `json.loads(parse_float=…)`."""
    digits = literal.partition("e")[0].partition("E")[0].replace(".", "").lstrip("-0")
    value = float(literal)
    is_exact = len(digits) <= FLOAT_DIGITS and value not in (float("inf"), float("-inf"))
    return value if is_exact else Literally(literal)


@dataclass
class Shape:
    """The values seen in one place: how many of each kind, and what lies within."""

    counts: dict[Kind, int] = field(default_factory=dict)
    fields: "dict[str, Shape]" = field(default_factory=dict)
    inner: "Shape | None" = None

    def see(self, value: object) -> None:
        """Takes in one more value."""
        if value is None:
            return
        kind = kind_of(value)
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if isinstance(value, dict) and len(self.fields) <= _MOST_KEYS:
            for name, item in value.items():
                self.fields.setdefault(name, Shape()).see(item)
        elif isinstance(value, list):
            self.inner = self.inner or Shape()
            for item in value:
                self.inner.see(item)

    @property
    def types(self) -> "list[tuple[tuple[Kind, ...], pl.DataType]]":
        """The types that hold the values, each with its kinds, by how many values they have; none for nulls alone."""
        held = [(kinds, self._dtype(kinds)) for kinds in _together(set(self.counts))]
        ranked = sorted(held, key=lambda pair: -sum(self.counts[kind] for kind in pair[0]))
        return [(kinds, dtype) for kinds, dtype in ranked if dtype != pl.Null()]

    @property
    def dtype(self) -> pl.DataType:
        """The one type that holds all values: text where they have several, Null where there are none."""
        types = self.types
        return pl.Null() if not types else types[0][1] if len(types) == 1 else pl.String()

    def arrow_type(self, *, with_empty: bool) -> pa.DataType | None:
        """As which type Arrow reads the commonest values as they are; None where it can't.

        `with_empty`: with the keys within objects that never have a value, as text; Arrow's own nulls break in lists.
        """
        types = self.types
        if not types:
            return None if self.counts else pa.null()
        kinds, dtype = types[0]
        match dtype:
            case pl.List():
                inner = self.inner.nested_arrow_type(with_empty=with_empty) if self.inner else None
                return pa.list_(inner) if inner else None
            case pl.Struct():
                return self._arrow_struct(with_empty=with_empty)
            case _:
                return None if "wide" in kinds else _ARROW.get(kinds[0])

    def nested_arrow_type(self, *, with_empty: bool) -> pa.DataType | None:
        """The same of a value within another one, which has no variants; text where there is none at all."""
        if not self.counts:
            return pa.string()
        return self.arrow_type(with_empty=with_empty) if len(self.types) == 1 else None

    def _arrow_struct(self, *, with_empty: bool) -> pa.DataType | None:
        named = {name: shape for name, shape in self.fields.items() if with_empty or shape.types}
        parts = [(name, shape.nested_arrow_type(with_empty=with_empty)) for name, shape in named.items()]
        return None if any(kind is None for _, kind in parts) else pa.struct(parts)

    def _dtype(self, kinds: tuple[Kind, ...]) -> pl.DataType:
        match kinds[-1]:
            case "list":
                return pl.List(self.inner.dtype if self.inner else pl.Null())
            case "object":
                return self._struct()
            case kind:
                return _SCALARS[kind]

    def _struct(self) -> pl.DataType:
        """Keys that never have a value are left out; too many keys are no struct."""
        if len(self.fields) > _MOST_KEYS:
            return pl.String()
        named = {name: shape.dtype for name, shape in self.fields.items()}
        valued = {name: dtype for name, dtype in named.items() if dtype != pl.Null()}
        return pl.Struct(valued) if valued else pl.Null()


_SCALARS: Mapping[Kind, pl.DataType] = {
    "boolean": pl.Boolean(),
    "integer": pl.Int64(),
    "long": pl.Int64(),
    "wide": pl.Int128(),
    "float": pl.Float64(),
    "string": pl.String(),
}
_ARROW: Mapping[Kind, pa.DataType] = {
    "boolean": pa.bool_(),
    "integer": pa.int64(),
    "long": pa.int64(),
    "float": pa.float64(),
    "string": pa.string(),
}
_INTEGERS: tuple[Kind, ...] = ("integer", "long", "wide")


def kind_of(value: object) -> Kind:
    """The kind of a value that isn't null."""
    match value:
        case bool():
            return "boolean"
        case int():
            size = abs(value)
            if size <= EXACT_INTEGERS:
                return "integer"
            return "long" if -_INT64 <= value < _INT64 else "wide" if size < _WIDEST else "string"
        case float():
            return "float"
        case list():
            return "list"
        case dict():
            return "object"
        case _:
            return "string"


def is_too_deep(row: dict[str, object], text: bytes) -> bool:
    """Whether objects and lists lie within one another, the row itself included, deeper than any shape goes."""
    return text.count(b"{") + text.count(b"[") > _MOST_LEVELS and _is_deeper(row, _MOST_LEVELS)


def _is_deeper(value: object, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    items = value.values() if isinstance(value, dict) else value
    return not levels or any(_is_deeper(item, levels - 1) for item in items)


def fitted(value: object, dtype: pl.DataType) -> object:
    """A value as one of a type that holds it; of the text type, what is no text becomes its JSON.

    An object without any value beside values of other types is null.
    """
    is_empty_object = isinstance(value, dict) and dtype not in (pl.Struct, pl.String)
    if value is None or is_empty_object:
        return None
    match dtype:
        case pl.String():
            return value if isinstance(value, str) else json_text(value)
        case pl.Float64():
            return float(value)  # pyright: ignore[reportArgumentType]  (the shape says that it is a number)
        case pl.List():
            assert isinstance(value, list)
            return [fitted(item, dtype.inner) for item in value]  # pyright: ignore[reportArgumentType]
        case pl.Struct():
            assert isinstance(value, dict)
            return {part.name: fitted(value.get(part.name), part.dtype) for part in dtype.fields}  # pyright: ignore[reportArgumentType]
        case _:
            return value


def json_text(value: object) -> str:
    """A value as JSON, numbers digit by digit as they were written."""
    match value:
        case Literally():
            return str(value)
        case dict():
            return "{" + ",".join(f"{json_text(str(name))}:{json_text(item)}" for name, item in value.items()) + "}"
        case list():
            return "[" + ",".join(json_text(item) for item in value) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def _together(kinds: set[Kind]) -> list[tuple[Kind, ...]]:
    """The kinds by the types that hold them; integers beyond 2^53 and fractions need two."""
    integers: tuple[Kind, ...] = tuple(kind for kind in _INTEGERS if kind in kinds)
    numbers: list[tuple[Kind, ...]] = [integers] if integers else []
    if "float" in kinds:
        fractions: tuple[Kind, ...] = ("integer", "float") if integers == ("integer",) else ("float",)
        numbers = [fractions] if integers in ((), ("integer",)) else [*numbers, fractions]
    others: list[tuple[Kind, ...]] = [("boolean",), ("string",), ("list",), ("object",)]
    return [*numbers, *(other for other in others if other[0] in kinds)]
