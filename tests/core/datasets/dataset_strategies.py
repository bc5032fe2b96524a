"""Random tables: schemas of any types, nested to some depth, and frames of rows that fit them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from functools import partial

import polars as pl
from hypothesis import strategies as st

NAMES = st.text(st.sampled_from("aB1_.,;:\"'*^$ 😀é<&>{}[]\\/ߎ"), min_size=1, max_size=4)
"""Of columns and fields: everything that some format or reader takes for markup or a pattern."""

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
XML_TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=8)
"""Without the characters that XML can't hold."""

_INTEGERS: dict[type[pl.DataType], tuple[int, int]] = {
    pl.Int8: (-(2**7), 2**7 - 1),
    pl.Int16: (-(2**15), 2**15 - 1),
    pl.Int32: (-(2**31), 2**31 - 1),
    pl.Int64: (-(2**63), 2**63 - 1),
    pl.Int128: (-(2**127), 2**127 - 1),
    pl.UInt8: (0, 2**8 - 1),
    pl.UInt16: (0, 2**16 - 1),
    pl.UInt32: (0, 2**32 - 1),
    pl.UInt64: (0, 2**64 - 1),
    pl.UInt128: (0, 2**128 - 1),
}
_FLOAT_BITS: dict[type[pl.DataType], int] = {pl.Float16: 16, pl.Float32: 32, pl.Float64: 64}
_OTHERS = (
    pl.Boolean(),
    pl.String(),
    pl.Binary(),
    pl.Date(),
    pl.Time(),
    pl.Duration("us"),
    pl.Duration("ms"),
    pl.Null(),
)
_INSTANTS = (
    pl.Datetime("ms"),
    pl.Datetime("us"),
    pl.Datetime("us", "UTC"),
    pl.Datetime("ns", "Asia/Kolkata"),
    pl.Datetime("ns"),
)
_EXACT = Context(prec=40)
_NS_RANGE = datetime.fromisoformat("1678-01-01"), datetime.fromisoformat("2262-01-01")
_RANGE = datetime.fromisoformat("0001-01-02"), datetime.fromisoformat("9999-12-30")

SCALARS: st.SearchStrategy[pl.DataType] = st.one_of(
    st.sampled_from([*(number() for number in (*_INTEGERS, *_FLOAT_BITS)), *_OTHERS, *_INSTANTS]),
    st.integers(1, 38).flatmap(lambda digits: st.integers(0, digits).map(partial(pl.Decimal, digits))),
)
KEYS: st.SearchStrategy[pl.DataType] = st.sampled_from([pl.String(), pl.Int64(), pl.Date(), pl.Decimal(9, 2)])


def _nested(inner: st.SearchStrategy[pl.DataType]) -> st.SearchStrategy[pl.DataType]:
    return st.one_of(
        inner.map(pl.List),
        inner.map(partial(pl.Array, shape=2)),
        st.dictionaries(NAMES, inner, max_size=3).map(pl.Struct),
        st.tuples(KEYS, inner).map(lambda types: pl.Map(*types)),
    )


TYPES = st.recursive(SCALARS, _nested, max_leaves=5)
SCHEMAS = st.lists(st.tuples(NAMES, TYPES), min_size=1, max_size=5, unique_by=lambda column: column[0].casefold())


def values_of(dtype: pl.DataType, texts: st.SearchStrategy[str]) -> st.SearchStrategy[object]:
    """Values of a type, or None."""
    return st.none() | _present(dtype, texts)


def _present(dtype: pl.DataType, texts: st.SearchStrategy[str]) -> st.SearchStrategy[object]:
    match dtype:
        case pl.List():
            return st.lists(values_of(dtype.inner, texts), max_size=3)
        case pl.Array():
            return st.lists(values_of(dtype.inner, texts), min_size=2, max_size=2)
        case pl.Struct():
            return st.fixed_dictionaries({field.name: values_of(field.dtype, texts) for field in dtype.fields})
        case pl.Map():
            return st.dictionaries(_present(dtype.key, texts), values_of(dtype.value, texts), max_size=3)
        case pl.Decimal():
            return _decimals(dtype.precision, dtype.scale)
        case pl.Datetime():
            return _instants(dtype)
        case pl.Duration():
            step = timedelta(milliseconds=1) if dtype.time_unit == "ms" else timedelta(microseconds=1)
            return st.integers(-(10**14), 10**14).map(lambda count: count * step)
        case _ if type(dtype) in _INTEGERS:
            return st.integers(*_INTEGERS[type(dtype)])
        case _ if type(dtype) in _FLOAT_BITS:
            return st.floats(width=_FLOAT_BITS[type(dtype)])
        case _:
            return _OTHER_VALUES[type(dtype)](texts)


_OTHER_VALUES: dict[type[pl.DataType], Callable[[st.SearchStrategy[str]], st.SearchStrategy[object]]] = {
    pl.Boolean: lambda _: st.booleans(),
    pl.String: lambda texts: texts,
    pl.Binary: lambda _: st.binary(max_size=6),
    pl.Date: lambda _: st.dates(),
    pl.Time: lambda _: st.times(),
    pl.Null: lambda _: st.none(),
}


def _decimals(precision: int, scale: int) -> st.SearchStrategy[object]:
    return st.integers(1 - 10**precision, 10**precision - 1).map(lambda digits: Decimal(digits).scaleb(-scale, _EXACT))


def _instants(dtype: pl.Datetime) -> st.SearchStrategy[object]:
    """Of the unit's precision (microseconds for nanoseconds) and range."""
    instants = st.datetimes(*(_NS_RANGE if dtype.time_unit == "ns" else _RANGE))
    if dtype.time_unit == "ms":
        instants = instants.map(lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000))
    return instants.map(lambda at: at.replace(tzinfo=UTC)) if dtype.time_zone else instants


def frames(texts: st.SearchStrategy[str] = TEXTS, max_rows: int = 4) -> st.SearchStrategy[pl.DataFrame]:
    """Tables of at least one row."""
    return SCHEMAS.flatmap(partial(_frames_of, texts=texts, max_rows=max_rows))


def _frames_of(
    columns: list[tuple[str, pl.DataType]], texts: st.SearchStrategy[str], max_rows: int
) -> st.SearchStrategy[pl.DataFrame]:
    row = st.tuples(*(values_of(dtype, texts) for _, dtype in columns))
    return st.lists(row, min_size=1, max_size=max_rows).map(partial(_frame, columns))


def _frame(columns: list[tuple[str, pl.DataType]], rows: list[tuple[object, ...]]) -> pl.DataFrame:
    return pl.DataFrame(
        [pl.Series(name, [row[place] for row in rows], dtype) for place, (name, dtype) in enumerate(columns)]
    )
