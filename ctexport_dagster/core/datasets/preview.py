"""The preview of a table: its first rows, every text masked, as nobody knows what a column holds."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import polars as pl

from ctexport_dagster.core.masking import MASK, SHOWN_PARTS, mask_number, mask_text


def masked_table(frame: pl.DataFrame) -> list[tuple[str, ...]]:
    """The rows of a frame, masked, in its columns' order; an empty text for null."""
    return [tuple(masked_cell(value) for value in row) for row in frame.rows()]


def masked_cell(value: object) -> str:
    """What a preview shows in a cell: of lists and structs, their values masked one by one."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case str():
            return mask_text(value) if value else ""
        case Decimal():
            return mask_number(value)
        case int() | float():
            return mask_number(value)
        case dt.date():
            return f"{value:%Y-%m}-**"
        case Mapping():
            return f"{{{', '.join(_parts(f'{name}: {masked_cell(item)}' for name, item in value.items()))}}}"
        case bytes() | dt.time() | dt.timedelta():
            return MASK
        case Sequence() | pl.Series():
            return f"[{', '.join(_parts(masked_cell(item) for item in value))}]"
        case _:
            return MASK


def _parts(masked: Iterator[str]) -> list[str]:
    """The first few, and whether there are more."""
    shown = [text for _, text in zip(range(SHOWN_PARTS), masked, strict=False)]
    return [*shown, "…"] if next(masked, None) is not None else shown
