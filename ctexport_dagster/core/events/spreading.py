"""Resolved events spread into the files of their buckets, however many of those there are.

A year that comes in at once has thousands of buckets: more files than a process may hold open, and a slice of events
has a row or two for each. So no more than `MOST_OPEN` files are written at once: where there are more, the events go
to that many drawers first, and from each of them to its own buckets.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

import polars as pl

from ctexport_dagster.core.resolved_file import ResolvedWriter, read_resolved

MOST_OPEN = 128


def spread(
    frames: Iterable[pl.DataFrame],
    groups: pl.DataFrame,
    columns: Mapping[str, pl.DataType],
    path_of: Callable[[int], Path],
    most_open: int = MOST_OPEN,
) -> None:
    """Writes resolved event frames to one file for each bucket, the rows of a bucket in the order of `frames`.

    `groups` tells the `bucket` of each (eventName, day), as core/events/buckets.py gives it; `path_of` where a bucket's
    file goes. Every bucket gets a file.

    Raises:
        ValueError: an event is of no group.
    """
    buckets = groups["bucket"].unique().sort().to_list()
    if len(buckets) <= most_open:
        _write(frames, groups, {bucket: path_of(bucket) for bucket in buckets}, columns)
        return
    width = -(-len(buckets) // most_open)
    drawers = [buckets[start : start + width] for start in range(0, len(buckets), width)]
    drawer_of = {bucket: number for number, inside in enumerate(drawers) for bucket in inside}
    placed = groups.with_columns(pl.col("bucket").replace_strict(drawer_of, return_dtype=pl.UInt32))
    paths = {
        number: path_of(inside[0]).with_suffix(f".to-{inside[-1]}.drawer") for number, inside in enumerate(drawers)
    }
    _write(frames, placed, paths, columns)
    for number, path in paths.items():
        spread(read_resolved(path), groups.filter(pl.col("bucket").is_in(drawers[number])), columns, path_of, most_open)
        path.unlink()


def _write(
    frames: Iterable[pl.DataFrame], groups: pl.DataFrame, paths: Mapping[int, Path], columns: Mapping[str, pl.DataType]
) -> None:
    places = groups.select("eventName", "day", "bucket")
    with ExitStack() as stack:
        writers = {number: stack.enter_context(ResolvedWriter(path, columns)) for number, path in paths.items()}
        for frame in frames:
            placed = frame.join(places, on=["eventName", "day"], how="left", maintain_order="left")
            if placed["bucket"].null_count():
                raise ValueError("an event is of a group that was not counted")
            for (number,), rows in placed.partition_by("bucket", as_dict=True, maintain_order=True).items():
                writers[int(number)].write(rows.drop("bucket"))
