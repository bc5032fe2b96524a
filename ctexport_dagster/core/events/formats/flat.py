"""Events as flat columns under dotted headers: those of CSV, and of Parquet in the style `typed`.

    ts,eventName,profile.identity,profile.objectId,profile.all_identities,profile.platform,…,commPrefs.MSG-push,…,
    deviceInfo.make,…,controlGroupName,eventProps.<key>,…,sessionProps.utm_source,…

The original's own fields come first in their order, then each map's further keys as they first appeared. The original's
nested `deviceInfo.dimensions` has a column for each of its three fields; what doesn't fit them stands in
`deviceInfo.dimensions` as JSON text. A device's own key `dimensions.width` beside it is
`deviceInfo.deviceInfo.dimensions.width`. Source: REQUIREMENTS L9; CONSUMERS.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import polars as pl

from ctexport_dagster.core.columns import OutputColumn
from ctexport_dagster.core.events.dimensions import DIMENSION_FIELDS, DIMENSIONS, split_dimensions
from ctexport_dagster.core.events.formats.layout import (
    DEVICE_FIELDS,
    IDENTIFIERS,
    PROFILE_FIELDS,
    SESSION_FIELDS,
    EventFile,
    label,
    ordered,
    own_profile,
)
from ctexport_dagster.core.events.maps import MapEntries, key_columns, read_map
from ctexport_dagster.core.events.model import EventMap

_TAKEN = frozenset(f"deviceInfo.{DIMENSIONS}.{field}" for field in DIMENSION_FIELDS)
"""The headers of split dimensions: a key that is spelt like one of them gets its map's name once more before it."""


@dataclass(frozen=True)
class FlatColumn:
    """One flat column: of an `output` column of the plan, or of a `key` of a map; of the event itself if of neither.

    `key` tells the type: a device's split dimension shares that of its dotted name with a key which is spelt so.
    """

    header: str
    output: OutputColumn | None = None
    key: tuple[EventMap, str] | None = None


class FlatEvents:
    """The flat columns of one event: `columns` has all of them, in order."""

    def __init__(self, file: EventFile) -> None:
        own = [key for key in file.keys.get("profile", ()) if key not in IDENTIFIERS]
        self._profile = ordered(own, PROFILE_FIELDS)
        self._device = ordered(file.keys.get("deviceInfo", ()), (*DEVICE_FIELDS, DIMENSIONS))
        self._props = list(file.keys.get("eventProps", ()))
        self._session = ordered(file.keys.get("sessionProps", ()), SESSION_FIELDS)
        plan = file.plan
        self._identifiers = [c for role in ("identity", "clevertapId", "all_identities") for c in plan.of_role(role)]
        self._preferences = plan.of_role("preference", "groups")
        self.columns = tuple(self._columns())

    def _columns(self) -> Iterator[FlatColumn]:
        yield from (FlatColumn("ts"), FlatColumn("eventName"))
        yield from (FlatColumn(f"profile.{label(column)}", column) for column in self._identifiers)
        yield from _of_map("profile", self._profile)
        yield from (FlatColumn(f"commPrefs.{label(column)}", column) for column in self._preferences)
        for column in _of_map("deviceInfo", self._device):
            if column.key == ("deviceInfo", DIMENSIONS):
                yield from _of_map("deviceInfo", [f"{DIMENSIONS}.{field}" for field in DIMENSION_FIELDS])
                yield column
            elif DIMENSIONS in self._device and column.header in _TAKEN:
                yield replace(column, header=f"deviceInfo.{column.header}")
            else:
                yield column
        yield FlatColumn("controlGroupName")
        yield from _of_map("eventProps", self._props)
        yield from _of_map("sessionProps", self._session)

    def fields(self, frame: pl.DataFrame) -> list[pl.Series]:
        """The values of every column: those of maps as plain text (String), all others as the resolved frame's.

        Raises:
            ValueError: a map has a key that the file doesn't know.
        """
        height = frame.height
        return [
            frame["ts"],
            frame["eventName"],
            *(frame[column.key] for column in self._identifiers),
            *key_columns(own_profile(frame["profile"]).present, self._profile, height),
            *(frame[column.key] for column in self._preferences),
            *self._device_fields(read_map(frame["deviceInfo"]).present, height),
            frame["controlGroupName"],
            *key_columns(read_map(frame["eventProps"]).present, self._props, height),
            *key_columns(read_map(frame["sessionProps"]).present, self._session, height),
        ]

    def _device_fields(self, found: MapEntries, row_count: int) -> list[pl.Series]:
        if DIMENSIONS not in self._device:
            return key_columns(found, self._device, row_count)
        split, is_split = split_dimensions(found)
        columns = key_columns(found.where(~is_split), self._device, row_count)
        place = self._device.index(DIMENSIONS)
        return [*columns[:place], *key_columns(split, DIMENSION_FIELDS, row_count), *columns[place:]]


def _of_map(name: EventMap, keys: list[str]) -> Iterator[FlatColumn]:
    return (FlatColumn(f"{name}.{key}", key=(name, key)) for key in keys)
