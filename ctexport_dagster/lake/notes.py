"""Notes: what a row says about other rows, kept apart from the rows until the profile that it is about is at hand.

A *note frame* has the columns of `NOTE_COLUMNS`. `note` is one of
    held     the profile's row was refused: it keeps its last good state
    merged   the profile `into` lists this id as one of its own: the id is merged away
    moved    the profile's row stands in the instance `given_in`: in every other one it is gone
    gone     the profile's deletion stands in the instance `given_in`, and holds for every other one
`instance` is the one of the id's hash. Where a source names instances itself, the profile may stand in any other.
"""

from array import array
from zlib import crc32

import numpy as np
import polars as pl

from ctexport_dagster.core.schema import TIMESTAMP

NOTE_COLUMNS: dict[str, pl.DataType] = {
    "h": pl.UInt32(),
    "instance": pl.Int32(),
    "clevertapId": pl.String(),
    "note": pl.String(),
    "into": pl.String(),
    "given_in": pl.Int32(),
    "updatedAt": TIMESTAMP,
    "seq": pl.UInt64(),
}


def hashes_of(ids: pl.Series) -> pl.Series:
    """The h of each of these ids: crc32 of its UTF-8. UInt32."""
    hashes = array("I", map(crc32, ids.cast(pl.Binary).to_list()))
    return pl.Series("h", np.frombuffer(hashes, dtype=np.uint32))


def held_notes(quarantined: pl.DataFrame, instance_count: int) -> pl.DataFrame:
    """A note for each refused row that names a profile; of a quarantine frame."""
    ids = quarantined["clevertapId"].drop_nulls().unique(maintain_order=True)
    return _notes(ids.to_frame().with_columns(hashes_of(ids)), "held", instance_count)


def merged_notes(frame: pl.DataFrame, instance_count: int) -> pl.DataFrame:
    """A note for each other id that a living row of a profile frame with `seq` lists."""
    listing = frame.lazy().filter(~pl.col("deleted") & (pl.col("clevertapIds").list.len() > 0))
    listed = (
        listing.select("updatedAt", "seq", into="clevertapId", clevertapId="clevertapIds")
        .explode("clevertapId")
        .filter((pl.col("clevertapId") != pl.col("into")) & (pl.col("clevertapId") != ""))
        .collect()
    )
    return _notes(listed.with_columns(hashes_of(listed["clevertapId"])), "merged", instance_count)


def moved_notes(frame: pl.DataFrame, instance_count: int) -> pl.DataFrame:
    """A note for each row of a profile frame with `seq`, for the instances that it doesn't stand in: moved, or gone."""
    note = pl.when("deleted").then(pl.lit("gone")).otherwise(pl.lit("moved")).alias("note")
    return _notes(frame.select("h", "clevertapId", "updatedAt", "seq", note, given_in="instance"), None, instance_count)


def _notes(given: pl.DataFrame, note: str | None, instance_count: int) -> pl.DataFrame:
    noted = given.with_columns(instance=pl.col("h") % instance_count)
    noted = noted if note is None else noted.with_columns(note=pl.lit(note))
    missing = [pl.lit(None).alias(name) for name in NOTE_COLUMNS if name not in noted.columns]
    return noted.with_columns(missing).select(pl.col(name).cast(dtype) for name, dtype in NOTE_COLUMNS.items())
