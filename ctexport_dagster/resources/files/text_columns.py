"""CSV files as rows of a table: every column text, rows that aren't UTF-8 refused."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl

from ctexport_dagster.core.normalise.utf8 import as_utf8
from ctexport_dagster.core.quarantine import QUARANTINE_SCHEMA, Reason
from ctexport_dagster.core.source import RawBatch
from ctexport_dagster.resources.files.csv import csv_batches


def text_batches(path: Path, origin: str) -> Iterator[RawBatch]:
    """The file's rows in order, as `csv_batches` gives them, with String columns; those of empty fields alone, too.

    Raises:
        SourceUnreadable: the header is broken, or names a column twice or not at all.
    """
    for batch in csv_batches(path, origin, keeps_empty=True):
        yield _as_text(batch)


def _as_text(batch: RawBatch) -> RawBatch:
    texts: dict[str, pl.Series] = {}
    broken = pl.Series([False]).new_from_index(0, batch.frame.height)
    for column in batch.frame.iter_columns():
        # Polars takes some columns' names for patterns.
        texts[column.name], is_broken = as_utf8(column.alias("text"))
        broken |= is_broken
    frame = pl.DataFrame(texts)
    if not broken.any() or batch.numbers is None:
        return replace(batch, frame=frame)
    rows = zip(batch.numbers.filter(broken), batch.frame.filter(broken).iter_rows(named=True), strict=True)
    refused = [
        (None, Reason.INVALID_TEXT.value, None, None, _row_text(row), f"{batch.origin}:{number}")
        for number, row in rows
    ]
    unreadable = pl.concat([batch.unreadable, pl.DataFrame(refused, schema=QUARANTINE_SCHEMA, orient="row")])
    whole = ~broken
    return replace(batch, frame=frame.filter(whole), unreadable=unreadable, numbers=batch.numbers.filter(whole))


def _row_text(row: Mapping[str, bytes | None]) -> str:
    shown = {name: value and value.decode(errors="backslashreplace") for name, value in row.items()}
    return json.dumps(shown, ensure_ascii=False)
