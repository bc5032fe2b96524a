"""The refused rows of one batch: each once, with the first reason found, told in full in a quarantine frame."""

from collections.abc import Iterable

import polars as pl

from ctexport_dagster.core.normalise.json_text import canonical_json
from ctexport_dagster.core.normalise.values import Refusal
from ctexport_dagster.core.quarantine import QUARANTINE_SCHEMA, Reason, empty_quarantine
from ctexport_dagster.core.source import RawBatch


class Refusals:
    """Collects what is wrong with a batch's rows; values are looked up for the refused rows alone."""

    def __init__(self, raw: RawBatch) -> None:
        self._raw = raw
        self._rows = pl.Series([False] * raw.frame.height, dtype=pl.Boolean)
        self._findings: list[tuple[pl.Series, Reason, str, str]] = []

    def add(self, field: str, reason: Reason, rows: pl.Series, column: str | None = None) -> None:
        """Refuses rows (Boolean) for their value of a field, which stands in a column of the raw frame."""
        fresh = rows & ~self._rows
        if fresh.any():
            self._findings.append((fresh, reason, field, column or field))
            self._rows |= fresh

    def take(self, field: str, refusals: Iterable[Refusal], column: str) -> None:
        """Refuses what a reading of a column refused."""
        for refusal in refusals:
            self.add(field, refusal.reason, refusal.rows, column)

    @property
    def any(self) -> bool:
        return bool(self._findings)

    @property
    def rows(self) -> pl.Series:
        """The refused rows (Boolean)."""
        return self._rows

    def quarantined(self, identifier: pl.Series) -> pl.DataFrame:
        """The refused rows as a quarantine frame, in source order; `identifier` holds the batch's clevertapIds."""
        if not self._findings:
            return empty_quarantine()
        told = pl.concat([self._told(*finding) for finding in self._findings]).sort("at")
        at = told["at"]
        refused = pl.DataFrame([_tellable(column) for column in self._raw.frame[at]])
        rows = [self._row_text(row) for row in refused.iter_rows(named=True)]
        return told.with_columns(
            clevertapId=identifier.gather(at), row=pl.Series(rows, dtype=pl.String), place=self._places(at)
        ).select(QUARANTINE_SCHEMA.keys())

    def _told(self, rows: pl.Series, reason: Reason, field: str, column: str) -> pl.DataFrame:
        at = rows.arg_true()
        values = pl.Series(
            [None if value is None else _shown(value) for value in self._given(column, at)], dtype=pl.String
        )
        return pl.DataFrame({"at": at, "reason": [reason.value] * len(at), "field": [field] * len(at), "value": values})

    def _given(self, column: str, at: pl.Series) -> list[object]:
        if column not in self._raw.frame.columns:
            return [None] * len(at)
        # Series methods look their own name up among columns, where `^b$` and `*` would be patterns.
        return _tellable(self._raw.frame[column].alias("value").gather(at)).to_list()

    def _row_text(self, row: dict[str, object]) -> str:
        named = {further: name for name, columns in self._raw.variants.items() for further in columns}
        return _shown({named.get(column, column): value for column, value in row.items() if value is not None})

    def _places(self, at: pl.Series) -> pl.Series:
        if self._raw.numbers is None:
            return pl.Series([self._raw.origin or None] * len(at), dtype=pl.String)
        return self._raw.origin + ":" + self._raw.numbers.gather(at).cast(pl.String)


def _tellable(values: pl.Series) -> pl.Series:
    """The values; times before year 1 or after 9999, which Python can't hold, make their column one of numbers."""
    if not values.dtype.is_temporal():
        return values
    try:
        values.to_list()
    except (OverflowError, ValueError):
        return values.to_physical()
    return values


def _shown(value: object) -> str:
    """A value for people: text as it is, the rest as JSON; broken bytes are spelt out, odd numbers named."""
    legible = _legible(value)
    return legible if isinstance(legible, str) else canonical_json(legible)


def _legible(value: object) -> object:
    match value:
        case dict():
            return {str(_legible(key)): _legible(item) for key, item in value.items()}
        case list():
            return [_legible(item) for item in value]
        case bytes():
            return value.decode(errors="backslashreplace")
        case float() if value - value != 0:
            return str(value)
        case _:
            return value
