"""Figures: what is counted of an export's rows as they stream by."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.core.columns import ColumnPlan, ColumnRole, OutputColumn
from ctexport_dagster.core.figures import FigureCount, Figures
from ctexport_dagster.core.schema import ValueType

Row = tuple[int, str]


def plan(*columns: tuple[ColumnRole, str, ValueType]) -> ColumnPlan:
    return ColumnPlan(tuple(OutputColumn(role, name, name, type_) for role, name, type_ in columns))


def counted(batches: list[list[Row]]) -> Figures:
    count = FigureCount(plan(("clevertapId", "clevertapId", ValueType.STRING)))
    for rows in batches:
        profiles = pl.DataFrame(rows, schema={"h": pl.UInt32(), "clevertapId": pl.String()}, orient="row")
        count.add(profiles, profiles.select("clevertapId"))
    return count.figures


ROWS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc")), max_size=12)


@given(ROWS, st.integers(1, 5))
def test_rows_that_are_in_order_and_repeat_no_id_are_exactly_those_of_which_nothing_is_counted(
    rows: list[Row], size: int
) -> None:
    figures = counted([rows[start : start + size] for start in range(0, len(rows), size)])
    assert figures.rows == len(rows)
    assert (figures.repeated == figures.misplaced == 0) == (rows == sorted(set(rows)))


def test_an_id_that_comes_again_in_the_next_batch_is_repeated():
    assert counted([[(1, "a"), (2, "b")], [(2, "b"), (3, "c")]]) == Figures(4, {"clevertapId": 0}, repeated=1)


def test_ids_of_one_hash_are_told_apart():
    assert counted([[(7, "a"), (7, "b")]]) == Figures(2, {"clevertapId": 0})


@pytest.mark.parametrize(
    ("role", "name", "type_", "values", "blank"),
    [
        ("property", "Email", ValueType.STRING, ["a", "", None], 1),
        ("property", "score", ValueType.FLOAT64, [1.0, None, None], 2),
        ("clevertapIds", "clevertapIds", ValueType.STRINGS, [["a"], None, ["b"]], 1),
        ("identity", "identity", ValueType.STRING, ["a", "", "b"], 1),
        ("identity", "identity", ValueType.STRINGS, [["a"], [], []], 2),
        ("all_identities", "all_identities", ValueType.STRINGS, [["a"], [], ["b"]], 1),
    ],
)
def test_a_value_is_blank_when_null_and_an_identifier_when_empty(
    role: ColumnRole, name: str, type_: ValueType, values: list[object], blank: int
) -> None:
    columns = plan((role, name, type_))
    count = FigureCount(columns)
    profiles = pl.DataFrame({"h": [1, 2, 3], "clevertapId": ["a", "b", "c"]}, schema_overrides={"h": pl.UInt32()})
    count.add(profiles, pl.DataFrame({columns.columns[0].key: values}, schema=columns.frame_schema))
    assert count.figures.blanks == {name: blank}


def test_figures_of_two_instances_add_up():
    one, other = Figures(2, {"a": 1, "b": 0}, repeated=1), Figures(3, {"a": 2, "b": 3}, misplaced=1)
    assert one + other == Figures(5, {"a": 3, "b": 3}, repeated=1, misplaced=1)
