"""Reads deliveries back: the small reference reader that trusts nothing but manifests.

    from ctexport_dagster import reader

    delivery = reader.open_delivery("exports")
    for row in delivery.partition("2026-11-03").rows(): ...
    people = dict(delivery.state("2026-11-03"))          clevertapId → row, as of the end of that partition

    orders = reader.open_delivery("exports", export="shop_tables", dataset="orders")
    for row in orders.table("2026-11-03"): ...           the table as of the end of that partition

A row is a dict of the headers that have a value; it is the same whichever format and style it was delivered in.
"""

from ctexport_dagster.reader.delivery import Delivery, Partition, open_delivery
from ctexport_dagster.reader.values import Row, Value
from ctexport_dagster.reader.verify import FileProblem, verify_delivery

__all__ = [
    "Delivery",
    "FileProblem",
    "Partition",
    "Row",
    "Value",
    "open_delivery",
    "verify_delivery",
]
