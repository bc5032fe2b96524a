"""The profiles that some partitions touched: those that stayed in their instance, and those that came from another."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from ctexport_dagster.core.changes import rows_of
from ctexport_dagster.lake.cursor import Wanted
from ctexport_dagster.lake.layers import Layer, latest
from ctexport_dagster.lake.stack import StateReader


@dataclass(frozen=True)
class Touched:
    """The profiles that some partitions touched, in one range of h.

    `before`: the living rows as of the partition before them. `after`: the last row of each touched profile that is
    living or was living before; tombstones have `deleted`. Both are profile frames, sorted, in the schema as of the
    last of the partitions. `logged`: how many living rows these partitions logged; those of them that aren't the last
    one of a living profile are superseded.
    """

    before: pl.DataFrame
    after: pl.DataFrame
    logged: int

    @property
    def superseded(self) -> int:
        return self.logged - self.after.height + int(self.after["deleted"].sum())


def touched(before: pl.DataFrame, layers: Sequence[Layer]) -> Touched:
    """What layers of one instance made of its living rows before them."""
    logged = sum(layer.rows.height - int(layer.rows["deleted"].sum()) for layer in layers)
    after = latest([Layer(before), *layers])
    lived = rows_of(before, after["clevertapId"]).is_not_null()
    moved = after["mergedInto"].eq_missing(after["clevertapId"])
    gone = after.filter(moved).select("clevertapId")
    return Touched(
        before=before.join(gone, on="clevertapId", how="anti") if gone.height else before,
        after=after.filter((lived | ~after["deleted"]) & ~moved),
        logged=logged,
    )


@dataclass(frozen=True)
class Roamers:
    """Finds where profiles of `instance` stood before, in whichever instance: a move is neither death nor birth.

    `state` and `window` read the living rows before the partitions, and their logs, of all instances.
    """

    instance: int
    state: StateReader
    window: StateReader

    def touched(self, before: pl.DataFrame, layers: Sequence[Layer], upper: int) -> Touched:
        """What the instance's own layers made of its rows before, read together with the others' where that matters."""
        roamed = _may_have_roamed(before, layers)
        wanted = Wanted.of(roamed)
        stayed = touched(_less(before, roamed), [Layer(_less(layer.rows, roamed), layer.absent) for layer in layers])
        elsewhere, told = self.state.everywhere(upper, wanted), self.window.layers(upper, wanted)
        after = latest([Layer(elsewhere), *told])
        here = elsewhere.filter(pl.col("instance") == self.instance)
        lived_here = rows_of(here, after["clevertapId"]).is_not_null()
        # Who died is told where it stood before, who lives where it stands.
        arrived = after.filter(pl.when("deleted").then(lived_here).otherwise(pl.col("instance") == self.instance))
        return Touched(
            before=_merged(stayed.before, elsewhere),
            after=_merged(stayed.after, arrived),
            logged=sum(layer.rows.height - int(layer.rows["deleted"].sum()) for layer in layers),
        )


def _may_have_roamed(before: pl.DataFrame, layers: Sequence[Layer]) -> pl.DataFrame:
    """`h` and `clevertapId` of those that left, or that end here and weren't here before: created, most of them."""
    told = pl.concat(layer.rows.select("h", "clevertapId", "deleted", "mergedInto") for layer in layers)
    has_left = pl.col("mergedInto").eq_missing(pl.col("clevertapId")).any()
    ends = told.group_by("h", "clevertapId", maintain_order=True).agg(
        has_left=has_left, lives=~pl.col("deleted").last()
    )
    stood = pl.col("clevertapId").is_in(before["clevertapId"].implode())
    return ends.filter((stood & pl.col("has_left")) | (~stood & pl.col("lives"))).select("h", "clevertapId")


def _less(rows: pl.DataFrame, ids: pl.DataFrame) -> pl.DataFrame:
    return rows.join(ids, on="clevertapId", how="anti", maintain_order="left") if ids.height else rows


def _merged(rows: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([rows, others.select(rows.columns)]).sort("h", "clevertapId") if others.height else rows
