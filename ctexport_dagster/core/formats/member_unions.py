"""Maps of member unions: the nested columns of a Parquet export, built from whole columns at once.

A map column gathers *slots* (a property, a preference): each row has an entry for every slot whose value isn't null,
in slot order. An entry's value is a struct of typed members, of which exactly one is not null:

    member0 boolean · member1 int32 · member2 int64 · member3 float32 · member4 float64 · member5 text

`commPrefs` has member6 besides: the subscription groups as a map of such unions. Source: REQUIREMENTS P30, CONSUMERS.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from ctexport_dagster.core.formats.subscription_groups import GroupEntries, group_entries

_COMPAT = pl.CompatLevel.oldest()
_ELSEWHERE = np.uint32(2**32 - 1)
_TEXT = pa.large_string()
_NUMBER_TYPES = (pa.bool_(), pa.int32(), pa.int64(), pa.float32(), pa.float64())


@dataclass(frozen=True)
class Slot:
    """A key, and its value in each row: Boolean, Int64, Float32, Float64, String, or List(String) for identities."""

    key: str
    values: pl.Series


@dataclass(frozen=True)
class _Entries:
    """The entries of all rows, row by row: where each comes from, and where each row's begin (int32)."""

    rows: np.ndarray
    slots: np.ndarray
    offsets: np.ndarray

    @property
    def count(self) -> int:
        return len(self.rows)


def union_maps(slots: Sequence[Slot]) -> pa.MapArray:
    """One map a row, of unions with the members 0 to 5."""
    entries = _entries(slots)
    return _maps(slots, entries, _members(slots, entries))


def preference_maps(slots: Sequence[Slot], groups: int | None) -> pa.MapArray:
    """One map a row, of unions with the members 0 to 6; slot `groups`, if any, holds JSON texts for member6."""
    entries = _entries(slots)
    texts = slots[groups].values if groups is not None else pl.Series(dtype=pl.String)
    members = _members(slots, entries, excluded=groups)
    is_groups = entries.slots == (-1 if groups is None else groups)
    return _maps(slots, entries, {**members, "member6": _group_maps(is_groups, group_entries(texts))})


def identity_maps(slots: Sequence[Slot]) -> pa.MapArray:
    """One map a row, of structs: `member0` text, `member1` list of texts (of at most one slot)."""
    entries = _entries(slots)
    lists = next((place for place, slot in enumerate(slots) if slot.values.dtype != pl.String), None)
    texts = {place: slot.values for place, slot in enumerate(slots) if place != lists}
    member0 = _gathered(texts, entries, len(slots), pl.String())
    if lists is None:
        member1: pa.Array = pa.nulls(entries.count, pa.list_(_TEXT))
    else:
        member1 = _spread_lists(slots[lists].values.drop_nulls(), entries.slots == lists)
    return _maps(slots, entries, {"member0": member0, "member1": member1})


def _entries(slots: Sequence[Slot]) -> _Entries:
    present = np.stack([slot.values.is_not_null().to_numpy() for slot in slots], axis=1)
    rows, places = np.nonzero(present)
    return _Entries(rows.astype(np.uint32), places.astype(np.int32), _offsets(present.sum(axis=1)))


def _maps(slots: Sequence[Slot], entries: _Entries, members: dict[str, pa.Array]) -> pa.MapArray:
    names = pa.array([slot.key for slot in slots], pa.string())
    keys = pa.DictionaryArray.from_arrays(pa.array(entries.slots), names)
    values = pa.StructArray.from_arrays(list(members.values()), names=list(members))
    return pa.MapArray.from_arrays(pa.array(entries.offsets), keys, values)


def _members(slots: Sequence[Slot], entries: _Entries, excluded: int | None = None) -> dict[str, pa.Array]:
    """The members 0 to 5 of all entries; null throughout at those of the excluded slot."""
    places = [place for place in range(len(slots)) if place != excluded]

    def gathered(columns: Sequence[pl.Series], dtype: pl.DataType) -> pa.Array:
        filled = {
            place: column
            for place, column in zip(places, columns, strict=True)
            if column.dtype == dtype and column.null_count() < len(column)
        }
        return _gathered(filled, entries, len(slots), dtype)

    columns = [slots[place].values for place in places]
    small, large = zip(*map(_by_width, columns), strict=True) if columns else ((), ())
    return {
        "member0": gathered(columns, pl.Boolean()),
        "member1": gathered(small, pl.Int32()),
        "member2": gathered(large, pl.Int64()),
        "member3": gathered(columns, pl.Float32()),
        "member4": gathered(columns, pl.Float64()),
        "member5": gathered(columns, pl.String()),
    }


def _by_width(values: pl.Series) -> tuple[pl.Series, pl.Series]:
    """Integers that fit 32 bits (Int32), and the others (Int64), null where they don't belong; others as they are."""
    if values.dtype != pl.Int64:
        return values, values
    small = values.cast(pl.Int32, strict=False)
    if small.null_count() == values.null_count():
        return small, values.clear(len(values))
    return small, pl.select(pl.when(small.is_null()).then(values)).to_series()


def _gathered(columns: Mapping[int, pl.Series], entries: _Entries, slot_count: int, dtype: pl.DataType) -> pa.Array:
    """The values of the columns, by their slots' places, at their entries; null at all other entries."""
    if not columns:
        return pa.nulls(entries.count, _arrow_type(dtype))
    stacked = pl.concat([*(column.alias("") for column in columns.values()), pl.Series("", [None], dtype)])
    height = len(next(iter(columns.values())))
    starts = np.full(slot_count, _ELSEWHERE, np.uint32)
    starts[list(columns)] = np.arange(len(columns)) * height
    picks = starts[entries.slots]
    is_here = picks != _ELSEWHERE
    picks += entries.rows
    picks[~is_here] = len(stacked) - 1
    return stacked.gather(pl.Series(picks)).to_arrow(compat_level=_COMPAT)


def _arrow_type(dtype: pl.DataType) -> pa.DataType:
    return pl.Series(dtype=dtype).to_arrow(compat_level=_COMPAT).type


def _spread_lists(lists: pl.Series, is_list: np.ndarray) -> pa.Array:
    """The lists at the entries that are lists, null at all others; they stand in row order already."""
    sizes = np.zeros(len(is_list), np.int64)
    sizes[is_list] = lists.list.len().to_numpy()
    texts = lists.explode(empty_as_null=False).to_arrow(compat_level=_COMPAT)
    return pa.ListArray.from_arrays(pa.array(_offsets(sizes)), texts, mask=pa.array(~is_list))


def _group_maps(is_groups: np.ndarray, groups: GroupEntries) -> pa.Array:
    """member6: the groups' own unions, as text, at the entries that are groups, null at all others."""
    absent = [pa.nulls(len(groups.keys), type_) for type_ in _NUMBER_TYPES]
    values = pa.StructArray.from_arrays([*absent, groups.values], names=[f"member{i}" for i in range(6)])
    sizes = np.zeros(len(is_groups), np.int64)
    sizes[is_groups] = groups.sizes
    return pa.MapArray.from_arrays(pa.array(_offsets(sizes)), groups.keys, values, mask=pa.array(~is_groups))


def _offsets(sizes: np.ndarray) -> np.ndarray:
    offsets = np.zeros(len(sizes) + 1, np.int32)
    np.cumsum(sizes, out=offsets[1:])
    return offsets
