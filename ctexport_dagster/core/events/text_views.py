"""String columns made of spans of bytes, without copying them: Arrow's string views. Source: Arrow columnar format."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

_INLINE_BYTES = 12
"""A text up to this long stands in its view; a longer one shows its first 4 bytes, and where it lies."""
_FIRST = np.array([(1 << 8 * min(size, 4)) - 1 for size in range(_INLINE_BYTES + 1)], np.uint64)
_REST = np.array([(1 << 8 * max(size - 4, 0)) - 1 for size in range(_INLINE_BYTES + 1)], np.uint64)
_HALF = np.uint64(32)


@dataclass(frozen=True)
class TextViews:
    """Texts in one run of UTF-8 bytes: `views` has two uint64 a text."""

    views: np.ndarray
    content: np.ndarray

    @staticmethod
    def of(content: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> "TextViews":
        """The texts of the spans `[starts, ends)` (int64) in `content` (uint8, below 2 GB)."""
        padded = np.concatenate([content, np.zeros(_INLINE_BYTES + 4, np.uint8)])
        words = np.ndarray((len(content) + 5,), "<u8", padded, strides=(1,))
        sizes = ends - starts
        kept = np.minimum(sizes, _INLINE_BYTES)
        views = np.empty((len(starts), 2), np.uint64)
        first = words[starts] & _FIRST[kept]
        views[:, 0] = (first << _HALF) | sizes.astype(np.uint64)
        rest = words[starts + 4] & _REST[kept]
        views[:, 1] = np.where(sizes > _INLINE_BYTES, starts.astype(np.uint64) << _HALF, rest)
        return TextViews(views, padded)

    def series(self, is_present: np.ndarray | None = None) -> pl.Series:
        """The texts as a String column; null where `is_present` (Boolean) is false."""
        return _series(self.views, self.content, is_present)

    def array(self, is_present: np.ndarray | None = None) -> pa.Array:
        """The texts as an Arrow array (large_string: Parquet can't write views within lists and maps)."""
        return self.series(is_present).to_arrow(compat_level=pl.CompatLevel.oldest())

    def encoded(self) -> tuple[np.ndarray, list[str]]:
        """Which of the distinct texts each one is (int32), and those, in order of first appearance."""
        found = _views_array(self.views, self.content, None).dictionary_encode()
        return found.indices.to_numpy(zero_copy_only=False), found.dictionary.to_pylist()

    def spread(self, slots: np.ndarray, rows: np.ndarray, slot_count: int, row_count: int) -> list[pl.Series]:
        """One String column per slot: each text at its slot and row (no two alike), null everywhere else."""
        views = np.zeros((slot_count, row_count, 2), np.uint64)
        is_present = np.zeros((slot_count, row_count), bool)
        views[slots, rows] = self.views
        is_present[slots, rows] = True
        return [_series(views[slot], self.content, is_present[slot]) for slot in range(slot_count)]


def texts_from(content: np.ndarray, offsets: np.ndarray) -> pl.Series:
    """A String column of texts that lie one after the other; `offsets` (int64) has one more than texts."""
    buffers = [None, pa.py_buffer(np.ascontiguousarray(offsets)), pa.py_buffer(np.ascontiguousarray(content))]
    return pl.Series(pa.Array.from_buffers(pa.large_string(), len(offsets) - 1, buffers))


def _series(views: np.ndarray, content: np.ndarray, is_present: np.ndarray | None) -> pl.Series:
    return pl.Series(_views_array(views, content, is_present))


def _views_array(views: np.ndarray, content: np.ndarray, is_present: np.ndarray | None) -> pa.Array:
    validity = None if is_present is None else pa.py_buffer(np.packbits(is_present, bitorder="little"))
    buffers = [validity, pa.py_buffer(views), pa.py_buffer(content)]
    return pa.Array.from_buffers(pa.string_view(), len(views), buffers)
