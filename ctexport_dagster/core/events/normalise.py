"""The normalisation of events: raw batches brought to the event model, row by row refused where they can't be."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from zlib import crc32
from zoneinfo import ZoneInfo

import polars as pl

from ctexport_dagster.core.events.keys import EventKeys
from ctexport_dagster.core.events.model import EVENT_COLUMNS, MAPS, EventMap
from ctexport_dagster.core.events.normalise_nested import object_texts, with_entries
from ctexport_dagster.core.events.normalise_objects import Objects, read_objects
from ctexport_dagster.core.events.normalise_times import event_instants
from ctexport_dagster.core.events.source import RawEvents
from ctexport_dagster.core.normalise.keys import KeyName, read_key
from ctexport_dagster.core.normalise.lists import json_lists, text_lists
from ctexport_dagster.core.normalise.refusals import Refusals
from ctexport_dagster.core.normalise.utf8 import as_utf8
from ctexport_dagster.core.normalise.values import refused
from ctexport_dagster.core.quarantine import Reason
from ctexport_dagster.core.schema import STRINGS
from ctexport_dagster.core.source import SourceDeclaration

_ID_KEYS = ("objectId", "clevertapId")
_OPENS_LIST = '["'
"""How the text of a list begins, as our own CSV files have several identities. Source: core/normalise/keys.py."""


@dataclass(frozen=True)
class NormalisedEvents:
    """One batch: `frame` (an event frame, still in source order) and `quarantined` hold every row, each once."""

    frame: pl.DataFrame
    quarantined: pl.DataFrame


class EventNormaliser:
    """Brings the batches of one partition to the event model, in order; `keys` has what their maps hold.

    An event needs a name and an instant. One without a clevertapId, which its `profile` map may tell too, is kept: its
    `h` is 0.
    """

    def __init__(self, declaration: SourceDeclaration) -> None:
        self._zone = ZoneInfo(declaration.timezone)
        self._instances = declaration.instances
        self._row_count = 0
        self.keys = EventKeys()

    def normalise(self, raw: RawEvents) -> NormalisedEvents:
        """The batch in the model. Never raises for a row: what can't be used is quarantined."""
        refusals = Refusals(raw)
        names = _required_text(raw, "eventName", refusals)
        instants = self._instants(raw, refusals)
        maps: dict[EventMap, Objects] = {name: _objects(raw, name, self._zone, refusals) for name in MAPS}
        identifier = self._identifier(raw, maps["profile"], refusals)
        identity = self._identity(raw, maps["profile"], refusals)
        frame = pl.DataFrame(
            [
                *self._places(raw, identifier, refusals),
                identifier,
                identity,
                names,
                instants,
                *(maps[name].texts.alias(name) for name in MAPS),
                _text(raw, "controlGroupName", refusals),
                self._numbers(raw.frame.height),
            ]
        ).select(pl.col(name).cast(dtype) for name, dtype in EVENT_COLUMNS.items())
        kept = frame.filter(~refusals.rows) if refusals.any else frame
        self._learn(kept["eventName"].to_list(), maps, ~refusals.rows if refusals.any else None)
        return NormalisedEvents(kept, pl.concat([refusals.quarantined(identifier), raw.unreadable]))

    def _learn(self, names: Sequence[str], maps: dict[EventMap, Objects], kept: pl.Series | None) -> None:
        at = None if kept is None else kept.arg_true().to_list()
        for name, told in maps.items():
            self.keys.learn(names, name, told.values if at is None else [told.values[row] for row in at])

    def _instants(self, raw: RawEvents, refusals: Refusals) -> pl.Series:
        given = _given(raw, "ts", refusals)
        instants = event_instants(given, self._zone)
        blank = _is_blank(given)
        refusals.add("ts", Reason.MISSING_VALUE, blank)
        refusals.add("ts", Reason.CONTRADICTS_TYPE, instants.is_null() & ~blank)
        return instants.alias("ts")

    def _identifier(self, raw: RawEvents, profile: Objects, refusals: Refusals) -> pl.Series:
        ids = _blank_to_null(self._key(raw, "clevertapId", "clevertapId", refusals))
        if "objectId" in raw.frame.columns:
            ids = ids.fill_null(_blank_to_null(self._key(raw, "objectId", "clevertapId", refusals)))
        for key in _ID_KEYS:
            missing = ids.is_null()
            if missing.any():
                ids = ids.fill_null(_blank_to_null(_own_id(profile, key, missing, refusals)))
        return ids.alias("clevertapId")

    def _identity(self, raw: RawEvents, profile: Objects, refusals: Refusals) -> pl.Series:
        identity = self._key(raw, "identity", "identity", refusals)
        missing = identity.is_null()
        if missing.any():
            identity = identity.fill_null(_own_identity(profile, missing, refusals))
        return identity.alias("identity")

    def _key(self, raw: RawEvents, column: str, kind: KeyName, refusals: Refusals) -> pl.Series:
        reading = read_key(kind, _column(raw, column), self._zone)
        refusals.take(column, reading.refusals, column)
        return reading.values

    def _places(self, raw: RawEvents, identifier: pl.Series, refusals: Refusals) -> tuple[pl.Series, pl.Series]:
        """The columns `h` and `instance`."""
        hashes = pl.Series("h", [crc32(i) if i else 0 for i in identifier.cast(pl.Binary).to_list()], dtype=pl.UInt32)
        instance = (hashes % self._instances).cast(pl.Int32)
        if "instanceId" in raw.frame.columns:
            instance = self._key(raw, "instanceId", "instanceId", refusals).fill_null(instance)
        return hashes, instance.alias("instance")

    def _numbers(self, rows: int) -> pl.Series:
        start = self._row_count
        self._row_count += rows
        return pl.int_range(start, start + rows, dtype=pl.UInt64, eager=True).alias("seq")


