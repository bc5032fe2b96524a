"""Maps of member unions of events: JSON values as the nested columns of Parquet, each by its own type.

    U             member0 boolean · member1 int32 · member2 int64 · member3 float32 · member4 float64 · member5 text
    eventProps    U, member6: list of (U, member6: map of text to U)
    deviceInfo    member0 text · member1 int32 · member2: map of text to (member0 text, member1 int32)
    profile       member0 text · member1 list of texts · member2 int32 · member3 int64 · member4 float32
                  · member5 float64

Exactly one member of a value isn't null. Integers beyond 64 bits, numbers beyond 64-bit floats, and what is nested
deeper than a type can hold are JSON text in the text member. Nulls have no entry; in a
list they are null items. Source: REQUIREMENTS L11, L13; CONSUMERS.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from ctexport_dagster.core.events.json_spans import JsonValues, Kind, list_items, object_entries
from ctexport_dagster.core.events.maps import MapEntries, plain_texts, with_names
from ctexport_dagster.core.events.text_views import TextViews

_COMPAT = pl.CompatLevel.oldest()
_FRACTION = np.isin(np.arange(256), [ord(character) for character in ".eE"])


def map_of(found: MapEntries, values: pa.Array, row_count: int) -> pa.MapArray:
    """The map of each row: `found`'s keys with these values, one for each of its entries."""
    bounds = np.searchsorted(found.rows, np.arange(row_count + 1)).astype(np.int32)
    return pa.MapArray.from_arrays(pa.array(bounds), _keys(found), values)


def struct_of(members: Sequence[pa.Array], is_null: np.ndarray | None = None) -> pa.StructArray:
    """A struct with these members, called member0, member1, …"""
    names = [f"member{place}" for place in range(len(members))]
    return pa.StructArray.from_arrays(list(members), names=names, mask=None if is_null is None else pa.array(is_null))


@dataclass(frozen=True)
class Scalars:
    """JSON values by type, an array for each with as many items as values; all are null where another has the value."""

    booleans: pa.Array
    small: pa.Array
    large: pa.Array
    floats: pa.Array
    texts: pa.Array

    @staticmethod
    def of(values: JsonValues, elsewhere: np.ndarray, *, as_string: bool) -> "Scalars":
        """What `values` hold; nulls, and those that stand `elsewhere` (Boolean), are null in every array."""
        kinds = np.where(elsewhere, np.uint8(Kind.NULL), values.kinds)
        views = plain_texts(values)
        if as_string:
            return _all_texts(views, kinds != Kind.NULL)
        small, large, floats, is_number = _numbers(views, values, kinds == Kind.NUMBER)
        is_boolean = kinds == Kind.BOOLEAN
        is_true = values.content[values.starts] == ord("t")
        is_text = (kinds != Kind.NULL) & ~is_boolean & ~is_number
        return Scalars(
            pa.array(is_true, mask=~is_boolean) if is_boolean.any() else pa.nulls(len(values), pa.bool_()),
            small,
            large,
            floats,
            views.array(is_text),
        )

    @property
    def members(self) -> list[pa.Array]:
        """The members 0 to 5 of U."""
        floats32 = pa.nulls(len(self.texts), pa.float32())
        return [self.booleans, self.small, self.large, floats32, self.floats, self.texts]


def property_unions(values: JsonValues, *, as_string: bool) -> pa.StructArray:
    """eventProps' values."""
    is_list = values.kinds == Kind.LIST
    scalars = Scalars.of(values, is_list, as_string=as_string)
    places, items = list_items(values.where(is_list))
    lists = _lists_at(is_list, places, _item_unions(items, as_string=as_string))
    return struct_of([*scalars.members, lists])


def device_unions(values: JsonValues, *, as_string: bool) -> pa.StructArray:
    """deviceInfo's values: readers take all scalars as text; objects are maps. Source: CONSUMERS."""
    is_object = values.kinds == Kind.OBJECT
    texts = plain_texts(values).array(~is_object)
    entries = with_names(object_entries(values.where(is_object))).present
    scalars = Scalars.of(entries.values, np.zeros(len(entries.values), bool), as_string=as_string)
    inner = struct_of([_or_text(scalars, entries), scalars.small])
    maps = _maps_at(is_object, entries, inner)
    return struct_of([texts, pa.nulls(len(values), pa.int32()), maps])


