"""Which rows of a partition go into its log, for one range of h of one instance: pure frames in, frames out.

`given`: the source's rows, a profile frame with `seq`, sorted by (h, clevertapId, seq). `notes`: a note frame of the
same range. The log has at most one row per profile and is sorted by (h, clevertapId).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from ctexport_dagster.core.changes import rows_of, same_values
from ctexport_dagster.lake.layers import living
from ctexport_dagster.lake.record import Tally


@dataclass(frozen=True)
class Settled:
    """`log`: the rows to be kept. `refused`: rows of `given` that contradict each other, for the quarantine.

    `standing`: those of a snapshot's rows that stand now, logged or not.
    """

    log: pl.DataFrame
    standing: pl.DataFrame
    refused: pl.DataFrame
    tally: Tally


def settle_snapshot(
    given: pl.DataFrame, before: pl.DataFrame, notes: pl.DataFrame, compared: Sequence[str], *, holds_all: bool
) -> Settled:
    """What differs between a snapshot and the living state before it.

    Equal copies of a profile count as superseded but for one. Copies that differ are all refused, and so is a copy of
    a row that was refused, or one that stands in two instances: such a profile keeps its last good state. With
    `holds_all` a refused row may be anybody's: whoever is missing keeps it, too. `compared` are the columns whose
    difference makes a row worth logging; where `before` has the column `value`, its hashes are compared instead.
    """
    alive = living(given)
    held = notes.filter(pl.col("note") == "held")
    elsewhere = notes.filter(pl.col("note") == "moved")
    doubtful = pl.concat([contradicting(alive, compared), held["clevertapId"], elsewhere["clevertapId"]])
    is_refused = alive["clevertapId"].is_in(doubtful.implode())
    good = alive.filter(~is_refused)
    kept = good.filter(good["clevertapId"].ne_missing(good["clevertapId"].shift(-1)))
    is_known = _same_as_before(kept, before, compared)
    missing = _without(before, alive["clevertapId"], held["clevertapId"], _scattered(elsewhere))
    gone = missing.filter(pl.col("clevertapId").is_in(elsewhere["clevertapId"].implode())) if holds_all else missing
    # Who stands elsewhere lives, whatever other profiles claim: a merge would be told as a deletion of the living.
    telling = notes.filter(
        (pl.col("note") != "merged") | ~pl.col("clevertapId").is_in(elsewhere["clevertapId"].implode())
    )
    dead = _tombstones(gone, telling, given)
    changed = kept.filter(~is_known)
    return Settled(
        log=_sorted(changed, dead),
        standing=kept,
        refused=alive.filter(is_refused),
        tally=Tally(
            unchanged=kept.height - changed.height,
            superseded=good.height - kept.height,
            quarantined=alive.height - good.height,
            logged=changed.height,
            deleted=int(dead["mergedInto"].is_null().sum()),
            merged=int((dead["mergedInto"] != dead["clevertapId"]).sum()),
            moved=int((dead["mergedInto"] == dead["clevertapId"]).sum()),
            held=missing.height - gone.height,
        ),
    )


def settle_changes(given: pl.DataFrame, notes: pl.DataFrame) -> Settled:
    """The last word of a window on each profile: the row, or a tombstone that another row implies, that came last.

    Implied tombstones are kept without a look at the state, so that a log depends on nothing but its own input.

    What came last is told by `updatedAt`, then by `seq`; a row without `updatedAt` is older than any with one.
    """
    words = pl.concat(
        [
            given.select("h", "clevertapId", "updatedAt", "seq", note=pl.lit(None, pl.String)),
            notes.filter(pl.col("note") != "held").select("h", "clevertapId", "updatedAt", "seq", "note"),
        ]
    ).with_row_index("word")
    order = words.sort("h", "clevertapId", "updatedAt", "seq", nulls_last=False)
    last = order.filter(pl.col("clevertapId").ne_missing(pl.col("clevertapId").shift(-1)))
    rows = given[last.filter(pl.col("note").is_null())["word"]]
    implied = last.filter(pl.col("note").is_not_null())
    dead = _tombstones(implied, notes, given)
    logged = rows.height - int(rows["deleted"].sum())
    return Settled(
        log=_sorted(rows, dead),
        standing=given[:0],
        refused=given[:0],
        tally=Tally(
            superseded=given.height - int(given["deleted"].sum()) - logged,
            logged=logged,
            deleted=rows.height - logged,
            merged=int((implied["note"] == "merged").sum()),
            moved=int((implied["note"] != "merged").sum()),
        ),
    )


def _without(rows: pl.DataFrame, *ids: pl.Series) -> pl.DataFrame:
    return rows.filter(~pl.any_horizontal(pl.col("clevertapId").is_in(some.implode()) for some in ids))


def _scattered(moved: pl.DataFrame) -> pl.Series:
    """The ids whose rows stand in several instances beside the one at hand: all of them are refused there."""
    if moved.is_empty():
        return moved["clevertapId"]
    places = moved.group_by("clevertapId").agg(pl.col("given_in").n_unique())
    return places.filter(pl.col("given_in") > 1)["clevertapId"]


def contradicting(rows: pl.DataFrame, compared: Sequence[str]) -> pl.Series:
    """The ids of which two rows differ; rows of one id stand side by side."""
    twins = (rows["clevertapId"] == rows["clevertapId"].shift(-1)).fill_null(value=False).arg_true()
    same = same_values(rows, rows, compared, twins, twins + 1)
    return rows["clevertapId"].gather(twins).filter(~same)


def _same_as_before(rows: pl.DataFrame, before: pl.DataFrame, compared: Sequence[str]) -> pl.Series:
    earlier = rows_of(before, rows["clevertapId"])
    known = earlier.is_not_null().arg_true()
    if "value" in before.columns:
        return (before["value"].gather(earlier) == rows["value"]).fill_null(value=False)
    same = same_values(before, rows, compared, earlier.gather(known), known)
    return pl.repeat(value=False, n=rows.height, dtype=pl.Boolean, eager=True).scatter(known, same)


def _tombstones(gone: pl.DataFrame, notes: pl.DataFrame, like: pl.DataFrame) -> pl.DataFrame:
    """A deleted row, in the columns of `like`, for each profile of `gone`, with where it went if a note tells."""
    told = notes.filter(pl.col("note") != "held").sort("clevertapId", "updatedAt", "seq", nulls_last=False)
    went = pl.when(pl.col("note") == "merged").then("into").when(pl.col("note") == "moved").then("clevertapId")
    last = told.unique("clevertapId", keep="last").with_columns(mergedInto=went)
    dead = gone.select("h", "clevertapId").join(
        last.select("clevertapId", "mergedInto"), on="clevertapId", how="left", maintain_order="left"
    )
    missing = {name: dtype for name, dtype in like.schema.items() if name not in dead.columns}
    values = [pl.lit(name == "deleted" or None).cast(dtype).alias(name) for name, dtype in missing.items()]
    return dead.with_columns(values).select(like.columns)


def _sorted(rows: pl.DataFrame, dead: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([rows, dead]).sort("h", "clevertapId") if dead.height else rows
