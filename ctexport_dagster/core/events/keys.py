"""The keys that the maps of events have, by event name, in the order in which they first appeared."""

from collections.abc import Sequence

import polars as pl

from ctexport_dagster.core.events.model import MAPS, EventMap
from ctexport_dagster.core.events.staged import KEYS_SCHEMA


class EventKeys:
    """Learns the keys of one partition's events, in source order."""

    def __init__(self) -> None:
        self._names: dict[str, dict[EventMap, dict[str, None]]] = {}

    def learn(self, names: Sequence[str], map_name: EventMap, values: Sequence[dict[str, object] | None]) -> None:
        """Takes the next events' names, and what one of their maps holds, null for nothing."""
        for name in dict.fromkeys(names):
            self._names.setdefault(name, {})
        if not any(values):
            return
        shapes = dict.fromkeys(zip(names, map(tuple, (value or () for value in values)), strict=True))
        for name, keys in shapes:
            self._names[name].setdefault(map_name, {}).update(dict.fromkeys(keys))

    def frame(self) -> pl.DataFrame:
        """What was learnt, with `KEYS_SCHEMA`: by name in order of appearance, then by map, then by key."""
        rows = [
            (name, map_name, key)
            for name, maps in self._names.items()
            for map_name in MAPS
            for key in maps.get(map_name, ())
        ]
        return pl.DataFrame(rows, schema=KEYS_SCHEMA, orient="row")


def united_keys(partitions: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """The keys of some partitions, oldest first: none twice, each where it first appeared."""
    frames = [pl.DataFrame(schema=KEYS_SCHEMA), *partitions]
    return pl.concat(frames).unique(maintain_order=True, keep="first")
