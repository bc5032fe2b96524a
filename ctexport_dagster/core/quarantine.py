"""The quarantine: source rows that can't be used, each kept whole with its reason, none lost.

A *quarantine frame* (polars) has the columns of `QUARANTINE_SCHEMA`. It holds values in the clear, so it lives in the
state folder alone: logs, metadata and errors show its counts by reason and field.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import polars as pl


class Reason(StrEnum):
    """Why a row was refused."""

    MISSING_ID = "missing_id"
    MISSING_VALUE = "missing_value"
    DUPLICATE_ID = "duplicate_id"
    DUPLICATE_KEY = "duplicate_key"
    UNREADABLE = "unreadable"
    INVALID_TEXT = "invalid_text"
    CONTRADICTS_TYPE = "contradicts_type"
    NOT_FINITE = "not_finite"


QUARANTINE_SCHEMA: dict[str, pl.DataType] = {
    "clevertapId": pl.String(),
    "reason": pl.String(),
    "field": pl.String(),
    "value": pl.String(),
    "row": pl.String(),
    "place": pl.String(),
}
"""`field` and `value`: the first offending one, null where the row as a whole is meant; `row`: the row as JSON text
(or as it stood, where it couldn't be read); `place`: `<file name>:<row or line number>`."""


@dataclass(frozen=True)
class RefusedCount:
    """How many rows were refused for one reason and field; `field` None where the row as a whole is meant."""

    reason: str
    field: str | None
    rows: int
    first: str | None
    """Where the first of them stands: `<file name>:<row or line number>`."""

    def __str__(self) -> str:
        """As "3 contradicts_type in price, first at a.csv:4"."""
        where = f" in {self.field}" if self.field else ""
        return f"{self.rows:,} {self.reason}{where}" + (f", first at {self.first}" if self.first else "")


_TOLD = 5


def told_counts(counts: Sequence[RefusedCount]) -> str:
    """The first few of these counts in a line."""
    more = sum(count.rows for count in counts[_TOLD:])
    return "; ".join([*map(str, counts[:_TOLD]), *([f"{more:,} for other reasons or fields"] if more else [])])


def summed(counts: Iterable[RefusedCount]) -> list[RefusedCount]:
    """Those of several files together, most rows first; none tells where its first row stands."""
    rows = Counter[tuple[str, str | None]]()
    for count in counts:
        rows[count.reason, count.field] += count.rows
    return [RefusedCount(reason, name, many, None) for (reason, name), many in rows.most_common()]


def empty_quarantine() -> pl.DataFrame:
    """A quarantine frame without rows."""
    return pl.DataFrame(schema=QUARANTINE_SCHEMA)