def own_unions(values: JsonValues, *, as_string: bool) -> pa.StructArray:
    """The values of an event's own profile map; booleans are text."""
    is_list = values.kinds == Kind.LIST
    scalars = Scalars.of(values, is_list, as_string=as_string)
    is_text = (values.kinds == Kind.BOOLEAN) | np.asarray(scalars.texts.is_valid())
    places, items = list_items(values.where(is_list))
    lists = _lists_at(is_list, places, plain_texts(items).array(items.kinds != Kind.NULL))
    floats32 = pa.nulls(len(values), pa.float32())
    texts = plain_texts(values).array(is_text)
    return struct_of([texts, lists, scalars.small, scalars.large, floats32, scalars.floats])


def _item_unions(items: JsonValues, *, as_string: bool) -> pa.StructArray:
    """The items of a list: scalars by type, objects as maps of U, lists as JSON text."""
    is_object = items.kinds == Kind.OBJECT
    scalars = Scalars.of(items, is_object, as_string=as_string)
    entries = with_names(object_entries(items.where(is_object))).present
    inner = Scalars.of(entries.values, np.zeros(len(entries.values), bool), as_string=as_string)
    maps = _maps_at(is_object, entries, struct_of(inner.members))
    return struct_of([*scalars.members, maps], items.kinds == Kind.NULL)


def _or_text(scalars: Scalars, entries: MapEntries) -> pa.Array:
    """Everything that is no 32-bit integer, as text."""
    return plain_texts(entries.values).array(~np.asarray(scalars.small.is_valid()))


def _maps_at(is_map: np.ndarray, entries: MapEntries, values: pa.Array) -> pa.MapArray:
    """The maps at the places where `is_map`, in their order; null at all others."""
    offsets = _offsets_at(is_map, entries.rows)
    return pa.MapArray.from_arrays(offsets, _keys(entries), values, mask=pa.array(~is_map))


def _lists_at(is_list: np.ndarray, places: np.ndarray, items: pa.Array) -> pa.ListArray:
    """The lists at the places where `is_list`, in their order; null at all others. `places`: each item's list."""
    return pa.ListArray.from_arrays(_offsets_at(is_list, places), items, mask=pa.array(~is_list))


def _offsets_at(is_here: np.ndarray, owners: np.ndarray) -> pa.Array:
    """Where the parts of each value begin (int32): `owners` has each part's owner, counted among those `is_here`."""
    sizes = np.zeros(len(is_here), np.int64)
    sizes[is_here] = np.bincount(owners, minlength=int(is_here.sum()))
    return pa.array(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32))


def _keys(found: MapEntries) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(found.codes.astype(np.int32)), pa.array(found.names, pa.string()))


def _numbers(
    views: TextViews, values: JsonValues, is_number: np.ndarray
) -> tuple[pa.Array, pa.Array, pa.Array, np.ndarray]:
    """int32, int64 and float64 values, and where any of them is (Boolean): what fits no type is left out."""
    if not is_number.any():
        nulls = [pa.nulls(len(values), type_) for type_ in (pa.int32(), pa.int64(), pa.float64())]
        return nulls[0], nulls[1], nulls[2], is_number
    texts = views.series(is_number)
    has_fraction = _have_fraction(values, is_number)
    whole = texts.zip_with(pl.Series(~has_fraction), pl.Series([None], dtype=pl.String))
    large = whole.cast(pl.Int64, strict=False)
    small = large.cast(pl.Int32, strict=False)
    broken = texts.zip_with(pl.Series(has_fraction), pl.Series([None], dtype=pl.String))
    floats = broken.cast(pl.Float64, strict=False)
    floats = floats.to_frame("f").select(pl.when(pl.col("f").is_finite()).then("f")).to_series()
    is_typed = large.is_not_null() | floats.is_not_null()
    only_large = large.to_frame("i").select(pl.when(small.is_null()).then("i")).to_series()
    return _arrow(small), _arrow(only_large), _arrow(floats), is_typed.to_numpy()


def _have_fraction(values: JsonValues, is_number: np.ndarray) -> np.ndarray:
    """Which numbers are written with a point or an exponent: those are floats, the others integers."""
    places = np.flatnonzero(_FRACTION[values.content])
    has = np.zeros(len(values), bool)
    starts, ends = values.starts[is_number], values.ends[is_number]
    has[is_number] = np.searchsorted(places, starts) < np.searchsorted(places, ends)
    return has


def _all_texts(views: TextViews, is_present: np.ndarray) -> Scalars:
    count = len(is_present)
    types = (pa.bool_(), pa.int32(), pa.int64(), pa.float64())
    booleans, small, large, floats = (pa.nulls(count, type_) for type_ in types)
    return Scalars(booleans, small, large, floats, views.array(is_present))


def _arrow(values: pl.Series) -> pa.Array:
    return values.to_arrow(compat_level=_COMPAT)
