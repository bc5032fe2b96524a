"""Buckets: which file of staging each group of events goes to, decided before the first event is read.

A group that is large gets a file of its own, in which it stays in order, however large it is; small ones share one that
fits in memory, where it can be sorted. Source: core/events/staged.py.
"""

from collections.abc import Iterable

import polars as pl

BUCKET_BYTES = 32_000_000
_LARGE_BYTES = BUCKET_BYTES // 2


def packed(groups: pl.DataFrame) -> pl.DataFrame:
    """The groups in order of (eventName, day), each with its `bucket` (UInt32, from 0).

    `groups` has the columns eventName, day, rows and bytes, a row for each group.
    """
    ordered = groups.sort("eventName", "day")
    return ordered.with_columns(pl.Series("bucket", list(_numbers(ordered["bytes"])), dtype=pl.UInt32))


def _numbers(sizes: Iterable[int]) -> Iterable[int]:
    following, shared, used = 0, -1, 0
    for size in sizes:
        if size >= _LARGE_BYTES:
            yield following
            following += 1
            continue
        if shared < 0 or used + size > BUCKET_BYTES:
            shared, used = following, 0
            following += 1
        used += size
        yield shared
