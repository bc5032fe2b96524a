"""What the files of one event have in common, whatever their format: their event, columns, keys and time zone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl

from ctexport_dagster.core.columns import ColumnPlan, OutputColumn
from ctexport_dagster.core.events.json_spans import column_bytes
from ctexport_dagster.core.events.maps import MapEntries, MapKeys, read_map
from ctexport_dagster.core.events.model import MAPS
from ctexport_dagster.core.formats.layout import RowFormat, Rows

IDENTIFIERS = ("identity", "all_identities", "objectId", "clevertapId", "clevertapIds")
"""What an event's own profile map never gives: the profile's state does, as far as it is chosen. Source: L14."""

PROFILE_FIELDS = ("platform", "phone", "name", "email", "push_token")
DEVICE_FIELDS = ("make", "model", "appVersion", "sdkVersion", "osVersion", "browser", "dpi")
SESSION_FIELDS = ("utm_source", "utm_medium", "utm_campaign")
"""The fields of the original, in its order; further keys follow them. Source: CONSUMERS."""

ENTRY_COUNT = pl.sum_horizontal(pl.col(name).str.count_matches(",", literal=True) + 1 for name in MAPS)
"""About how many entries a row's maps have, items of lists among them: what parts them, whatever else it stands in."""


class EventRows(RowFormat, Protocol):
    """A format of events, for the files of one event or of all of them."""

    def split(self, frame: pl.DataFrame, row_counts: Sequence[int]) -> list[Rows]:
        """The rows of several files, formatted at once: `row_counts` says how many each has, in order."""
        ...


@dataclass(frozen=True)
class EventFile:
    """The files of one event in one partition; `keys` has all that its maps hold there, identifiers or not."""

    plan: ColumnPlan
    keys: MapKeys
    zone: ZoneInfo


def own_profile(profiles: pl.Series) -> MapEntries:
    """The entries of the events' own profile maps that name no identifier."""
    found = read_map(profiles)
    return found.where(~found.named(*IDENTIFIERS))


def ordered(keys: Sequence[str], fields: Sequence[str]) -> list[str]:
    """The keys in the order in which files list them: the original's own first."""
    return [*(field for field in fields if field in keys), *(key for key in keys if key not in fields)]


def label(column: OutputColumn) -> str:
    """The key of an identifier in the text formats, or of a preference in all."""
    return "objectId" if column.role == "clevertapId" else column.header


def local_numbers(instants: pl.Series, zone: ZoneInfo) -> pl.Series:
    """Each instant (Datetime, UTC) as the number yyyymmddHHMMSS in a zone (Int64). Source: REQUIREMENTS L8."""
    local = pl.col(instants.name).dt.convert_time_zone(zone.key)
    parts = ((local.dt.year(), 10**10), (local.dt.month(), 10**8), (local.dt.day(), 10**6))
    parts += ((local.dt.hour(), 10**4), (local.dt.minute(), 100), (local.dt.second(), 1))
    number = pl.sum_horizontal(part.cast(pl.Int64) * weight for part, weight in parts)
    return instants.to_frame().select(number.alias(instants.name)).to_series()


def split_records(records: pl.Series, row_counts: Sequence[int]) -> list[Rows]:
    """Records (String) as the rows of several files."""
    content, offsets = column_bytes(records)
    bounds = offsets[np.cumsum([0, *row_counts])]
    shared = memoryview(content)  # pyright: ignore[reportArgumentType]  (an array is a buffer)
    return [Rows(shared[bounds[place] : bounds[place + 1]], count) for place, count in enumerate(row_counts)]
