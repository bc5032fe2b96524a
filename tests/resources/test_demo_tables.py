"""The demo source's tables: the same each time, with what makes tables hard, and orders of what the catalogue has."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from ctexport_dagster.core.datasets.source import DatasetInput, DatasetSource, Span
from ctexport_dagster.core.errors import SourceMissing
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.demo.source import DemoSource

FIRST, LATER = "2026-11-18", "2027-02-18"


def declared(**settings: object) -> DemoSource:
    given = {"name": "demo", "start": date(2026, 11, 18), "profiles": 500, "daily_orders": 800, **settings}
    return DemoSource.model_validate(given)


def opened(source: DemoSource, name: str, partition: str = FIRST) -> DatasetInput:
    demo = source.open(Surroundings(Path()))
    assert isinstance(demo, DatasetSource)
    return demo.dataset(name, Span(partition, source.cadence.window_of(partition), None))


def rows(source: DemoSource, name: str, partition: str = FIRST) -> pl.DataFrame:
    return pl.concat([batch.frame for batch in opened(source, name, partition).batches()])


def test_orders_are_added_and_products_are_whole() -> None:
    tables = declared().declared_datasets
    assert {name: table.holds for name, table in tables.items()} == {"orders": "added", "products": "all"}
    assert not any(table.is_chained for table in tables.values())


@pytest.mark.parametrize("name", ["orders", "products"])
def test_they_are_the_same_each_time_and_others_later(name: str) -> None:
    source = declared()
    assert rows(source, name).equals(rows(source, name))
    assert not rows(source, name).equals(rows(source, name, LATER))
    found = [opened(source, name, partition).fingerprint for partition in (FIRST, FIRST, LATER)]
    assert found[0] == found[1] != found[2]
    assert opened(source, name).row_estimate == rows(source, name).height


def test_orders_have_what_makes_tables_hard() -> None:
    orders = rows(declared(), "orders")
    assert orders.height == 800
    assert orders["id"].is_unique().all()
    assert int(orders["id"].min()) > 2**53  # pyright: ignore[reportArgumentType]
    assert orders.schema["amount"] == pl.Decimal(12, 2)
    assert orders.schema["created_at"] == pl.Datetime("us", "UTC")
    assert isinstance(orders.schema["items"], pl.List)
    assert orders["note"].null_count() > 0
    assert "\N{WOMAN}" in "".join(orders["note"].drop_nulls())


def test_orders_lie_in_their_window_and_cost_what_their_items_do() -> None:
    source = declared()
    orders, window = rows(source, "orders"), source.cadence.window_of(FIRST)
    assert orders["created_at"].is_between(window.start, window.end, closed="left").all()
    items = orders.select("id", "amount", "items").explode("items").unnest("items")
    cost = items.group_by("id", "amount").agg((pl.col("price") * pl.col("qty")).sum().alias("cost"))
    assert cost.filter(pl.col("cost") != pl.col("amount")).is_empty()
    products = rows(source, "products").select("sku", "price")
    assert items.join(products, on=["sku", "price"], how="anti").is_empty()


def test_the_catalogue_grows_and_its_prices_change_slowly() -> None:
    source = declared()
    first, next_day, later = (rows(source, "products", day) for day in (FIRST, "2026-11-19", LATER))
    assert (first.height, later.height) == (200, 209)
    changed = first.join(next_day, on="sku").filter(pl.col("price") != pl.col("price_right")).height
    assert 0 < changed < 20
    assert later["sku"].is_unique().all()


def test_shorter_windows_have_fewer_orders_and_none_at_all_are_a_table_without_rows() -> None:
    assert rows(declared(every="6h"), "orders", "2026-11-18T0600Z").height == 200
    nothing = rows(declared(daily_orders=0), "orders")
    assert (nothing.height, nothing.schema) == (0, rows(declared(), "orders").schema)


def test_a_demo_has_no_other_tables() -> None:
    with pytest.raises(SourceMissing, match="Write one of orders, products"):
        opened(declared(), "order")
