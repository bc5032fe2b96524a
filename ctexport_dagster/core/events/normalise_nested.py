"""Nested columns as JSON texts, column by column: structs and maps of any depth, as Parquet files have them.

A struct's fields without a value are left out, as a key that is missing. A struct whose fields are all named member0,
member1 …, as in files of the original, stands for its one member that has a value.
"""

import re
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import polars as pl

from ctexport_dagster.core.normalise.json_text import quoted
from ctexport_dagster.core.normalise.values import read_values
from ctexport_dagster.core.schema import ValueType

_NO_ZONE = ZoneInfo("UTC")
"""Of text, which has none."""
_MEMBER = re.compile(r"member\d+\Z")
_NO_TEXT = pl.Series([None], dtype=pl.String)


def object_texts(given: pl.Series, zone: ZoneInfo) -> pl.Series:
    """Structs and maps as the texts of JSON objects (String); null for null, and for a column of another type.

    Timestamps without a zone within are wall clocks of `zone`.
    """
    if isinstance(given.dtype, pl.Map) or (isinstance(given.dtype, pl.Struct) and not _is_union(given.dtype)):
        return _tokens(given, zone)
    if isinstance(given.dtype, pl.List) and _has_entries(given.dtype):
        return _entries(given, zone)
    return pl.Series(given.name, [None] * len(given), dtype=pl.String)


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
            return _lists(values, _NO_ZONE)
        case _:
            return _quoted(values.cast(pl.String))


def _tokens(given: pl.Series, zone: ZoneInfo) -> pl.Series:
    dtype = given.dtype
    if isinstance(dtype, pl.Map):
        return _entries(given.to_physical(), zone)
    if isinstance(dtype, pl.Struct):
        return _struct(given, dtype, zone)
    if isinstance(dtype, pl.List):
        return _lists(given, zone)
    if dtype.is_numeric():
        return _plain(given)
    reading = read_values(given, zone)
    return value_tokens(reading.type, reading.values)


def _struct(given: pl.Series, dtype: pl.Struct, zone: ZoneInfo) -> pl.Series:
    names = [entry.name for entry in dtype.fields]
    tokens = [_tokens(given.struct.field(name), zone) for name in names]
    if _is_union(dtype):
        united = tokens[0]
        for token in tokens[1:]:
            united = united.fill_null(token)
        return united
    texts = joined_object(tokens, names) if names else pl.Series(["{}"]).new_from_index(0, len(given))
    return texts.zip_with(given.is_not_null(), _NO_TEXT)


def _entries(lists: pl.Series, zone: ZoneInfo) -> pl.Series:
    """Lists of {key, value} as objects."""
    flat = _flat(lists)
    entries = flat["item"].struct.unnest()
    value = _tokens(entries["value"], zone).fill_null("null")
    text = _quoted(entries["key"].cast(pl.String)) + ":" + value
    return _gathered(lists, flat["row"], text, "{", "}")


def _lists(lists: pl.Series, zone: ZoneInfo) -> pl.Series:
    flat = _flat(lists)
    return _gathered(lists, flat["row"], _tokens(flat["item"], zone).fill_null("null"), "[", "]")


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


def _has_entries(dtype: pl.List) -> bool:
    return isinstance(dtype.inner, pl.Struct) and {entry.name for entry in dtype.inner.fields} == {"key", "value"}


def _is_union(dtype: pl.Struct) -> bool:
    return bool(dtype.fields) and all(_MEMBER.match(entry.name) for entry in dtype.fields)
