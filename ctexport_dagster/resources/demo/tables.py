"""The tables of the demo's shop: what was ordered in a window, and the catalogue as of a day.

They hold what makes tables hard to export: decimals, whole numbers beyond 2^53, lists of structs, text of any script.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from ctexport_dagster.core.interval import Interval
from ctexport_dagster.resources.demo import words
from ctexport_dagster.resources.demo.draws import Draws
from ctexport_dagster.resources.demo.history import Numbers, mixed
from ctexport_dagster.resources.demo.profiles import clevertap_ids

_BATCH_ROWS = 20_000
_MOST_ITEMS = 3
_FIRST_PRODUCTS = 200
_NEW_EVERY_DAYS = 10
_PRICE_DAYS = 30
"""A product gets a new price after so many days."""
_DAY_MICROS = 86_400_000_000
_ORDER_SALT, _PRODUCT_SALT = 700, 800
_ID_OFFSET = 10_000
"""Makes the ids of orders larger than 2^53."""
_PRICE = pl.Decimal(10, 2)
_AMOUNT = pl.Decimal(12, 2)
_ITEM = pl.Struct({"sku": pl.String(), "qty": pl.Int32(), "price": _PRICE})
_INSTANT = pl.Datetime("us", "UTC")
_KINDS = ("Watch", "Tea set", "Étui", "ノート", "Rahmen", "Mug ☕", "पुस्तक", "Garden chair")
_CATEGORIES = ("Mens Watch", "Küche", "Books & Paper", "Home")
_TAGS = ("new", "sale", "gift 🎁", "fragile")


@dataclass(frozen=True)
class Shop:
    """A shop at one step: its window, the days since its first one, and how many people buy there."""

    seed: int
    step: int
    day: int
    people: int
    window: Interval


def order_frames(shop: Shop, count: int) -> Iterator[pl.DataFrame]:
    """A window's orders in order of their ids; one empty frame where there are none."""
    for first in range(0, max(count, 1), _BATCH_ROWS):
        yield _orders(shop, np.arange(first, min(first + _BATCH_ROWS, count), dtype=np.uint64))


def product_frame(shop: Shop) -> pl.DataFrame:
    """The whole catalogue at the end of the window: products come, prices change now and then, some are sold out."""
    numbers = np.arange(_FIRST_PRODUCTS + shop.day // _NEW_EVERY_DAYS, dtype=np.uint64)
    draw = Draws(mixed(numbers, shop.seed + 13), _PRODUCT_SALT)
    offset = draw.below(_PRICE_DAYS)
    version = (offset + shop.day) // _PRICE_DAYS
    changed = (version * _PRICE_DAYS - offset).clip(0)
    cents = pl.Series(mixed(draw() + version.cast(pl.UInt64).to_numpy(), shop.seed) % np.uint64(50_000)).cast(pl.Int64)
    kind, color = draw.pick(_KINDS), draw.pick(words.PLANS)
    first_tag, second_tag = draw.pick(_TAGS), draw.pick(_TAGS)
    days_back = shop.day - changed
    today = pl.Series([shop.window.start], dtype=_INSTANT).new_from_index(0, len(numbers)).dt.truncate("1d")
    return pl.DataFrame(
        {
            "sku": _skus(numbers),
            "title": kind + " " + color,
            "category": draw.pick(_CATEGORIES),
            "price": _decimal(cents + 99, _PRICE),
            "in_stock": ~draw.chance(12),
            "tags": pl.DataFrame({"a": first_tag, "b": second_tag})
            .select(pl.concat_list("a", "b").list.unique(maintain_order=True))
            .to_series(),
            "size_cm": pl.DataFrame({"width": draw.below(900) / 10, "height": draw.below(900) / 10}).to_struct(),
            "updated_at": (today.cast(pl.Int64) - days_back * _DAY_MICROS).cast(_INSTANT),
        }
    )


def _orders(shop: Shop, numbers: Numbers) -> pl.DataFrame:
    draw = Draws.of_step(numbers, shop.step, shop.seed + 12, _ORDER_SALT)
    buyers = mixed(draw.below(shop.people).cast(pl.UInt64).to_numpy(), shop.seed)
    items, cents = _items(product_frame(shop), draw)
    return pl.DataFrame(
        {
            "id": pl.Series(numbers).cast(pl.Int64) + ((shop.step + _ID_OFFSET) << 40),
            "clevertapId": clevertap_ids(buyers),
            "amount": _decimal(cents, _AMOUNT),
            "currency": draw.pick(("USD", "EUR", "INR")),
            "created_at": _instants(shop.window, draw),
            "items": items,
            "paid": ~draw.chance(8),
            "note": draw.pick(words.NOTES).zip_with(draw.chance(4), pl.Series([None], dtype=pl.String)),
        }
    )


def _items(products: pl.DataFrame, draw: Draws) -> tuple[pl.Series, pl.Series]:
    """One to three items of each order, and what they cost together in cents."""
    count = draw.below(_MOST_ITEMS) + 1
    total = count * 0
    parts: dict[str, pl.Series] = {}
    for place in range(_MOST_ITEMS):
        chosen = products[["sku", "price"]][draw.below(products.height)]
        quantity = draw.below(4) + 1
        cents = (chosen["price"] * 100).cast(pl.Int64)
        total += cents * quantity * (count > place).cast(pl.Int64)
        item = pl.DataFrame({"sku": chosen["sku"], "qty": quantity.cast(pl.Int32), "price": chosen["price"]})
        parts[str(place)] = item.select(pl.struct(pl.all()).cast(_ITEM)).to_series()
    listed = pl.DataFrame(parts).select(pl.concat_list(pl.all()).list.head(pl.lit(count))).to_series()
    return listed, total


def _instants(window: Interval, draw: Draws) -> pl.Series:
    start = round(window.start.timestamp() * 1_000_000)
    length = round((window.end - window.start).total_seconds() * 1_000_000)
    return (start + draw.below(length)).cast(_INSTANT)


def _skus(numbers: Numbers) -> pl.Series:
    return "SKU-" + pl.Series(numbers).cast(pl.String).str.zfill(5)


def _decimal(cents: pl.Series, dtype: pl.Decimal) -> pl.Series:
    return (cents.cast(pl.Decimal(18, 0)) / pl.Series([100], dtype=pl.Decimal(18, 2))).cast(dtype)
