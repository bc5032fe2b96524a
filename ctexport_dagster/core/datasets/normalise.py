"""Raw rows of a table brought to the columns and types that it is known to have, and those that can't be.

A column's type is the declared one, else the one that it has in other partitions, else that of its first values. Wider
values widen it (widening.py), a text column takes anything spelt out, and rows with values of other types are refused.

Two things show only while the input is read, and mean that it must be read again (`must_reread`): that the values of a
new column don't go together, which becomes text; and that the type of other partitions, which needn't go together with
this one, isn't the column's any more, as most of its values don't have it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias
from zoneinfo import ZoneInfo

import polars as pl

from ctexport_dagster.core.datasets.casting import cast_exactly, holds_inexact, nowhere, simplified
from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.datasets.source import RawRows
from ctexport_dagster.core.datasets.widening import NO_TYPE, needs_exact_floats, widened, with_floats
from ctexport_dagster.core.normalise.fields import read_field
from ctexport_dagster.core.normalise.refusals import Refusals
from ctexport_dagster.core.normalise.utf8 import as_utf8
from ctexport_dagster.core.quarantine import Reason
from ctexport_dagster.core.schema import ValueType

TEXT = pl.String()
_FLOATS = (ValueType.FLOAT32, ValueType.FLOAT64)
Given: TypeAlias = tuple[str, pl.Series]
"""Values of a column, with the column of the raw frame that they stand in."""


@dataclass(frozen=True)
class KnownTable:
    """What is known of a table beside the partition that is taken in."""

    schema: pl.Schema = field(default_factory=pl.Schema)
    """The columns of all other partitions, with types that hold the values of all."""
    before: tuple[str, ...] = ()
    """Those of them that the partitions before have: they stay, whether the source still gives them or not."""
    wide: frozenset[str] = frozenset()
    """Those that hold whole numbers which have no float64 of their own, so that they never become floats."""
    is_binding: bool = True
    """Whether partitions are put together, so that all must have one type; else most of a partition's values decide."""

    def without(self, names: frozenset[str]) -> "KnownTable":
        """The table with nothing known of the types of these columns."""
        types = {name: dtype for name, dtype in self.schema.items() if name not in names}
        return replace(self, schema=pl.Schema(types), wide=self.wide - names)


@dataclass(frozen=True)
class NormalisedRows:
    """One batch: `frame` and `quarantined` together hold every row that the raw batch gave, each once, in order.

    `frame` has the columns that the partition's batches had so far; in the next one there may be more, or wider, ones.
    """

    frame: pl.DataFrame
    quarantined: pl.DataFrame


