"""The type of each key of an event's maps, where a format wants one type a column. Source: REQUIREMENTS P31.

Booleans, integers of 64 bits and floats are what they are; integers and floats together are floats, as long as none is
beyond 2^53; anything else, and any mixture, is text.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from ctexport_dagster.core.events.dimensions import DIMENSIONS, split_dimensions
from ctexport_dagster.core.events.json_spans import Kind
from ctexport_dagster.core.events.maps import MapEntries, read_map
from ctexport_dagster.core.events.model import MAPS, EventMap
from ctexport_dagster.core.events.unions import Scalars
from ctexport_dagster.core.schema import ValueType

KeyTypes = Mapping[tuple[EventMap, str], ValueType]

_BOOLEAN, _INTEGER, _WIDE, _FLOAT, _TEXT = 1, 2, 4, 8, 16
"""Bits of what has been seen; `_WIDE` is an integer that a float can't hold."""
_EXACT = 2**53
_TYPES = {_BOOLEAN: ValueType.BOOLEAN, _INTEGER: ValueType.INTEGER, _FLOAT: ValueType.FLOAT64}
_TYPES |= {_INTEGER | _WIDE: ValueType.INTEGER, _INTEGER | _FLOAT: ValueType.FLOAT64}


SeenTypes = dict[str, dict[tuple[EventMap, str], int]]
"""Event → map and key → what it has held, as bits."""


def seen_types(frames: Iterable[pl.DataFrame]) -> SeenTypes:
    """What the keys of all events in these resolved event frames hold."""
    seen: SeenTypes = {}
    for frame in frames:
        for (event,), rows in frame.partition_by("eventName", as_dict=True, maintain_order=True).items():
            keys = seen.setdefault(str(event), {})
            for name in MAPS:
                found = read_map(rows[name]).present
                _add(keys, name, found)
                if name == "deviceInfo" and DIMENSIONS in found.names:
                    _add(keys, name, split_dimensions(found)[0], f"{DIMENSIONS}.")
    return seen


def key_types(seen: Iterable[SeenTypes]) -> dict[str, KeyTypes]:
    """Event → the types of its keys, from what several readers have seen."""
    joined: SeenTypes = {}
    for of_events in seen:
        for event, keys in of_events.items():
            known = joined.setdefault(event, {})
            for key, bits in keys.items():
                known[key] = known.get(key, 0) | bits
    return {
        event: {key: _TYPES.get(bits, ValueType.STRING) for key, bits in keys.items()} for event, keys in joined.items()
    }


def _add(keys: dict[tuple[EventMap, str], int], name: EventMap, found: MapEntries, prefix: str = "") -> None:
    bits = np.zeros(len(found.names), np.uint8)
    np.bitwise_or.at(bits, found.codes, _bits(found))
    for key, seen in zip(found.names, bits, strict=True):
        keys[name, prefix + key] = keys.get((name, prefix + key), 0) | int(seen)


def _bits(found: MapEntries) -> np.ndarray:
    """What each value is, as bits (uint8)."""
    scalars = Scalars.of(found.values, np.zeros(len(found.values), bool), as_string=False)
    large = pl.Series(scalars.large)
    is_wide = (large.abs() > _EXACT).fill_null(value=False).to_numpy()
    is_integer = np.asarray(scalars.small.is_valid()) | large.is_not_null().to_numpy()
    is_float = np.asarray(scalars.floats.is_valid())
    is_boolean = found.values.kinds == Kind.BOOLEAN
    bits = np.select([is_boolean, is_integer, is_float], [_BOOLEAN, _INTEGER, _FLOAT], _TEXT).astype(np.uint8)
    return bits | (is_wide * np.uint8(_WIDE))
