"""subscriptionGroups in every shape that sources give them, as canonical JSON object text with sorted keys."""

import json
from typing import cast

import polars as pl

from ctexport_dagster.core.normalise.json_text import canonical_json, item_text, quoted

_EMPTY = "{}"


def groups_of(raw: pl.Series) -> pl.Series:
    """`{"group1":"Subscribed"}` from a struct, a map, a list of {key, value}, or JSON text of an object or such a list.

    Groups without a value are left out, values that aren't text become their JSON text, of a group given twice the last
    counts; none at all is null. Null also where the text is no such JSON: compare the nulls.
    """
    dtype = raw.dtype
    if raw.null_count() == len(raw):
        return pl.Series(raw.name, [None] * len(raw), dtype=pl.String)
    if isinstance(dtype, pl.Struct):
        return _from_struct(raw)
    if isinstance(dtype, pl.Map):
        return _from_entries(raw.to_physical())
    if isinstance(dtype, pl.List) and _has_entries(dtype):
        return _from_entries(raw)
    if dtype == pl.String:
        return _from_text(raw)
    return pl.Series(raw.name, [None] * len(raw), dtype=pl.String)


def is_no_groups(raw: pl.Series, groups: pl.Series) -> pl.Series:
    """The rows (Boolean) whose value should have been groups but isn't: given, not empty, and nothing came of it."""
    nothing = groups.is_null() & raw.is_not_null()
    if not nothing.any() or isinstance(raw.dtype, (pl.Struct, pl.Map)):
        return pl.Series([False] * len(raw), dtype=pl.Boolean)
    if isinstance(raw.dtype, pl.List):
        return nothing if not _has_entries(raw.dtype) else pl.Series([False] * len(raw), dtype=pl.Boolean)
    if raw.dtype != pl.String:
        return nothing
    distinct = raw.filter(nothing).unique()
    wrong = pl.Series([_parsed(text) != {} for text in distinct], dtype=pl.Boolean)
    return nothing & raw.replace_strict(distinct, wrong, default=False, return_dtype=pl.Boolean).fill_null(value=False)


def _has_entries(dtype: pl.List) -> bool:
    return isinstance(dtype.inner, pl.Struct) and {"key", "value"} <= {entry.name for entry in dtype.inner.fields}


def _from_struct(raw: pl.Series) -> pl.Series:
    frame = raw.struct.unnest()
    names = sorted(frame.columns)
    parts = [
        pl.lit(json.dumps(name, ensure_ascii=False) + ":") + quoted(_texts(frame[name])).alias(name) for name in names
    ]
    joined = frame.select(pl.concat_str(parts, separator=",", ignore_nulls=True)).to_series()
    return _braced(joined)


def _from_entries(entries: pl.Series) -> pl.Series:
    flat = (
        pl.DataFrame({"row": pl.int_range(len(entries), eager=True), "entry": entries})
        .filter(pl.col("entry").list.len() > 0)
        .explode("entry")
        .unnest("entry")
    )
    flat = flat.select("row", key=_texts(flat["key"]), value=_texts(flat["value"]))
    kept = flat.unique(["row", "key"], keep="last").drop_nulls().sort("row", "key")
    spelt = kept.with_columns(text=quoted(kept["key"]) + ":" + quoted(kept["value"]))
    joined = spelt.group_by("row", maintain_order=True).agg(pl.col("text").str.join(","))
    everyone = pl.DataFrame({"row": pl.int_range(len(entries), eager=True)})
    return _braced(everyone.join(joined, on="row", how="left", maintain_order="left")["text"])


def _from_text(raw: pl.Series) -> pl.Series:
    distinct = raw.drop_nulls().unique()
    texts = [canonical_json(groups) if (groups := _parsed(text)) else None for text in distinct]
    return raw.replace_strict(distinct, pl.Series(texts, dtype=pl.String), default=None, return_dtype=pl.String)


def _parsed(text: str) -> dict[str, str] | None:
    """The groups in a text; None where it holds none of the shapes. Blank text holds no groups."""
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
        if isinstance(value, list) and all(isinstance(e, dict) and {"key", "value"} <= e.keys() for e in value):
            value = {str(e["key"]): e["value"] for e in value}
        if not isinstance(value, dict):
            return None
        return {key: item for key, given in value.items() if (item := item_text(given)) is not None}
    except (ValueError, RecursionError):
        return None


def _texts(values: pl.Series) -> pl.Series:
    if values.dtype.is_nested() or values.dtype == pl.Object:
        return pl.Series([item_text(cast("object", value)) for value in values.to_list()], dtype=pl.String)
    return values.cast(pl.String)


def _braced(joined: pl.Series) -> pl.Series:
    texts = "{" + joined + "}"
    return texts.zip_with((texts != _EMPTY).fill_null(value=False), pl.Series([None], dtype=pl.String))
