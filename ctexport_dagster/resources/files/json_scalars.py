"""JSON values of the keys that aren't maps, as plain text; and those whose kind such a key can't have."""

import json
from collections.abc import Mapping
from typing import Literal, TypeAlias, cast

import polars as pl

Kind: TypeAlias = Literal["text", "integer", "number", "list"]

_KINDS: Mapping[str, frozenset[Kind]] = {
    "eventName": frozenset({"text"}),
    "controlGroupName": frozenset({"text"}),
    "clevertapId": frozenset({"text", "integer"}),
    "objectId": frozenset({"text", "integer"}),
    "instanceId": frozenset({"text", "integer"}),
    "identity": frozenset({"text", "integer", "list"}),
    "ts": frozenset({"text", "integer", "number"}),
}
_NO_TEXT = pl.Series([None], dtype=pl.String)


def read_scalars(name: str, tokens: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The plain text of a key's JSON values ("" for absent), and which rows (Boolean) have a value of another kind.

    A list becomes the text of a JSON array of texts.
    """
    kinds = _KINDS[name]
    given = tokens.zip_with(~tokens.is_in(["", "null"]), _NO_TEXT)
    is_text = given.str.starts_with('"').fill_null(value=False)
    texts = given.str.strip_prefix('"').str.strip_suffix('"').zip_with(is_text, given)
    escaped = is_text & given.str.contains("\\", literal=True).fill_null(value=False)
    if escaped.any():
        read = [cast("str", json.loads(text)) for text in given.filter(escaped)]
        texts = texts.scatter(escaped.arg_true(), pl.Series(read, dtype=pl.String))
    right = is_text | given.is_null() | _is_number(given, kinds)
    if "list" in kinds:
        lists = given.str.starts_with("[").fill_null(value=False)
        if lists.any():
            read = [_array(text) for text in given.filter(lists)]
            texts = texts.scatter(lists.arg_true(), pl.Series(read, dtype=pl.String))
            right |= lists & texts.is_not_null()
    return texts.zip_with(right, _NO_TEXT), ~right


def _is_number(given: pl.Series, kinds: frozenset[Kind]) -> pl.Series:
    if "number" in kinds:
        return given.str.contains(r"^-?\d").fill_null(value=False)
    if "integer" in kinds:
        return given.str.contains(r"^-?\d+$").fill_null(value=False)
    return pl.Series([False], dtype=pl.Boolean).new_from_index(0, len(given))


def _array(text: str) -> str | None:
    """None where an item is neither text nor a whole number, or has more digits than Python reads (4,300)."""
    try:
        items = [item for item in cast("list[object]", json.loads(text)) if item is not None]
    except (ValueError, RecursionError):
        return None
    if any(type(item) not in (str, int) for item in items):
        return None
    return json.dumps([str(item) for item in items], ensure_ascii=False)
