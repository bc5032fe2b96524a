"""Masks: they keep a value's shape, and never the value."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.core.columns import ColumnRole, OutputColumn
from ctexport_dagster.core.masking import Value, mask_number, mask_text, mask_value
from ctexport_dagster.core.schema import ValueType


def column(name: str, role: ColumnRole = "property") -> OutputColumn:
    return OutputColumn(role, name, name, ValueType.STRING)


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("user@example.com", "u***@e***.com"),
        ("a.b+c@mail.example.co.uk", "a***@m***.uk"),
        ("+919876543210", "+91********10"),
        ("(555) 123-4567", "55******67"),
        ("12345678", "***"),
        ("Anna Karenina", "A*** K***"),
        ("one two three four five", "o*** t*** t***"),
        ("M", "***"),
        ("李 小龍", "*** ***"),
        ("   ", "***"),
        ("", "***"),
    ],
)
def test_a_texts_mask_keeps_its_shape(text: str, mask: str):
    assert mask_text(text) == mask


@pytest.mark.parametrize(
    ("number", "mask"), [(0, "0"), (1234, "1234"), (12345, "1****"), (-12345.5, "-1****.*"), (3.14, "3.14")]
)
def test_a_number_of_more_than_four_digits_is_masked(number: float, mask: str):
    assert mask_number(number) == mask


def test_a_short_number_that_identifies_is_masked_whole():
    assert mask_value(column("crm_id"), 42, ["Identity", "crm_id"]) == "***"


@pytest.mark.parametrize(
    ("cell", "value", "mask"),
    [
        (column("plan"), None, ""),
        (column("plan"), "", ""),
        (column("is_member"), True, "true"),
        (column("MSG-push", "preference"), False, "false"),
        (column("crm_id"), 42, "42"),
        (column("Lat"), 48.1, "***"),
        (column("DOB"), date(1990, 5, 17), "***"),
        (column("joined"), date(2026, 11, 17), "2026-11-**"),
        (column("seen"), datetime(2026, 11, 17, 12, tzinfo=UTC), "2026-11-**"),
        (column("subscriptionGroups", "groups"), '{"a":"Subscribed","b":"Unsubscribed"}', "2 groups"),
        (column("all_identities", "all_identities"), ["user_1", "u@example.com"], "[u***, u***@e***.com]"),
        (column("clevertapIds", "clevertapIds"), ["ida", "idb", "idc", "idd"], "[i***, i***, i***, …]"),
        (column("tags"), [], "[]"),
    ],
)
def test_a_cells_mask_goes_by_its_column_and_type(cell: OutputColumn, value: Value, mask: str):
    assert mask_value(cell, value, []) == mask


@given(st.text(min_size=3))
def test_no_text_of_three_characters_or_more_survives_its_mask(text: str):
    assert text.strip("* ") == "" or text not in mask_text(text)


def test_a_decimal_keeps_its_places():
    assert (mask_number(Decimal("1.50")), mask_number(Decimal("12345.60"))) == ("1.50", "1****.**")
