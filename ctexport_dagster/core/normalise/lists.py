"""Lists of strings out of text: JSON arrays, and the `[a,b]` of exports."""

import json

import polars as pl

from ctexport_dagster.core.normalise.json_text import item_text
from ctexport_dagster.core.schema import STRINGS


def lists_in_text(texts: pl.Series) -> pl.Series:
    """`["a","b"]` → both; `[a,b]` → both, white space around them cut; anything else is a list of this one text.

    Blank text and null give null, `[]` the empty list.
    """
    clean = texts.str.strip_chars()
    bracketed = (clean.str.starts_with("[") & clean.str.ends_with("]")).fill_null(value=False)
    quoting = bracketed & clean.str.contains('"', literal=True).fill_null(value=False)
    as_json = json_lists(clean.zip_with(quoting, _NO_TEXT))
    single = texts.zip_with((clean != "").fill_null(value=False), _NO_TEXT)
    return _first(as_json, _split(clean).zip_with(bracketed, _NO_LIST), text_lists(single))


def _split(clean: pl.Series) -> pl.Series:
    inside = clean.str.strip_prefix("[").str.strip_suffix("]").str.strip_chars()
    parts = inside.str.replace_all(r"\s*,\s*", ",").str.split(",")
    empty = pl.Series([[]], dtype=STRINGS)
    return parts.zip_with((inside != "").fill_null(value=True), empty)


def text_lists(texts: pl.Series) -> pl.Series:
    """Each text as a list of itself; null stays null."""
    frame = texts.alias("text").to_frame()
    return frame.select(pl.when(pl.col("text").is_not_null()).then(pl.concat_list("text"))).to_series()


def json_lists(texts: pl.Series) -> pl.Series:
    """JSON arrays as lists of strings, other items as their JSON text; null where a text is no array."""
    if texts.null_count() == len(texts):
        return pl.Series([None] * len(texts), dtype=STRINGS)
    return pl.Series([None if text is None else _array(text) for text in texts], dtype=STRINGS)


_NO_TEXT = pl.Series([None], dtype=pl.String)
_NO_LIST = pl.Series([None], dtype=STRINGS)


def _first(*candidates: pl.Series) -> pl.Series:
    named = [candidate.alias(str(place)) for place, candidate in enumerate(candidates)]
    return pl.DataFrame(named).select(pl.coalesce(pl.all())).to_series()


def _array(text: str) -> list[str | None] | None:
    try:
        items = json.loads(text)
        return [item_text(item) for item in items] if isinstance(items, list) else None
    except (ValueError, RecursionError):
        return None
