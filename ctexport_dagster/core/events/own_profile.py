"""What an event says of its own person: profiles made from the events' `profile` maps, where the state knows none.

Source: REQUIREMENTS L14; the spellings are those of CONSUMERS.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import msgspec
import polars as pl

from ctexport_dagster.core.columns import ColumnPlan
from ctexport_dagster.core.identifiers import IDENTITY, meant_identifier
from ctexport_dagster.core.normalise.groups import groups_of
from ctexport_dagster.core.normalise.json_text import canonical_json, item_text
from ctexport_dagster.core.profile import KEY_COLUMNS
from ctexport_dagster.core.schema import STRINGS, Field, SourceSchema, ValueType

_SPELLINGS: Mapping[str, tuple[str, ...]] = {"Email": ("email", "Email"), "Phone": ("phone", "Phone")}
"""The keys that an identifier has in an event's profile map, where it isn't its own name."""
_decode = msgspec.json.Decoder(dict[str, object]).decode
_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True)
class OwnProfiles:
    """A profile frame, a row for each event, and its schema: identifiers as text, or lists where any event has several
    values of one, preferences in the plan's types."""

    frame: pl.DataFrame
    schema: SourceSchema


def own_profiles(events: pl.DataFrame, order: Sequence[str], plan: ColumnPlan) -> OwnProfiles:
    """The persons of these events, each as its own event tells it; `events` is an event frame."""
    identifiers = _properties((*order, "Email", "Phone"))
    preferences = {column.name: column.type for column in plan.of_role("preference")}
    spelt = [key for name in identifiers for key in _SPELLINGS.get(name, (name,))]
    own = _OwnMaps.of(events["profile"], frozenset((*spelt, *preferences, "subscriptionGroups")))
    columns = [own.identifiers(_SPELLINGS.get(name, (name,))) for name in identifiers]
    fields = [Field("property", name, _type_of(column)) for name, column in zip(identifiers, columns, strict=True)]
    fields += [Field("preference", name, type_) for name, type_ in preferences.items()]
    columns += [_typed(own.texts(name), type_) for name, type_ in preferences.items()]
    given = {"h": events["h"], "instance": events["instance"], "clevertapId": events["clevertapId"]}
    given |= {"identity": events["identity"], "subscriptionGroups": groups_of(own.texts("subscriptionGroups"))}
    keys = [
        given.get(name, pl.Series([False if name == "deleted" else None] * events.height, dtype=dtype)).alias(name)
        for name, dtype in KEY_COLUMNS.items()
    ]
    named = [column.alias(field.column) for field, column in zip(fields, columns, strict=True)]
    return OwnProfiles(pl.DataFrame([*keys, *named]), SourceSchema(tuple(fields)))


def _properties(order: Sequence[str]) -> list[str]:
    meant = (meant_identifier(name, SourceSchema(())) for name in order)
    return [name for name in dict.fromkeys(meant) if name != IDENTITY]


@dataclass(frozen=True)
class _OwnMaps:
    """Some keys of the events' profile maps: each distinct one read once, and which of those each event has."""

    distinct: Sequence[Mapping[str, object]]
    places: pl.Series

    @staticmethod
    def of(maps: pl.Series, keys: frozenset[str]) -> "_OwnMaps":
        texts = maps.drop_nulls().unique(maintain_order=True)
        numbers = pl.int_range(len(texts), dtype=pl.UInt32, eager=True)
        places = maps.replace_strict(texts, numbers, default=None, return_dtype=pl.UInt32)
        # Whole maps of a batch would take some 100 MB.
        return _OwnMaps([{key: value for key, value in _decode(text).items() if key in keys} for text in texts], places)

    def identifiers(self, spellings: Sequence[str]) -> pl.Series:
        """What the first of these keys that holds anything has: texts, or lists of them where any event has several."""
        read = [_first(own, spellings) for own in self.distinct]
        if not any(type(found) is list for found in read):
            return pl.Series(read, dtype=pl.String).gather(self.places)
        lists = [[found] if isinstance(found, str) else found for found in read]
        return pl.Series(lists, dtype=STRINGS).gather(self.places)

    def texts(self, key: str) -> pl.Series:
        """What a key holds, objects and lists as JSON (String); null for nothing."""
        return pl.Series([_text(own.get(key)) for own in self.distinct], dtype=pl.String).gather(self.places)


def _text(value: object) -> str | None:
    return canonical_json(value) if isinstance(value, dict) else item_text(value)


def _first(own: Mapping[str, object], spellings: Sequence[str]) -> str | list[str] | None:
    found = (_identifier(own.get(key)) for key in spellings)
    return next((identifier for identifier in found if identifier), None)


def _identifier(value: object) -> str | list[str] | None:
    """Blank text identifies nobody, nor does an object, within a list too."""
    if value is None or isinstance(value, dict):
        return None
    if isinstance(value, list):
        items = (_identifier(item) for item in cast("list[object]", value) if not isinstance(item, list))
        return [item for item in items if isinstance(item, str)]
    text = _scalar_text(value)
    return text if text and text.strip() else None


def _scalar_text(value: object) -> str | None:
    """Whole floats have no `.0`, as of profiles (core/identity.py)."""
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 2**63
    return str(int(cast("float", value))) if is_whole else item_text(value)


def _type_of(identifiers: pl.Series) -> ValueType:
    return ValueType.STRING if identifiers.dtype == pl.String else ValueType.STRINGS


def _typed(texts: pl.Series, type_: ValueType) -> pl.Series:
    """The texts in a preference's type; what isn't of it counts as none."""
    if type_ == ValueType.BOOLEAN:
        return texts.replace_strict(_TRUTHS, default=None, return_dtype=pl.Boolean)
    return texts.cast(type_.dtype, strict=False) if type_ != ValueType.STRINGS else texts.reshape((-1, 1)).arr.to_list()