class TableNormaliser:
    """Takes the batches of one partition, in order; `texts` names new columns that are text whatever they hold."""

    def __init__(self, declared: DeclaredDataset, zone: ZoneInfo, known: KnownTable, texts: Iterable[str] = ()) -> None:
        self._declared, self._zone, self._known = declared, zone, known
        self._types: dict[str, pl.DataType] = dict(known.schema)
        self._types.update(dict.fromkeys(texts, TEXT))
        self._present: dict[str, None] = {}
        self._wide = set(known.wide)
        self._mixed: set[str] = set()
        self._fitting, self._contradicting = Counter[str](), Counter[str]()

    def normalise(self, raw: RawRows) -> NormalisedRows:
        """The batch in the table's types. Never raises for a row: what can't be used is quarantined."""
        refusals = Refusals(raw)
        further = {column for columns in raw.variants.values() for column in columns}
        found = {name: self._column(name, raw, refusals) for name in raw.frame.columns if name not in further}
        self._present.update(dict.fromkeys(found))
        rows = raw.frame.height
        cursor = self._declared.cursor
        if cursor is not None:
            given = found[cursor].is_not_null() if cursor in found else nowhere(rows)
            refusals.add(cursor, Reason.MISSING_VALUE, ~given)
        # By name: in a list of series, one that is called "" would get another name.
        frame = pl.DataFrame(
            {name: found[name] if name in found else _nulls(self._types[name], rows) for name in self._present}
        )
        nobody = pl.Series([None] * rows, dtype=pl.String)
        kept = frame.filter(~refusals.rows) if refusals.any else frame
        return NormalisedRows(kept, pl.concat([refusals.quarantined(nobody), raw.unreadable]))

    @property
    def schema(self) -> pl.Schema:
        """The columns of the partitions before, then those that are new, in the source's order."""
        names = dict.fromkeys((*self._known.before, *self._present))
        return pl.Schema({name: self._types[name] for name in names})

    @property
    def present(self) -> tuple[str, ...]:
        """The columns that the partition's batches had, by first appearance."""
        return tuple(self._present)

    @property
    def wide(self) -> frozenset[str]:
        """The columns of the schema that hold whole numbers which have no float64 of their own, or are known to."""
        return frozenset(name for name in self._wide if with_floats(self._types[name]) != self._types[name])

    @property
    def mixed(self) -> frozenset[str]:
        """New columns whose values don't go together: a second pass takes them as `texts`."""
        return frozenset(self._mixed)

    @property
    def outgrown(self) -> frozenset[str]:
        """After the last batch: columns whose type elsewhere most values don't have, to be taken as new ones."""
        if self._known.is_binding:
            return frozenset()
        known = self._known.schema
        return frozenset(
            name for name, rows in self._contradicting.items() if name in known and rows > self._fitting[name]
        )

    @property
    def must_reread(self) -> bool:
        """After the last batch: whether they aren't in the types that the partition needs."""
        return bool(self._mixed or self.outgrown)

    def _column(self, name: str, raw: RawRows, refusals: Refusals) -> pl.Series:
        columns = (name, *raw.variants.get(name, ()))
        # Series methods look their own name up among columns, where `^b$` and `*` would be patterns.
        given = [(column, raw.frame[column].alias("values")) for column in columns]
        target = self._declared.types.get(name, ValueType.UNKNOWN)
        if target != ValueType.UNKNOWN:
            self._types[name] = target.dtype
            return _united(target.dtype, [self._as_declared(name, one, target, refusals) for one in given])
        plain = [(one[0], _plain(name, one, refusals)) for one in given]
        held = [one for one in plain if one[1].null_count() < len(one[1])]
        dtype = self._settled(name, held) if held else self._types.setdefault(name, plain[0][1].dtype)
        pieces: list[pl.Series] = []
        for column, values in held:
            cast, wrong = cast_exactly(values, dtype)
            refusals.add(name, Reason.CONTRADICTS_TYPE, wrong, column)
            self._contradicting[name] += int(wrong.sum())
            self._fitting[name] += cast.len() - cast.null_count()
            pieces.append(cast)
        return _united(dtype, pieces or [_nulls(dtype, raw.frame.height)])

    def _settled(self, name: str, held: Sequence[Given]) -> pl.DataType:
        """The column's type, once these values are in it."""
        dtype = self._types.get(name, NO_TYPE)
        if any(holds_inexact(values) for _, values in held):
            self._wide.add(name)
        for _, values in held:
            dtype = self._with(name, dtype, values.dtype)
        self._types[name] = dtype
        return dtype

    def _with(self, name: str, known: pl.DataType, seen: pl.DataType) -> pl.DataType:
        if known == TEXT and seen != pl.Binary:
            return known
        wider = widened(known, seen)
        if wider is None:
            is_new = self._known.schema.get(name, NO_TYPE) == NO_TYPE
            if not is_new or pl.Binary in (known, seen):
                return known
            self._mixed.add(name)
            return TEXT
        return known if name in self._wide and needs_exact_floats(known, wider) else wider

    def _as_declared(self, name: str, given: Given, target: ValueType, refusals: Refusals) -> pl.Series:
        column, values = given
        if target in _FLOATS:
            text = _as_text(name, given, refusals) if values.dtype == pl.Binary else values
            floats = _as_floats(text, target.dtype)
            refusals.add(name, Reason.CONTRADICTS_TYPE, floats.is_null() & _is_given(text), column)
            return floats
        reading = read_field(values, target, self._zone)
        refusals.take(name, reading.refusals, column)
        return reading.values


def _plain(name: str, given: Given, refusals: Refusals) -> pl.Series:
    column, values = given
    simple, lost = simplified(values)
    refusals.add(name, Reason.CONTRADICTS_TYPE, lost, column)
    return simple


def _as_text(name: str, given: Given, refusals: Refusals) -> pl.Series:
    column, values = given
    text, broken = as_utf8(values)
    refusals.add(name, Reason.INVALID_TEXT, broken, column)
    return text


def _as_floats(values: pl.Series, target: pl.DataType) -> pl.Series:
    """Numbers and their text, NaN and infinities among them; null where a value is none, or would be another one."""
    if values.dtype.is_integer():
        return cast_exactly(values, target)[0]
    if values.dtype == pl.String:
        return _spelt_floats(values.str.strip_chars(), target)
    if values.dtype.is_numeric():
        return values.cast(target, strict=False)
    return _nulls(target, len(values))


def _spelt_floats(texts: pl.Series, target: pl.DataType) -> pl.Series:
    """Null where a number is too great for the type, or a whole one has no float of its own, as of numbers."""
    floats = texts.cast(target, strict=False)
    overflows = floats.is_infinite() & texts.str.contains(r"\d")
    whole = texts.str.extract(r"^\+?(-?\d+)$")
    inexact = whole.is_not_null() & cast_exactly(whole.cast(pl.Int128, strict=False), target)[0].is_null()
    return floats.zip_with(~(overflows | inexact).fill_null(value=False), _nulls(target, len(floats)))


def _is_given(values: pl.Series) -> pl.Series:
    """The rows (Boolean) that have a value; blank text is none where a number is wanted."""
    return values.str.strip_chars().ne("").fill_null(value=False) if values.dtype == pl.String else values.is_not_null()


def _nulls(dtype: pl.DataType, rows: int) -> pl.Series:
    return pl.Series([None], dtype=dtype).new_from_index(0, rows)


def _united(dtype: pl.DataType, pieces: Sequence[pl.Series]) -> pl.Series:
    values = pieces[0]
    for piece in pieces[1:]:
        values = values.zip_with(values.is_not_null(), piece)
    return values if values.dtype == dtype else values.cast(dtype)
