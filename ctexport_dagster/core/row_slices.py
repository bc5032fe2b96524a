"""Slices of about equal bytes, cut from a stream of frames, whatever borders the frames came with."""

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

_NUMBER_BYTES = 8


def row_slices(frames: Iterable[pl.DataFrame], slice_bytes: int, fixed_bytes: int) -> Iterator[pl.DataFrame]:
    """The rows of `frames` in order, in slices of at most `slice_bytes`; a row larger than that is a slice of its own.

    A row counts the bytes of its text, 8 for every other value, and `fixed_bytes`. Where the cuts fall depends on the
    rows alone, so the bytes of a file never depend on how an earlier stage happened to batch them.
    """
    pending: list[pl.DataFrame] = []
    pending_bytes = 0
    for frame in frames:
        ends = np.cumsum(row_bytes(frame) + fixed_bytes)
        start = 0
        while start < frame.height:
            used = int(ends[start - 1]) if start else 0
            stop = int(np.searchsorted(ends, used + slice_bytes - pending_bytes, side="right"))
            if stop == start and not pending:
                stop = start + 1
            if stop > start:
                pending.append(frame.slice(start, stop - start))
                pending_bytes += int(ends[stop - 1]) - used
            if stop < frame.height:
                yield _joined(pending)
                pending, pending_bytes = [], 0
            start = stop
    if pending:
        yield _joined(pending)


def row_bytes(frame: pl.DataFrame) -> np.ndarray:
    """About how many bytes each row's values take: int64, one per row."""
    texts = [_text_bytes(name, dtype) for name, dtype in frame.schema.items() if _holds_text(dtype)]
    numbers = sum(not _holds_text(dtype) for dtype in frame.dtypes)
    start = pl.repeat(_NUMBER_BYTES * numbers, pl.len(), dtype=pl.Int64)
    return frame.select(pl.sum_horizontal(start, *texts).alias("bytes"))["bytes"].to_numpy()


def _holds_text(dtype: pl.DataType) -> bool:
    return dtype == pl.String or isinstance(dtype, pl.List)


def _text_bytes(name: str, dtype: pl.DataType) -> pl.Expr:
    value = pl.col(name)
    if dtype == pl.String:
        return value.str.len_bytes()
    return value.list.eval(pl.element().str.len_bytes()).list.sum() + _NUMBER_BYTES * value.list.len()


def _joined(parts: list[pl.DataFrame]) -> pl.DataFrame:
    return parts[0] if len(parts) == 1 else pl.concat(parts, rechunk=True)
