"""The types of a table's columns over its partitions: what a type gives way to so that no value is lost.

    whole numbers      to wider ones, to decimals with as many digits, to floats that hold them exactly
    floats             to wider ones
    decimals           to those with digits enough for both, up to 38
    instants           of one zone kind: milliseconds to microseconds; nanoseconds give way to nothing
    lists, structs     by what they hold; a struct gains the fields that are new, at its end
    a column of nulls  to anything

Whole numbers of 64 bits give way to float64 only while each of them has a float64 of its own (normalise.py knows of
columns that hold others). Where neither of two kinds holds the other's values, as with unsigned and negative numbers,
or floats and decimals, the known one stays and takes what fits: casting.py looks at each value.
"""

from collections.abc import Callable, Iterable
from typing import Literal

import polars as pl

from ctexport_dagster.core.nested_values import instance

NO_TYPE = pl.Null()
_UNITS = ("ms", "us")
_DIGITS = {8: 3, 16: 5, 32: 10, 64: 20, 128: 39}
_MOST_DIGITS = 38
_SINGLE_BITS = 16
_DOUBLE_BITS = 32
_FLOATS: tuple[pl.DataType, ...] = (pl.Float16(), pl.Float32(), pl.Float64())


def widened(known: pl.DataType, seen: pl.DataType) -> pl.DataType | None:
    """The type of a column that was of one type and has values of another; None where they contradict each other."""
    if known == seen or seen == NO_TYPE:
        return known
    if known == NO_TYPE:
        return seen
    if known == pl.String() and isinstance(seen, (pl.Categorical, pl.Enum)):
        return known
    if known.is_numeric() and seen.is_numeric():
        return _number(known, seen)
    if isinstance(known, (pl.List, pl.Array)) and isinstance(seen, (pl.List, pl.Array)):
        return _list(known, seen)
    if isinstance(known, pl.Struct) and isinstance(seen, pl.Struct):
        return _struct(known, seen)
    if isinstance(known, pl.Map) and isinstance(seen, pl.Map):
        value = widened(instance(known.value), instance(seen.value))
        return pl.Map(known.key, value) if value is not None and known.key == seen.key else None
    if isinstance(known, pl.Datetime) and isinstance(seen, pl.Datetime):
        same_kind = (known.time_zone is None) == (seen.time_zone is None)
        return pl.Datetime(_unit(known, seen), known.time_zone) if same_kind else None
    if isinstance(known, pl.Duration) and isinstance(seen, pl.Duration):
        return pl.Duration(_unit(known, seen))
    return None


def united(schemas: Iterable[pl.Schema]) -> pl.Schema:
    """The columns of all, by first appearance, with types that hold the values of all.

    Raises:
        Contradiction: a column's types have nothing in common.
    """
    types: dict[str, pl.DataType] = {}
    for place, schema in enumerate(schemas):
        for name, seen in schema.items():
            wider = widened(types.get(name, NO_TYPE), seen)
            if wider is None:
                raise Contradiction(name, types[name], seen, place)
            types[name] = wider
    return pl.Schema(types)


class Contradiction(ValueError):
    """A column's type in the schema at `place` contradicts its type in those before."""

    def __init__(self, column: str, known: pl.DataType, seen: pl.DataType, place: int) -> None:
        super().__init__(f"{column} is {seen}, and was {known}")
        self.column, self.known, self.seen, self.place = column, known, seen, place


def needs_exact_floats(known: pl.DataType, wider: pl.DataType) -> bool:
    """Whether whole numbers of 64 bits, here or within, become floats from one type to the other."""
    if known.is_integer():
        return wider.is_float() and _bits(known) > _DOUBLE_BITS
    if isinstance(known, (pl.List, pl.Array)) and isinstance(wider, (pl.List, pl.Array)):
        return needs_exact_floats(instance(known.inner), instance(wider.inner))
    if isinstance(known, pl.Map) and isinstance(wider, pl.Map):
        return needs_exact_floats(instance(known.value), instance(wider.value))
    if isinstance(known, pl.Struct) and isinstance(wider, pl.Struct):
        later = {field.name: instance(field.dtype) for field in wider.fields}
        return any(needs_exact_floats(instance(field.dtype), later[field.name]) for field in known.fields)
    return False


