"""Lists of strings as one text: a JSON array, or `[a,b]` as the samples show. Source: REQUIREMENTS P13, P27 to P30.

Each takes a column and gives a String column of the same name; null for null. Nulls within a list are left out.
"""

import polars as pl

from ctexport_dagster.core.formats.escapes import JSON


def json_arrays(lists: pl.Series) -> pl.Series:
    """Each list (List(String)) as a JSON array, `["a","b"]`."""
    values = pl.col(lists.name).list.drop_nulls()
    wrapped = pl.concat_str(pl.lit('["'), values.list.join('","'), pl.lit('"]'))
    texts = pl.when(values.list.len() == 0).then(pl.lit("[]")).otherwise(wrapped)
    return JSON.column(lists).to_frame().select(texts.alias(lists.name)).to_series()


def bracketed(lists: pl.Series) -> pl.Series:
    """Each list (List(String)) in plain brackets, `[a,b]`, the values as they are."""
    texts = pl.concat_str(pl.lit("["), pl.col(lists.name), pl.lit("]"))
    return joined(lists).to_frame().select(texts.alias(lists.name)).to_series()


def joined(lists: pl.Series) -> pl.Series:
    """Each list (List(String)) without brackets, `a,b`; an empty list is an empty text."""
    return lists.list.join(",")


def token_objects(tokens: pl.Series) -> pl.Series:
    """Each device token (String) as a JSON object, `{"token":"…"}`."""
    objects = pl.concat_str(pl.lit('{"token":"'), pl.col(tokens.name), pl.lit('"}'))
    return JSON.column(tokens).to_frame().select(objects.alias(tokens.name)).to_series()
