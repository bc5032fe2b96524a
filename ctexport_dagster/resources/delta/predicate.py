"""A condition on rows, in SQL as Polars reads it, with the window's values in the place of :start, :end, :partition.

Values stand in columns beside the row's own while a condition is tried: so each keeps its type, and none becomes text
of a query.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import polars as pl
from polars.exceptions import PolarsError

from ctexport_dagster.core.errors import SourceUnreadable
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.normalise.utf8 import as_utf8

BINDS = ("start", "end", "partition")
_TOKEN = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|::|:(?P<bind>[A-Za-z_]\w*)|[()]|\w+|.""", re.DOTALL)


def checked_predicate(text: str | None) -> str | None:
    """The condition, once it is known to be one; for the validators of declarations."""
    if text is None:
        return None
    unknown = [name for name in binds_of(text) if name not in BINDS]
    if unknown:
        raise ValueError(f":{unknown[0]} is no variable of a condition: those are :start, :end, :partition")
    try:
        means_many = pl.sql_expr(_quoted(text)).meta.has_multiple_outputs()
    except PolarsError:
        raise ValueError("write a condition in SQL, as country = 'IN' AND age >= 18; it can't be read") from None
    if means_many:
        raise ValueError("name columns one by one; one that is called *, or as ^this$, can't stand in a condition")
    return text.strip()


def binds_of(text: str) -> list[str]:
    """The variables that a condition names."""
    return [match["bind"] for match in _TOKEN.finditer(text) if match["bind"]]


@dataclass(frozen=True)
class Predicate:
    """A condition for one partition."""

    text: str
    partition: str
    window: Interval
    attempted: str

    def holds(self, rows: pl.DataFrame) -> pl.Series:
        """Whether the condition holds (Boolean), row by row; false where it is null, as in SQL.

        Raises:
            SourceUnreadable: the rows lack a column, or one has a type that the condition can't compare.
        """
        return self._tried(self._whole, rows)

    def may_hold(self, values: Mapping[str, object], dtypes: Mapping[str, pl.DataType]) -> bool:
        """Whether it can hold for any row of a file whose rows all have these values; sure when it says no."""
        row = pl.DataFrame({name: pl.Series([value], dtype=dtypes[name]) for name, value in values.items()})
        known = {*values, *(f":{name}" for name in BINDS)}
        parts = [part for part in self._parts if set(part.meta.root_names()) <= known]
        return all(self._tried(part, row if values else pl.DataFrame({"": [None]})).item() for part in parts)

    @cached_property
    def _whole(self) -> pl.Expr:
        return pl.sql_expr(_quoted(self.text))

    @cached_property
    def _parts(self) -> list[pl.Expr]:
        return [pl.sql_expr(_quoted(part)) for part in conjuncts(self.text)]

    def _tried(self, condition: pl.Expr, rows: pl.DataFrame) -> pl.Series:
        needed = condition.meta.root_names()
        texts = [as_utf8(rows[name])[0].alias(name) for name in needed if rows.schema.get(name) == pl.Binary]
        given = [value.alias(name) for name, value in self._values.items() if name in needed]
        try:
            held = rows.with_columns(*texts, *given).select(condition.alias("held"))["held"].cast(pl.Boolean)
        except PolarsError as problem:
            what = f"its `where:` can't be tried on the table ({type(problem).__name__})"
            fix = "Name the table's own columns, and compare each with a value of its type, as CAST(day AS VARCHAR)"
            raise SourceUnreadable(self.attempted, what, f"{fix} = :partition.") from None
        return (held if len(held) == rows.height else held.new_from_index(0, rows.height)).fill_null(value=False)

    @property
    def _values(self) -> Mapping[str, pl.Expr]:
        instant = pl.Datetime("us", "UTC")
        return {
            ":start": pl.lit(self.window.start, instant),
            ":end": pl.lit(self.window.end, instant),
            ":partition": pl.lit(self.partition),
        }


def conjuncts(text: str) -> Sequence[str]:
    """The conditions that AND joins at the outermost level; the whole where that can't be told."""
    parts: list[str] = [""]
    depth = between = 0
    for match in _TOKEN.finditer(text):
        word = match[0].upper()
        depth += (word == "(") - (word == ")")
        if word in ("CASE", "OR") and not depth:
            return [text]
        if word == "BETWEEN" and not depth:
            between += 1
        if word == "AND" and not depth and not between:
            parts.append("")
            continue
        if word == "AND" and not depth:
            between -= 1
        parts[-1] += match[0]
    return parts


def _quoted(text: str) -> str:
    """The condition with each variable as the name of a column that holds its value."""
    return _TOKEN.sub(lambda match: f'":{match["bind"]}"' if match["bind"] else match[0], text)