def _column(raw: RawEvents, name: str) -> pl.Series:
    """A raw column; nulls where there is none."""
    if name in raw.frame.columns:
        return raw.frame[name]
    return pl.Series(name, [None] * raw.frame.height, dtype=pl.String)


def _given(raw: RawEvents, name: str, refusals: Refusals) -> pl.Series:
    """A raw column with its text decoded; those that isn't UTF-8 are refused."""
    return _decoded(_column(raw, name), name, refusals)


def _decoded(column: pl.Series, name: str, refusals: Refusals) -> pl.Series:
    values, broken = as_utf8(column)
    refusals.take(name, refused(Reason.INVALID_TEXT, broken), name)
    return values.cast(pl.String) if isinstance(values.dtype, (pl.Categorical, pl.Enum, pl.Null)) else values


def _text(raw: RawEvents, name: str, refusals: Refusals) -> pl.Series:
    given = _given(raw, name, refusals)
    if given.dtype != pl.String:
        refusals.add(name, Reason.CONTRADICTS_TYPE, given.is_not_null())
        given = pl.Series([None] * len(given), dtype=pl.String)
    return _blank_to_null(given).alias(name)


def _required_text(raw: RawEvents, name: str, refusals: Refusals) -> pl.Series:
    texts = _text(raw, name, refusals)
    refusals.add(name, Reason.MISSING_VALUE, texts.is_null())
    return texts


def _objects(raw: RawEvents, name: EventMap, zone: ZoneInfo, refusals: Refusals) -> Objects:
    column = _column(raw, name)
    given = _decoded(with_entries(column), name, refusals)
    texts = given if given.dtype == pl.String else object_texts(given, zone, column.dtype)
    refusals.add(name, Reason.CONTRADICTS_TYPE, given.is_not_null() & texts.is_null())
    told = read_objects(texts)
    refusals.take(name, told.refusals, name)
    return told


def _is_blank(given: pl.Series) -> pl.Series:
    blank = given.is_null()
    return blank | (given.str.strip_chars() == "").fill_null(value=False) if given.dtype == pl.String else blank


def _blank_to_null(texts: pl.Series) -> pl.Series:
    blank = (texts.str.strip_chars() == "").fill_null(value=False)
    return texts.zip_with(~blank, pl.Series([None], dtype=pl.String)) if blank.any() else texts


def _own_id(profile: Objects, key: str, rows: pl.Series, refusals: Refusals) -> pl.Series:
    """The id that the events' own profile maps give; looked up in these rows alone."""
    ids: list[str | None] = []
    wrong: list[bool] = []
    for value, is_wanted in zip(profile.values, rows.to_list(), strict=True):
        given = value.get(key) if value and is_wanted else None
        is_id = given is None or type(given) in (str, int)
        ids.append(str(given) if is_id and given is not None else None)
        wrong.append(not is_id)
    refusals.add(f"profile.{key}", Reason.CONTRADICTS_TYPE, pl.Series(wrong, dtype=pl.Boolean), "profile")
    return pl.Series(ids, dtype=pl.String)


def _own_identity(profile: Objects, rows: pl.Series, refusals: Refusals) -> pl.Series:
    """The identity values that the events' own profile maps give: one, or a list of them."""
    ones: list[str | None] = [None] * len(rows)
    several: dict[int, list[str]] = {}
    wrong: list[int] = []
    for place, (value, is_wanted) in enumerate(zip(profile.values, rows.to_list(), strict=True)):
        given = value.get("identity") if value and is_wanted else None
        if isinstance(given, str) and given.lstrip().startswith(_OPENS_LIST):
            given = _listed(given) or given
        if given is None or type(given) in (str, int):
            ones[place] = None if given is None else str(given)
        elif isinstance(given, list):
            items = [item for item in cast("list[object]", given) if item is not None]
            several[place] = [str(item) for item in items]
            if any(type(item) not in (str, int) for item in items):
                wrong.append(place)
        else:
            wrong.append(place)
    nowhere = pl.Series([False], dtype=pl.Boolean).new_from_index(0, len(rows))
    refusals.add("profile.identity", Reason.CONTRADICTS_TYPE, nowhere.scatter(wrong, [True] * len(wrong)), "profile")
    return _identities(_blank_to_null(pl.Series(ones, dtype=pl.String)), several)


def _listed(text: str) -> list[str | None] | None:
    """The items of a list that is text; None where it is no list."""
    return json_lists(pl.Series([text])).to_list()[0]


def _identities(ones: pl.Series, several: dict[int, list[str]]) -> pl.Series:
    """Single values as lists of one, and the lists of several among them."""
    lists = text_lists(ones)
    if not several:
        return lists
    full: list[list[str] | None] = [None] * len(ones)
    for place, items in several.items():
        full[place] = [item for item in items if item.strip()] or None
    return lists.fill_null(pl.Series(full, dtype=STRINGS))