def with_floats(dtype: pl.DataType) -> pl.DataType:
    """The type with a float64 for each whole number of 64 bits, here or within."""
    return pl.Float64() if dtype in (pl.Int64(), pl.UInt64()) else within(dtype, with_floats)


def within(dtype: pl.DataType, change: Callable[[pl.DataType], pl.DataType]) -> pl.DataType:
    """A nested type with the types that it is made of changed; any other as it is."""
    match dtype:
        case pl.List():
            return pl.List(change(instance(dtype.inner)))
        case pl.Array():
            return pl.Array(change(instance(dtype.inner)), dtype.size)
        case pl.Map():
            return pl.Map(change(instance(dtype.key)), change(instance(dtype.value)))
        case pl.Struct():
            return pl.Struct({field.name: change(instance(field.dtype)) for field in dtype.fields})
        case _:
            return dtype


def _number(known: pl.DataType, seen: pl.DataType) -> pl.DataType:
    if known.is_integer() and seen.is_integer():
        return _integer(known, seen)
    if known.is_float() and seen.is_float():
        return max(known, seen, key=_FLOATS.index)
    if isinstance(known, pl.Decimal) or isinstance(seen, pl.Decimal):
        return known if known.is_float() or seen.is_float() else _decimal(known, seen)
    number, whole = (known, seen) if known.is_float() else (seen, known)
    is_single = number == pl.Float32() and _bits(whole) <= _SINGLE_BITS
    return pl.Float32() if is_single else pl.Float64()


def _integer(known: pl.DataType, seen: pl.DataType) -> pl.DataType:
    """The wider one of a kind; of unlike kinds the signed one that holds both, and the known one if there is none."""
    if known.is_signed_integer() == seen.is_signed_integer():
        return max(known, seen, key=_bits)
    signed, unsigned = (known, seen) if known.is_signed_integer() else (seen, known)
    bits = max(_bits(signed), 2 * _bits(unsigned))
    by_bits: dict[int, pl.DataType] = {16: pl.Int16(), 32: pl.Int32(), 64: pl.Int64()}
    return by_bits.get(bits, known)


def _decimal(known: pl.DataType, seen: pl.DataType) -> pl.DataType:
    whole, scale = (max(pair) for pair in zip(_digits(known), _digits(seen), strict=True))
    return pl.Decimal(whole + scale, scale) if whole + scale <= _MOST_DIGITS else known


def _digits(dtype: pl.DataType) -> tuple[int, int]:
    """How many digits stand before the point, and how many behind."""
    if isinstance(dtype, pl.Decimal):
        return (dtype.precision or _MOST_DIGITS) - dtype.scale, dtype.scale
    return _DIGITS[_bits(dtype)], 0


def _list(known: pl.List | pl.Array, seen: pl.List | pl.Array) -> pl.DataType | None:
    inner = widened(instance(known.inner), instance(seen.inner))
    if inner is None:
        return None
    if isinstance(known, pl.Array) and isinstance(seen, pl.Array) and known.size == seen.size:
        return pl.Array(inner, known.size)
    return pl.List(inner)


def _struct(known: pl.Struct, seen: pl.Struct) -> pl.DataType | None:
    types = {field.name: instance(field.dtype) for field in known.fields}
    for field in seen.fields:
        wider = widened(types.get(field.name, NO_TYPE), instance(field.dtype))
        if wider is None:
            return None
        types[field.name] = wider
    return pl.Struct(types)


def _unit(known: pl.Datetime | pl.Duration, seen: pl.Datetime | pl.Duration) -> Literal["ms", "us", "ns"]:
    """Nanoseconds reach from 1677 to 2262 alone: no type holds both, so the known one stays."""
    if known.time_unit in _UNITS and seen.time_unit in _UNITS:
        return "us" if "us" in (known.time_unit, seen.time_unit) else "ms"
    return known.time_unit


def _bits(dtype: pl.DataType) -> int:
    return int(str(dtype).lstrip("UInt"))
