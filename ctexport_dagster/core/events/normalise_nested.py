"""Nested columns as JSON texts, column by column: structs and maps of any depth, as Parquet files have them.

Polars keeps one entry of a map's key when it is given the map anew, and has no step from a map to its text. So maps are
lists of {key, value} here, and a column's own dtype, its *shape*, tells them from lists that a file has as such.

A struct's fields without a value are left out, as a key that is missing. A struct whose fields are all named member0,
member1 …, as in files of the original, stands for its one member that has a value.
"""

import re
from collections.abc import Sequence
from typing import TypeAlias
from zoneinfo import ZoneInfo

import polars as pl
from polars.datatypes import DataTypeClass

from ctexport_dagster.core.normalise.json_text import quoted
from ctexport_dagster.core.normalise.values import read_values
from ctexport_dagster.core.schema import ValueType

Shape: TypeAlias = pl.DataType | DataTypeClass
"""A column's dtype as its source has it, maps told from lists of their entries."""

_NO_ZONE = ZoneInfo("UTC")
"""Of text, which has none."""
_MEMBER = re.compile(r"member\d+\Z")
_NO_TEXT = pl.Series([None], dtype=pl.String)


def with_entries(given: pl.Series) -> pl.Series:
    """The column with every map, at any depth, as a list of {key, value}, in which a key may stand twice."""
    plain = _entries_dtype(given.dtype)
    return given if plain == given.dtype else given.cast(plain)


def object_texts(given: pl.Series, zone: ZoneInfo, shape: Shape | None = None) -> pl.Series:
    """Structs and maps as the texts of JSON objects (String); null for null, and for a column of another type.

    Timestamps without a zone within are wall clocks of `zone`. `shape`: what the column was before `with_entries`.
    """
    shape = shape or given.dtype
    if isinstance(shape, pl.Map) or (isinstance(shape, pl.Struct) and not _is_union(shape)):
        return _tokens(with_entries(given), shape, zone)
    if isinstance(shape, pl.List) and _has_entries(shape):
        return _entries(with_entries(given), _value_shape(shape), zone)
    return pl.Series(given.name, [None] * len(given), dtype=pl.String)


def nested_tokens(given: pl.Series, zone: ZoneInfo, shape: Shape | None = None) -> pl.Series:
    """Values of any dtype as JSON values (String), each number as it is; null for null. `shape` as above."""
    return _tokens(with_entries(given), shape or given.dtype, zone)


def joined_object(tokens: Sequence[pl.Series], keys: Sequence[str]) -> pl.Series:
    """Objects of these keys (at least one), each with its column of JSON values; a null is no entry."""
    parts = [
        (quoted(pl.Series([key], dtype=pl.String))[0] + ":" + token).alias(str(place))
        for place, (key, token) in enumerate(zip(keys, tokens, strict=True))
    ]
    return "{" + pl.DataFrame(parts).select(pl.concat_str(pl.all(), separator=",", ignore_nulls=True)).to_series() + "}"


def value_tokens(type_: ValueType, values: pl.Series) -> pl.Series:
    """Values of one of the model's types as JSON values; null stays null."""
    match type_:
        case ValueType.BOOLEAN | ValueType.INTEGER | ValueType.FLOAT32 | ValueType.FLOAT64:
            return _plain(values)
        case ValueType.TIMESTAMP:
            return '"' + values.dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ") + '"'
        case ValueType.STRINGS:
            return _lists(values, pl.String(), _NO_ZONE)
        case _:
            return _quoted(values.cast(pl.String))


def _tokens(given: pl.Series, shape: Shape, zone: ZoneInfo) -> pl.Series:
    match shape:
        case pl.Map():
            return _entries(given, shape.value, zone)
        case pl.Struct():
            return _struct(given, shape, zone)
        case pl.List() | pl.Array():
            return _lists(given, shape.inner, zone)
        case _ if given.dtype.is_numeric():
            return _plain(given)
        case _:
            reading = read_values(given, zone)
            return value_tokens(reading.type, reading.values)


