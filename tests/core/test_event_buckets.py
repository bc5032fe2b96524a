"""Groups of events packed into files: the large ones alone, the small ones together in what memory holds."""

from datetime import date

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.core.events.buckets import BUCKET_BYTES, packed

sizes = st.lists(st.integers(1, 2 * BUCKET_BYTES), max_size=60)


def groups(sizes_: list[int]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "eventName": [f"event {number % 7}" for number in range(len(sizes_))],
            "day": [date(2026, 11, 1 + number // 7 % 28) for number in range(len(sizes_))],
            "rows": [1] * len(sizes_),
            "bytes": sizes_,
        },
        schema={"eventName": pl.String, "day": pl.Date, "rows": pl.UInt32, "bytes": pl.UInt64},
    )


@given(sizes)
def test_a_bucket_holds_one_group_or_no_more_than_memory_takes(sizes_: list[int]) -> None:
    buckets = packed(groups(sizes_)).group_by("bucket").agg(pl.len().alias("groups"), pl.col("bytes").sum())
    assert buckets.filter((pl.col("groups") > 1) & (pl.col("bytes") > BUCKET_BYTES)).is_empty()


@given(sizes)
def test_every_group_has_a_bucket_and_buckets_are_numbered_without_gaps(sizes_: list[int]) -> None:
    told = packed(groups(sizes_))
    assert told.drop("bucket").equals(groups(sizes_).sort("eventName", "day"))
    assert told["bucket"].unique().sort().to_list() == list(range(told["bucket"].n_unique()))


def test_small_groups_share_their_buckets_though_a_large_one_stands_between() -> None:
    told = packed(groups([10, BUCKET_BYTES, 10]))
    assert told["bucket"].to_list() == [0, 1, 0]
