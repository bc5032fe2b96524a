"""Raw rows as hashes: rows of one hash are the same row, and normalise alike as long as the known types stay.

The hashes are of polars: whoever keeps them must keep its version with them. `updatedAt` doesn't count where it is a
timestamp: it makes no change, and can't be wrong.
"""

import hashlib
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import polars as pl

from ctexport_dagster.core.normalise.keys import KeyName, read_key
from ctexport_dagster.core.source import RawBatch
from ctexport_dagster.lake.living_ids import LivingIds

Hashes = npt.NDArray[np.uint64]
UNTOLD = np.uint64(0)
"""Stands for a row whose hash isn't known: it is like no other."""
_HASHABLE = (pl.Null, pl.Boolean, pl.String, pl.Binary, pl.Date, pl.Time, pl.Datetime, pl.Duration)
_UTC = ZoneInfo("UTC")


def raw_hashes(raw: RawBatch) -> Hashes:
    """64 bits over all columns of each row, their names and types; `UNTOLD` where a type has no hash by value."""
    ignored = [name for name in ("updatedAt",) if isinstance(raw.frame.schema.get(name), pl.Datetime)]
    counting = raw.frame.drop(ignored)
    if counting.is_empty() or not all(_has_hash(dtype) for dtype in counting.dtypes):
        return np.full(raw.frame.height, UNTOLD, dtype=np.uint64)
    shape = repr((list(raw.frame.schema.items()), sorted(raw.variants.items())))
    seed = int.from_bytes(hashlib.sha256(shape.encode()).digest()[:8], "little")
    return counting.hash_rows(seed=seed).to_numpy()


def value_hashes(frame: pl.DataFrame, compared: Sequence[str]) -> Hashes:
    """64 bits over what counts as a profile's value: equal where `changes.same_values` says so, else not."""
    ids = {
        "identity": pl.col("identity").fill_null([]),
        "clevertapIds": pl.col("clevertapIds").fill_null([]).list.unique().list.sort(),
    }
    if frame.is_empty():
        return np.empty(0, dtype=np.uint64)
    return frame.select(ids.get(name, pl.col(name)) for name in compared).hash_rows().to_numpy()


def lists_living(raw: RawBatch, living: LivingIds) -> npt.NDArray[np.bool_]:
    """Which rows list another profile's id that may live."""
    found = np.zeros(raw.frame.height, dtype=bool)
    if "clevertapIds" in raw.frame.columns and "clevertapId" in raw.frame.columns and raw.frame.height:
        ids = _texts(raw.frame["clevertapId"], "clevertapId")
        for name in ("clevertapIds", *raw.variants.get("clevertapIds", ())):
            found |= living.listed(ids, _texts(raw.frame[name], "clevertapIds"))
    return found


def _texts(column: pl.Series, name: KeyName) -> pl.Series:
    texts: tuple[pl.DataType, ...] = (pl.String(), pl.Binary())
    plain = texts if name == "clevertapId" else tuple(pl.List(text) for text in texts)
    values = column if column.dtype in plain else read_key(name, column, _UTC).values
    return values.cast(pl.Binary if name == "clevertapId" else pl.List(pl.Binary))


def _has_hash(dtype: pl.DataType) -> bool:
    """Categories hash by their number, which another batch gives to another text."""
    if isinstance(dtype, pl.List):
        return _has_hash(dtype.inner)  # pyright: ignore[reportArgumentType]
    if isinstance(dtype, pl.Struct):
        return all(_has_hash(entry.dtype) for entry in dtype.fields)  # pyright: ignore[reportArgumentType]
    return dtype.is_integer() or dtype.is_float() or isinstance(dtype, _HASHABLE)
