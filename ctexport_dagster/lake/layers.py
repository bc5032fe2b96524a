"""Layers of rows folded into one state: the latest row of each profile wins, and what a layer can't know is filled in.

A *layer* is one partition's log, or a base below them. Its rows have one row per profile, in the columns of the schema
that is read. A field that a layer's source had no column for keeps its last value: that of the profile's latest
earlier row which could know it. A tombstone cuts that memory. Source: REQUIREMENTS P22.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Layer:
    """Rows of one layer, sorted by (h, clevertapId); `absent` are the columns that its source had not."""

    rows: pl.DataFrame
    absent: frozenset[str] = frozenset()


def latest(layers: Sequence[Layer]) -> pl.DataFrame:
    """The latest row of each profile, tombstones among them, sorted by (h, clevertapId); oldest layer first."""
    filled = [layer for layer in layers if not layer.rows.is_empty()]
    if len(filled) < 2:
        return filled[0].rows if filled else layers[0].rows
    stacked = pl.concat([layer.rows for layer in filled], rechunk=True)
    keys = _keys(filled, stacked)
    is_last = keys["clevertapId"].ne_missing(keys["clevertapId"].shift(-1))
    found = stacked[keys["row"].filter(is_last)]
    for columns, unable in _gaps(filled):
        known = stacked.select(columns)[_donors(keys, unable).filter(is_last)]
        found = found.with_columns(known.get_columns())
    return found


def together(rows: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """What several instances' rows of one partition say in all, sorted: where a profile stands, else its tombstone.

    That it left an instance says nothing then. Needs `instance` and `mergedInto` where there are several.
    """
    if len(rows) == 1:
        return rows[0]
    told = pl.concat(rows).filter(pl.col("mergedInto").ne_missing(pl.col("clevertapId")))
    ordered = told.sort("h", "clevertapId", "deleted", "instance")
    return ordered.unique("clevertapId", keep="first", maintain_order=True)


def living(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of profiles that live."""
    return rows.filter(~pl.col("deleted")) if rows["deleted"].any() else rows


def _keys(layers: Sequence[Layer], stacked: pl.DataFrame) -> pl.DataFrame:
    """`row` in `stacked`, `layer` and the sort keys of every row, sorted by profile, then layer."""
    numbers = [pl.repeat(i, layer.rows.height, dtype=pl.UInt16, eager=True) for i, layer in enumerate(layers)]
    keys = stacked.select("h", "clevertapId", "deleted").with_row_index("row")
    return keys.with_columns(pl.concat(numbers).alias("layer")).sort("h", "clevertapId", "layer")


def _gaps(layers: Sequence[Layer]) -> list[tuple[list[str], list[int]]]:
    """The columns that some layers lack, grouped by which layers those are."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for column in layers[0].rows.columns:
        unable = tuple(i for i, layer in enumerate(layers) if column in layer.absent)
        if unable:
            groups.setdefault(unable, []).append(column)
    return [(columns, list(unable)) for unable, columns in groups.items()]


def _donors(keys: pl.DataFrame, unable: Sequence[int]) -> pl.Series:
    """For each row of `keys` the row whose values of these columns it has: its own, an earlier one's, or null."""
    knows = ~pl.col("layer").is_in(unable) | pl.col("deleted")
    place = pl.int_range(pl.len(), dtype=pl.UInt32)
    starts = pl.col("clevertapId").ne_missing(pl.col("clevertapId").shift(1))
    donors = keys.select(
        pl.when(knows).then(place).forward_fill().alias("donor"),
        pl.when(starts).then(place).forward_fill().alias("start"),
    )
    within = donors.select(pl.when(pl.col("donor") >= pl.col("start")).then("donor")).to_series()
    return keys["row"].gather(within)
