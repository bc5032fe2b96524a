"""Slices of about equal bytes, cut from a stream of frames, whatever borders the frames came with."""

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl
from polars.datatypes import DataTypeClass

from ctexport_dagster.core.nested_values import instance, struct_parts

_NUMBER_BYTES = 8


def row_slices(frames: Iterable[pl.DataFrame], slice_bytes: int, extra_bytes: int | pl.Expr) -> Iterator[pl.DataFrame]:
    """The rows of `frames` in order, in slices of at most `slice_bytes`; a row larger than that is a slice of its own.

    How a row counts: see `row_bytes`. Where the cuts fall depends on the
    rows alone, so the bytes of a file never depend on how an earlier stage happened to batch them.
    """
    pending: list[pl.DataFrame] = []
    pending_bytes = 0
    for frame in frames:
        ends = np.cumsum(row_bytes(frame, extra_bytes))
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


def row_bytes(frame: pl.DataFrame, extra_bytes: int | pl.Expr = 0) -> np.ndarray:
    """About how many bytes each row takes: int64, one per row.

    It counts the bytes of its text, 8 for every other value, and `extra_bytes`, an expression where rows differ.
    """
    sizes = [_value_bytes(pl.nth(place), dtype) for place, dtype in enumerate(frame.dtypes)]
    numbers = sum(size is None for size in sizes)
    start = pl.repeat(_NUMBER_BYTES * numbers, pl.len(), dtype=pl.Int64)
    texts = (size for size in sizes if size is not None)
    return frame.select(pl.sum_horizontal(start, *texts, extra_bytes).alias("bytes"))["bytes"].to_numpy()


def _value_bytes(value: pl.Expr, dtype: pl.DataType) -> pl.Expr | None:
    """The bytes of each value; None for the fixed ones of a number, null or not."""
    match dtype:
        case pl.String():
            return value.str.len_bytes()
        case pl.Binary():
            return value.bin.size()
        case pl.Struct():
            return _struct_bytes(value, dtype)
        case pl.Map():
            return _list_bytes(value.map.entries(), pl.Struct({"key": dtype.key, "value": dtype.value}))
        case pl.Array():
            return _list_bytes(value.arr.to_list(), dtype.inner)
        case pl.List():
            return _list_bytes(value, dtype.inner)
        case _:
            return None


def _list_bytes(value: pl.Expr, inner: pl.DataType | DataTypeClass) -> pl.Expr:
    """Of a list: 8 for each item, beside the bytes of those that aren't numbers."""
    item = _value_bytes(pl.element(), instance(inner))
    places = _NUMBER_BYTES * value.list.len()
    return places if item is None else value.list.eval(item).list.sum() + places


def _struct_bytes(value: pl.Expr, dtype: pl.Struct) -> pl.Expr:
    sizes = [_value_bytes(part.value, part.dtype) for part in struct_parts(value, dtype)]
    numbers = pl.lit(_NUMBER_BYTES * sum(size is None for size in sizes), pl.Int64)
    return pl.sum_horizontal(numbers, *(size for size in sizes if size is not None))


def _joined(parts: list[pl.DataFrame]) -> pl.DataFrame:
    return parts[0] if len(parts) == 1 else pl.concat(parts, rechunk=True)