def _struct(given: pl.Series, shape: pl.Struct, zone: ZoneInfo) -> pl.Series:
    names = [entry.name for entry in shape.fields]
    tokens = [_tokens(given.struct.field(entry.name), entry.dtype, zone) for entry in shape.fields]
    if _is_union(shape):
        united = tokens[0]
        for token in tokens[1:]:
            united = united.fill_null(token)
        return united
    texts = joined_object(tokens, names) if names else pl.Series(["{}"]).new_from_index(0, len(given))
    return texts.zip_with(given.is_not_null(), _NO_TEXT)


def _entries(lists: pl.Series, shape: Shape, zone: ZoneInfo) -> pl.Series:
    """Lists of {key, value}, of values of this shape, as objects."""
    flat = _flat(lists)
    key, value = flat["item"].struct.field("key"), flat["item"].struct.field("value")
    text = _quoted(key.cast(pl.String)) + ":" + _tokens(value, shape, zone).fill_null("null")
    return _gathered(lists, flat["row"], text, "{", "}")


def _lists(lists: pl.Series, shape: Shape, zone: ZoneInfo) -> pl.Series:
    """Lists of items of this shape as JSON arrays."""
    flat = _flat(lists)
    return _gathered(lists, flat["row"], _tokens(flat["item"], shape, zone).fill_null("null"), "[", "]")


def _flat(lists: pl.Series) -> pl.DataFrame:
    frame = pl.DataFrame({"row": pl.int_range(len(lists), eager=True), "item": lists})
    return frame.filter(pl.col("item").list.len() > 0).explode("item")


def _gathered(lists: pl.Series, rows: pl.Series, texts: pl.Series, opening: str, closing: str) -> pl.Series:
    """The texts of each row's items between brackets; null where the list is."""
    joined = (
        pl.DataFrame({"row": rows, "text": texts})
        .group_by("row", maintain_order=True)
        .agg(pl.col("text").str.join(","))
    )
    everyone = pl.DataFrame({"row": pl.int_range(len(lists), eager=True)})
    inner = everyone.join(joined, on="row", how="left", maintain_order="left")["text"].fill_null("")
    return (opening + inner + closing).zip_with(lists.is_not_null(), _NO_TEXT)


def _plain(values: pl.Series) -> pl.Series:
    """Numbers and flags; an infinity in JavaScript's spelling, for which its event is refused later."""
    return values.cast(pl.String).str.replace("^(-?)inf$", "${1}Infinity")


def _quoted(texts: pl.Series) -> pl.Series:
    """Each text as a JSON string; written by polars, as values hardly repeat."""
    inside = texts.alias("t").to_frame().to_struct("s").struct.json_encode().str.slice(len('{"t":'))
    return inside.str.head(-1).zip_with(texts.is_not_null(), _NO_TEXT)


def _entries_dtype(dtype: Shape) -> pl.DataType:
    match dtype:
        case pl.Map():
            return pl.List(pl.Struct({"key": _entries_dtype(dtype.key), "value": _entries_dtype(dtype.value)}))
        case pl.List() | pl.Array():
            return pl.List(_entries_dtype(dtype.inner))
        case pl.Struct():
            return pl.Struct({entry.name: _entries_dtype(entry.dtype) for entry in dtype.fields})
        case DataTypeClass():
            return dtype()
        case _:
            return dtype


def _has_entries(dtype: pl.List) -> bool:
    return isinstance(dtype.inner, pl.Struct) and {entry.name for entry in dtype.inner.fields} == {"key", "value"}


def _value_shape(dtype: pl.List) -> Shape:
    assert isinstance(dtype.inner, pl.Struct)
    return next(entry.dtype for entry in dtype.inner.fields if entry.name == "value")


def _is_union(dtype: pl.Struct) -> bool:
    return bool(dtype.fields) and all(_MEMBER.match(entry.name) for entry in dtype.fields)
