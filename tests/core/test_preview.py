"""The preview table: masked, escaped, bounded."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.core.columns import ColumnPlan, OutputColumn
from ctexport_dagster.core.preview import PREVIEW_COLUMNS, PREVIEW_ROWS, preview_table
from ctexport_dagster.core.schema import ValueType


def plan_of(*names: str) -> ColumnPlan:
    return ColumnPlan(tuple(OutputColumn("property", name, name, ValueType.STRING) for name in names))


def table_of(names: list[str], rows: list[list[str | None]]) -> list[str]:
    plan = plan_of(*names)
    frame = pl.DataFrame(rows, schema={column.key: pl.String for column in plan.columns}, orient="row")
    return preview_table(frame, plan, []).splitlines()


def test_the_table_shows_headers_and_masks():
    assert table_of(["Email", "plan"], [["user@example.com", "gold"], [None, ""]]) == [
        "| `Email` | `plan` |",
        "| --- | --- |",
        "| `u***@e***.com` | `g***` |",
        "|  |  |",
    ]


def test_a_header_can_neither_break_the_table_nor_bring_html():
    assert table_of(["a|b", "x`<b>\n`"], [])[0] == "| `a\\|b` | `x'<b> '` |"


@given(st.lists(st.lists(st.text("|`<>\n ab*", max_size=6), min_size=2, max_size=2), max_size=4))
def test_every_line_has_as_many_cells_as_there_are_columns(rows: list[list[str | None]]):
    lines = table_of(["a", "b"], rows)
    assert [line.replace("\\|", "").count("|") for line in lines] == [3] * (2 + len(rows))


def test_ten_rows_are_shown_and_no_more():
    assert len(table_of(["a"], [["text"]] * 12)) == 2 + PREVIEW_ROWS


def test_columns_past_the_fortieth_are_counted_below():
    names = [f"c{number}" for number in range(PREVIEW_COLUMNS + 2)]
    assert table_of(names, [])[-1] == "… and 2 more columns"
