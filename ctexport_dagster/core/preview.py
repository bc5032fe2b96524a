"""The preview: the first rows of an export as a Markdown table, every value masked.

Cells are code spans, so that a mask's stars and a value's brackets stay what they are, and no HTML can come of them.
"""

from collections.abc import Sequence

import polars as pl

from ctexport_dagster.core.columns import ColumnPlan
from ctexport_dagster.core.masking import mask_value

PREVIEW_ROWS = 10
PREVIEW_COLUMNS = 40


def masked_rows(frame: pl.DataFrame, plan: ColumnPlan, identifiers: Sequence[str]) -> list[tuple[str, ...]]:
    """The rows of a resolved frame, masked, in plan order; an empty text for null and for empty.

    `identifiers` is the export's `identity.order`: numbers among these properties are masked whole.
    """
    return [
        tuple(mask_value(column, value, identifiers) for column, value in zip(plan.columns, row, strict=True))
        for row in frame.select(column.key for column in plan.columns).rows()
    ]


def preview_table(frame: pl.DataFrame, plan: ColumnPlan, identifiers: Sequence[str]) -> str:
    """A Markdown table of the first ten rows and forty columns, masked; what it leaves out is said below it."""
    shown = plan.headers[:PREVIEW_COLUMNS]
    rows = [row[:PREVIEW_COLUMNS] for row in masked_rows(frame.head(PREVIEW_ROWS), plan, identifiers)]
    left_out = len(plan.columns) - len(shown)
    return markdown_table(shown, rows) + (f"\n… and {left_out} more columns\n" if left_out else "")


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table of these cells, whatever stands in them."""
    return "\n".join([_line(headers), "|" + " --- |" * len(headers), *(_line(row) for row in rows)]) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(text: str) -> str:
    plain = " ".join(text.replace("`", "'").replace("|", "\\|").split())
    return f"`{plain}`" if plain else ""
