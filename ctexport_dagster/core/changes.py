"""What changed between two states of the same profiles, by value.

Compared are the identifiers (`identity` in order, `clevertapIds` as a set), the subscription groups, and every user
property and preference. Device data, `updatedAt` and the instance are not. Source: REQUIREMENTS P25.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from ctexport_dagster.core.schema import STRINGS, Field, SourceSchema, ValueType

COMPARED_KEYS = ("identity", "clevertapIds", "subscriptionGroups")


@dataclass(frozen=True)
class Changes:
    """The rows of an `after` frame, parted by what became of the profile; each keeps its columns and order."""

    created: pl.DataFrame
    updated: pl.DataFrame
    unchanged: pl.DataFrame
    tombstones: pl.DataFrame

    @property
    def exported(self) -> pl.DataFrame:
        """The created and the updated rows, sorted by (h, clevertapId)."""
        return pl.concat([self.created, self.updated]).sort("h", "clevertapId")


def classify(before: pl.DataFrame, after: pl.DataFrame, schema: SourceSchema) -> Changes:
    """What became of each profile of `after` since `before`.

    Both are profile frames with the value columns of `schema`; `before` has the living rows alone, `after` may have
    deleted ones. A profile that was deleted without having lived before is in none of the four.
    """
    earlier = rows_of(before, after["clevertapId"])
    lived, dies = earlier.is_not_null(), after["deleted"]
    columns = compared_columns(schema.fields)
    is_same = lived & ~dies
    both = is_same.arg_true()
    same = same_values(before, after, columns, earlier.gather(both), both)
    is_same = is_same.scatter(both, same)
    return Changes(
        created=after.filter(~lived & ~dies),
        updated=after.filter(lived & ~dies & ~is_same),
        unchanged=after.filter(is_same),
        tombstones=after.filter(lived & dies),
    )


def changed_fields(before: pl.DataFrame, after: pl.DataFrame, schema: SourceSchema) -> tuple[str, ...]:
    """The names, never values, of what differs between two states of one profile, each a frame of one row.

    `schema` is that of the later one; the earlier one may lack some of its fields, or hold them in narrower types.
    """
    keys = [name for name in COMPARED_KEYS if not _same(before[name], after[name]).all()]
    fields = [f for f in _compared(schema.fields) if not _same(_values(before, f), _values(after, f)).all()]
    return (*keys, *(field.name for field in fields))


def compared_columns(fields: Sequence[Field]) -> tuple[str, ...]:
    """The columns of a profile frame whose difference makes a change."""
    return (*COMPARED_KEYS, *(field.column for field in _compared(fields)))


def same_values(
    left: pl.DataFrame, right: pl.DataFrame, columns: Sequence[str], left_rows: pl.Series, right_rows: pl.Series
) -> pl.Series:
    """Whether these rows of two frames, pair by pair, have the same values in all these columns.

    A missing value equals a missing value alone; numbers compare by value, also across types.
    """
    same = pl.repeat(value=True, n=len(left_rows), dtype=pl.Boolean, eager=True)
    for name in columns if len(left_rows) else ():
        same &= _same(left[name].gather(left_rows), right[name].gather(right_rows))
    return same


def rows_of(frame: pl.DataFrame, ids: pl.Series) -> pl.Series:
    """The row number in `frame` of each of these ids, null for those that it doesn't hold. UInt32."""
    numbered = frame.select("clevertapId").with_row_index("row")
    wanted = pl.DataFrame({"clevertapId": ids})
    return wanted.join(numbered, on="clevertapId", how="left", maintain_order="left")["row"]


def _compared(fields: Sequence[Field]) -> list[Field]:
    return [field for field in fields if field.type != ValueType.UNKNOWN]


def _values(frame: pl.DataFrame, field: Field) -> pl.Series:
    """The values of a field, in whichever of its types the frame has it; null where it has none."""
    columns = [column for kind in ValueType if (column := Field(field.role, field.name, kind).column) in frame.columns]
    return frame[columns[0]] if columns else pl.Series([None] * frame.height, dtype=field.type.dtype)


def _same(left: pl.Series, right: pl.Series) -> pl.Series:
    if left.name in ("identity", "clevertapIds"):
        return _same_ids(left, right)
    if left.dtype != right.dtype and left.dtype.is_numeric() and right.dtype.is_numeric():
        return left.cast(pl.Float64).eq_missing(right.cast(pl.Float64))
    return left.eq_missing(right)


def _same_ids(left: pl.Series, right: pl.Series) -> pl.Series:
    """No ids and an empty list of them are the same; the order counts for `identity` alone."""
    same = left.eq_missing(right)
    doubtful = (~same).arg_true()
    if doubtful.is_empty():
        return same
    pair = (_canonical(left.gather(doubtful)), _canonical(right.gather(doubtful)))
    return same.scatter(doubtful, pair[0].eq_missing(pair[1]))


def _canonical(ids: pl.Series) -> pl.Series:
    filled = ids.fill_null(pl.Series([[]], dtype=STRINGS))
    return filled.list.unique().list.sort() if ids.name == "clevertapIds" else filled
