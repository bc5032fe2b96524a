"""Subscription groups, from JSON texts to the keys and values of maps. Source: REQUIREMENTS P18, P27, P30."""

import json
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa


@dataclass(frozen=True)
class GroupEntries:
    """The groups of all rows that have any text, row by row: how many each has, their keys and values."""

    sizes: np.ndarray
    keys: pa.Array
    values: pa.Array


def group_entries(texts: pl.Series) -> GroupEntries:
    """Takes the JSON object texts apart; nulls are left out.

    Texts repeat (a few groups, two states each), so only the distinct ones are parsed.
    """
    encoded = texts.drop_nulls().to_arrow(compat_level=pl.CompatLevel.oldest()).dictionary_encode()
    parsed: list[dict[str, object]] = [json.loads(text) for text in encoded.dictionary.to_pylist()]
    keys = pa.array([key for groups in parsed for key in groups], pa.string())
    values = pa.array([_state(value) for groups in parsed for value in groups.values()], pa.string())
    sizes = np.array([len(groups) for groups in parsed], np.int64)
    starts = np.cumsum(sizes) - sizes
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    picks = pa.array(_ranges(starts[codes], sizes[codes]))
    return GroupEntries(sizes[codes], keys.take(picks), values.take(picks))


def group_maps(texts: pl.Series) -> pa.MapArray:
    """The JSON object texts as maps of text to text; null for null."""
    entries = group_entries(texts)
    is_null = texts.is_null().to_numpy()
    sizes = np.zeros(len(texts), np.int64)
    sizes[~is_null] = entries.sizes
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    return pa.MapArray.from_arrays(pa.array(offsets), entries.keys, entries.values, mask=pa.array(is_null))


def _state(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _ranges(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """start, start + 1, … for each start, as many as its size says."""
    before = np.cumsum(sizes) - sizes
    return np.repeat(starts - before, sizes) + np.arange(sizes.sum())
