"""The preview of a table: what a cell looks like without saying what it holds."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import polars as pl
import pytest

from ctexport_dagster.core.datasets.preview import masked_cell, masked_table


@pytest.mark.req("P16", "B8")
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        ("", ""),
        ("Zoë Quokka", "Z*** Q***"),
        ("zoe@example.com", "z***@e***.com"),
        ("+14155550123", "+14*******23"),
        (True, "true"),
        (42, "42"),
        (1234567, "1******"),
        (Decimal("1234567.89"), "1******.**"),
        (date(2026, 11, 18), "2026-11-**"),
        (datetime(2026, 11, 18, 9, tzinfo=UTC), "2026-11-**"),
        (time(9, 30), "***"),
        (timedelta(hours=3), "***"),
        (b"secret", "***"),
        (["walrus", "kumquat", "x", "y"], "[w***, k***, ***, …]"),
        ({"sku": "walrus", "qty": 2, "tags": ["kumquat"]}, "{sku: w***, qty: 2, tags: [k***]}"),
    ],
)
def test_a_value_is_masked_by_its_type(value: object, shown: str) -> None:
    assert masked_cell(value) == shown


@pytest.mark.req("B8")
def test_no_text_of_a_table_shows_however_deep_it_lies() -> None:
    frame = pl.DataFrame({"a": [["walrus"]], "b": [{"c": ["walrus"]}], "d": ["walrus"], "e": [b"walrus"]})
    assert "walrus" not in str(masked_table(frame))
