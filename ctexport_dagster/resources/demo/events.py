"""The events of demo profiles: a day in a shop, of the same people, made up the same way each time.

Some come a day or two late, `Amount` is a number in most events and text in some, as sources are; `Charged` holds a
list of Items.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from ctexport_dagster.core.events.normalise_nested import joined_object, value_tokens
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.normalise.json_text import quoted
from ctexport_dagster.core.schema import ValueType
from ctexport_dagster.resources.demo import words
from ctexport_dagster.resources.demo.draws import Draws
from ctexport_dagster.resources.demo.history import Numbers, mixed
from ctexport_dagster.resources.demo.profiles import clevertap_ids

_DAY_MICROS = 86_400_000_000
_LATE_EVERY = 50
_SALT = 500
_NAMES = (
    *("Product Viewed",) * 6, *("App Launched",) * 4, *("Added to Cart",) * 2, *("Notification Sent",) * 2, "Charged",
    "Searched", "UTM Visited", "Wishlist / Saved", "Kategorie geöffnet", "अनुरोध भेजा 📨",
)  # fmt: skip
_SHOPPING = ("Product Viewed", "Added to Cart", "Wishlist / Saved")
_MAKES = ("Samsung", "Apple", "Xiaomi", "OnePlus")
_PRODUCTS = ("Casio Chronograph Watch", "Tea set, 6 pieces", "Étui à lunettes", "ノート A5", 'Frame 12"', "Mug ☕")
_CATEGORIES = ("Mens Watch", "Küche", "Books & Paper", "Home")
_QUERIES = ("watch", "thé vert", "cadeau 🎁", "50 % off")


@dataclass(frozen=True)
class Happenings:
    """Which events are made: so many of a step, of the people from 0 below `people`, in a window."""

    seed: int
    step: int
    people: int
    window: Interval


def event_frame(what: Happenings, numbers: Numbers) -> pl.DataFrame:
    """These events of a step (their numbers, from 0) as raw events, in the order in which they arrived."""
    draw = Draws.of_step(numbers, what.step, what.seed + 11, _SALT)
    names = draw.pick(_NAMES)
    person = draw.below(what.people)
    keys = mixed(person.to_numpy().astype(np.uint64), what.seed)
    ids = clevertap_ids(keys)
    return pl.DataFrame(
        {
            "profile": _objects({"objectId": quoted(ids), "platform": quoted(draw.pick(("Android", "iOS", "Web")))}),
            "ts": _instants(what, draw),
            "eventName": names,
            "deviceInfo": _device(draw),
            "eventProps": _properties(names, draw),
            "sessionProps": _session(names, draw),
            "controlGroupName": _only(draw.chance(40), _text("Holdout", names)),
        }
    )


def _instants(what: Happenings, draw: Draws) -> pl.Series:
    start = round(what.window.start.timestamp() * 1_000_000)
    length = round((what.window.end - what.window.start).total_seconds() * 1_000_000)
    late = draw.below(2) + 1
    is_late = draw.chance(_LATE_EVERY)
    moments = start + draw.below(length)
    days_back = late.zip_with(is_late, pl.Series([0]))
    return (moments - days_back * _DAY_MICROS).cast(pl.Datetime("us", "UTC"))


def _device(draw: Draws) -> pl.Series:
    model = draw.below(40)
    return _objects(
        {
            "make": quoted(draw.pick(_MAKES)),
            "model": quoted("Model " + model.cast(pl.String)),
            "osVersion": quoted((draw.below(6) + 10).cast(pl.String)),
            "appVersion": quoted("2." + draw.below(9).cast(pl.String)),
            "dpi": (draw.below(3) * 160 + 160).cast(pl.String),
        }
    )


def _properties(names: pl.Series, draw: Draws) -> pl.Series:
    is_charged, is_shopping = names == "Charged", names.is_in(_SHOPPING)
    has_price = is_charged | is_shopping
    amount = (draw.below(100_000) / 100).cast(pl.String)
    mixed_amount = amount.zip_with(~draw.chance(10), '"' + amount + '"')
    return _objects(
        {
            "CT Source": quoted(_text("Mobile", names)),
            "CT App Version": quoted("2." + draw.below(9).cast(pl.String)),
            "Product name": _only(is_shopping, quoted(draw.pick(_PRODUCTS))),
            "Category": _only(is_shopping | (names == "Kategorie geöffnet"), quoted(draw.pick(_CATEGORIES))),
            "Amount": _only(has_price, mixed_amount),
            "Currency": _only(has_price, quoted(draw.pick(("USD", "EUR", "INR")))),
            "In Stock": _only(is_shopping, (draw.below(5) > 0).cast(pl.String)),
            "Charged ID": _only(is_charged, draw.below(2**53).cast(pl.String)),
            "Items": _only(is_charged, _items(draw)),
            "Query": _only(names == "Searched", quoted(draw.pick(_QUERIES))),
            "Campaign": _only(names == "Notification Sent", quoted("Campaign " + draw.below(12).cast(pl.String))),
            "City": _only(draw.chance(3), quoted(draw.pick([city[0] for city in words.CITIES]))),
        }
    )


def _items(draw: Draws) -> pl.Series:
    """JSON lists of one or two items."""
    items = [
        pl.DataFrame({"Title": draw.pick(_PRODUCTS), "Price": draw.below(500) + 0.5, "Quantity": draw.below(4) + 1})
        for _ in range(2)
    ]
    first, second = (_item_texts(item) for item in items)
    more = _only(draw.chance(2), "," + second).fill_null("")
    return "[" + first + more + "]"


def _item_texts(items: pl.DataFrame) -> pl.Series:
    return joined_object(
        [
            quoted(items["Title"]),
            value_tokens(ValueType.FLOAT64, items["Price"]),
            value_tokens(ValueType.INTEGER, items["Quantity"]),
        ],
        items.columns,
    )


def _session(names: pl.Series, draw: Draws) -> pl.Series:
    values = {"utm_source": ("newsletter", "search"), "utm_medium": ("mail", "cpc"), "utm_campaign": ("Frühling",)}
    tokens = {key: _only(names == "UTM Visited", quoted(draw.pick(choices))) for key, choices in values.items()}
    return _objects(tokens)


def _objects(tokens: Mapping[str, pl.Series]) -> pl.Series:
    return joined_object(list(tokens.values()), list(tokens))


def _text(text: str, rows: pl.Series) -> pl.Series:
    return pl.Series([text]).new_from_index(0, len(rows))


def _only(where: pl.Series, values: pl.Series) -> pl.Series:
    return values.zip_with(where, pl.Series([None], dtype=values.dtype))
