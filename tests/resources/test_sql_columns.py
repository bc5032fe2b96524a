"""Values of drivers without types of their own: decimals that later batches can widen."""

from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.datasets.normalise import KnownTable, TableNormaliser
from ctexport_dagster.resources.sql.columns import raw_batch


def column(*values: Decimal | None) -> pl.Series:
    return raw_batch(["d"], [(value,) for value in values], 1, "q").frame["d"]


@pytest.mark.req("B1")
def test_decimals_of_later_batches_widen_the_column_and_lose_no_row() -> None:
    normaliser = TableNormaliser(DeclaredDataset(), ZoneInfo("UTC"), KnownTable())
    parts = [[Decimal("1.5")], [Decimal("1.25"), None], [Decimal("123.4567"), Decimal("1E+3")]]
    rows = [normaliser.normalise(raw_batch(["d"], [(value,) for value in part], 1, "q")) for part in parts]
    assert [row.quarantined.height for row in rows] == [0, 0, 0]
    assert [value for row in rows for value in row.frame["d"]] == [value for part in parts for value in part]
    assert normaliser.schema["d"] == pl.Decimal(8, 4)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        ("0", pl.Decimal(1, 0)),
        ("-0.00", pl.Decimal(3, 2)),
        ("1E+3", pl.Decimal(4, 0)),
        ("1E-3", pl.Decimal(4, 3)),
        ("9" * 38, pl.Decimal(38, 0)),
    ],
)
def test_a_decimal_has_as_many_digits_as_it_needs(value: str, dtype: pl.DataType) -> None:
    assert (column(Decimal(value)).dtype, column(Decimal(value)).to_list()) == (dtype, [Decimal(value)])


def test_decimals_with_more_digits_than_a_column_has_are_text() -> None:
    assert column(Decimal("9" * 39), None).to_list() == ["9" * 39, None]
    assert column(Decimal("1E+30"), Decimal("1E-30")).to_list() == ["1" + "0" * 30, "0." + "0" * 29 + "1"]


def test_nan_among_decimals_makes_floats_that_are_refused_later_on() -> None:
    assert column(Decimal("NaN"), Decimal("1.5")).dtype == pl.Float64


@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**18), max_value=10**18, places=9)))
def test_whatever_the_decimals_they_arrive_as_they_are(values: list[Decimal]) -> None:
    assert column(*values).to_list() == values
