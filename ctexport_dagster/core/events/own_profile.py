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
from ctexport_dagster.core.schema import Field, SourceSchema, ValueType

_SPELLINGS: Mapping[str, tuple[str, ...]] = {"Email": ("email", "Email"), "Phone": ("phone", "Phone")}
"""The keys that an identifier has in an event's profile map, where it isn't its own name."""
_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True)
class OwnProfiles:
    """A profile frame, a row for each event, and its schema: identifiers as text, preferences in the plan's types."""

    frame: pl.DataFrame
    schema: SourceSchema


def own_profiles(events: pl.DataFrame, order: Sequence[str], plan: ColumnPlan) -> OwnProfiles:
    """The persons of these events, each as its own event tells it; `events` is an event frame."""
    identifiers = _properties((*order, "Email", "Phone"))
    preferences = {column.name: column.type for column in plan.of_role("preference")}
    keys = [*(key for name in identifiers for key in _SPELLINGS.get(name, (name,))), *preferences, "subscriptionGroups"]
    values = _values(events["profile"], list(dict.fromkeys(keys)))
    fields = [Field("property", name, ValueType.STRING) for name in identifiers]
    columns = [_first(values, _SPELLINGS.get(name, (name,))) for name in identifiers]
    fields += [Field("preference", name, type_) for name, type_ in preferences.items()]
    columns += [_typed(values[name], type_) for name, type_ in preferences.items()]
    given = {"h": events["h"], "instance": events["instance"], "clevertapId": events["clevertapId"]}
    given |= {"identity": events["identity"], "subscriptionGroups": groups_of(values["subscriptionGroups"])}
    own = [
        given.get(name, pl.Series([False if name == "deleted" else None] * events.height, dtype=dtype)).alias(name)
        for name, dtype in KEY_COLUMNS.items()
    ]
    named = [column.alias(field.column) for field, column in zip(fields, columns, strict=True)]
    return OwnProfiles(pl.DataFrame([*own, *named]), SourceSchema(tuple(fields)))


def _properties(order: Sequence[str]) -> list[str]:
    meant = (meant_identifier(name, SourceSchema(())) for name in order)
    return [name for name in dict.fromkeys(meant) if name != IDENTITY]


def _values(maps: pl.Series, keys: Sequence[str]) -> dict[str, pl.Series]:
    """The values under these keys as text (String), null where there is none: each distinct map is read once."""
    distinct = maps.drop_nulls().unique(maintain_order=True)
    person = msgspec.defstruct(
        "Person",
        [(f"k{place}", object, None) for place in range(len(keys))],
        rename={f"k{place}": key for place, key in enumerate(keys)},
    )
    decoder = msgspec.json.Decoder(person)
    read = [msgspec.structs.astuple(cast("msgspec.Struct", decoder.decode(text))) for text in distinct]
    found: dict[str, pl.Series] = {}
    for place, key in enumerate(keys):
        texts = pl.Series([_text(row[place]) for row in read], dtype=pl.String)
        found[key] = maps.replace_strict(distinct, texts, default=None, return_dtype=pl.String)
    return found


def _text(value: object) -> str | None:
    return canonical_json(value) if isinstance(value, dict) else item_text(value)


def _first(values: Mapping[str, pl.Series], keys: Sequence[str]) -> pl.Series:
    first, *others = (values[key] for key in keys)
    for other in others:
        first = first.zip_with((first.str.strip_chars() != "").fill_null(value=False), other)
    return first


def _typed(texts: pl.Series, type_: ValueType) -> pl.Series:
    """The texts in a preference's type; what isn't of it counts as none."""
    if type_ == ValueType.BOOLEAN:
        return texts.replace_strict(_TRUTHS, default=None, return_dtype=pl.Boolean)
    return texts.cast(type_.dtype, strict=False) if type_ != ValueType.STRINGS else texts.reshape((-1, 1)).arr.to_list()
