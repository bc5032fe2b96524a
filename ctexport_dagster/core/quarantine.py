"""The quarantine: source rows that can't be used, each kept whole with its reason, none lost.

A *quarantine frame* (polars) has the columns of `QUARANTINE_SCHEMA`. It holds values in the clear, so it lives in the
state folder alone: logs, metadata and errors show its counts by reason and field.
"""

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


def empty_quarantine() -> pl.DataFrame:
    """A quarantine frame without rows."""
    return pl.DataFrame(schema=QUARANTINE_SCHEMA)
