"""Which types of a table's columns give way to which, and that no value is lost by it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ctexport_dagster.core.datasets.casting import cast_exactly, holds_inexact, simplified
from ctexport_dagster.core.datasets.widening import Contradiction, needs_exact_floats, united, widened

MICRO, NANO = pl.Datetime("us"), pl.Datetime("ns")
ZONED = pl.Datetime("us", "UTC")
clock = datetime.fromisoformat


@pytest.mark.req("B6")
@pytest.mark.parametrize(
    ("known", "seen", "wider"),
    [
        (pl.Int8(), pl.Int64(), pl.Int64()),
        (pl.Int64(), pl.Int8(), pl.Int64()),
        (pl.UInt8(), pl.UInt32(), pl.UInt32()),
        (pl.UInt8(), pl.Int8(), pl.Int16()),
        (pl.Int64(), pl.UInt32(), pl.Int64()),
        (pl.UInt64(), pl.Int64(), pl.UInt64()),
        (pl.Int64(), pl.UInt64(), pl.Int64()),
        (pl.Float32(), pl.Float64(), pl.Float64()),
        (pl.Int16(), pl.Float32(), pl.Float32()),
        (pl.Int32(), pl.Float32(), pl.Float64()),
        (pl.Float64(), pl.Int64(), pl.Float64()),
        (pl.Decimal(10, 2), pl.Decimal(8, 4), pl.Decimal(12, 4)),
        (pl.Int32(), pl.Decimal(5, 2), pl.Decimal(12, 2)),
        (pl.Decimal(38, 20), pl.Int64(), pl.Decimal(38, 20)),
        (pl.Decimal(5, 2), pl.Float64(), pl.Decimal(5, 2)),
        (pl.Float64(), pl.Decimal(5, 2), pl.Float64()),
        (pl.Date(), MICRO, None),
        (MICRO, ZONED, None),
        (pl.Datetime("ms"), MICRO, MICRO),
        (MICRO, NANO, MICRO),
        (NANO, MICRO, NANO),
        (ZONED, pl.Datetime("us", "Asia/Kolkata"), ZONED),
        (pl.Duration("ms"), pl.Duration("us"), pl.Duration("us")),
        (pl.Null(), pl.Time(), pl.Time()),
        (pl.String(), pl.Null(), pl.String()),
        (pl.Int64(), pl.String(), None),
        (pl.Boolean(), pl.Int64(), None),
        (pl.Binary(), pl.String(), None),
        (pl.List(pl.Null()), pl.List(pl.Int8()), pl.List(pl.Int8())),
        (pl.List(pl.Int8()), pl.List(pl.String()), None),
        (pl.Array(pl.Int8(), 2), pl.Array(pl.Int16(), 2), pl.Array(pl.Int16(), 2)),
        (pl.Array(pl.Int8(), 2), pl.Array(pl.Int8(), 3), pl.List(pl.Int8())),
        (
            pl.Struct({"a": pl.Int8, "b": pl.String}),
            pl.Struct({"c": pl.Date, "a": pl.Int16}),
            pl.Struct({"a": pl.Int16, "b": pl.String, "c": pl.Date}),
        ),
        (pl.Struct({"a": pl.Int8}), pl.Struct({"a": pl.String}), None),
        (pl.Map(pl.String, pl.Int8), pl.Map(pl.String, pl.Int16), pl.Map(pl.String, pl.Int16)),
        (pl.Map(pl.String, pl.Int8), pl.Map(pl.Int8, pl.Int8), None),
    ],
)
def test_a_type_gives_way_to_what_holds_both(known: pl.DataType, seen: pl.DataType, wider: pl.DataType | None) -> None:
    assert widened(known, seen) == wider


def test_columns_are_united_by_first_appearance() -> None:
    schemas = [
        pl.Schema({"b": pl.Int8(), "a": pl.Null()}),
        pl.Schema({"a": pl.Date(), "c": pl.Time(), "b": pl.Int64()}),
    ]
    assert list(united(schemas).items()) == [("b", pl.Int64()), ("a", pl.Date()), ("c", pl.Time())]


def test_columns_that_contradict_each_other_are_named_with_their_place() -> None:
    with pytest.raises(Contradiction) as told:
        united([pl.Schema({"a": pl.Int8()}), pl.Schema({"b": pl.Int8()}), pl.Schema({"a": pl.Date()})])
    assert (told.value.column, told.value.place) == ("a", 2)


@pytest.mark.parametrize(
    ("values", "target", "held"),
    [
        (pl.Series([1, 2**53 + 1, None]), pl.Float64(), [1.0, None, None]),
        (pl.Series([1, -1], dtype=pl.Int64), pl.UInt64(), [1, None]),
        (pl.Series([2**64 - 1, 7], dtype=pl.UInt64), pl.Int64(), [None, 7]),
        (
            pl.Series([Decimal("1.50"), Decimal("2.55")], dtype=pl.Decimal(5, 2)),
            pl.Decimal(5, 1),
            [Decimal("1.5"), None],
        ),
        (pl.Series([Decimal(3), Decimal(12345678901234567890)], dtype=pl.Decimal(38, 0)), pl.Float64(), [3.0, None]),
        (pl.Series([1.5, 0.125, 0.1 + 0.2]), pl.Decimal(9, 2), [Decimal("1.50"), None, None]),
        (pl.Series([clock("9999-12-31"), clock("2020-01-01")]), NANO, [None, clock("2020-01-01")]),
        (
            pl.Series([{"a": 2**53 + 1}, {"a": 1}]),
            pl.Struct({"b": pl.Date, "a": pl.Float64}),
            [None, {"b": None, "a": 1}],
        ),
        (pl.Series([[1, 2], [2**53 + 1]]), pl.List(pl.Float64), [[1.0, 2.0], None]),
    ],
)
def test_a_value_that_a_type_cannot_hold_is_told_apart(
    values: pl.Series, target: pl.DataType, held: list[object]
) -> None:
    cast, wrong = cast_exactly(values, target)
    assert (cast.dtype, cast.to_list()) == (target, held)
    assert wrong.to_list() == [
        one is None and given is not None for one, given in zip(held, values.to_list(), strict=True)
    ]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pl.Series([True, None]), ["true", None]),
        (pl.Series([1.5, float("nan")]), ["1.5", "NaN"]),
        (pl.Series([Decimal("1.50")], dtype=pl.Decimal(38, 2)), ["1.50"]),
        (pl.Series([date(2026, 11, 1)]), ["2026-11-01"]),
        (pl.Series([clock("2026-11-01T02:00:00")]), ["2026-11-01T02:00:00"]),
        (pl.Series([datetime(2026, 11, 1, 2, tzinfo=UTC)]), ["2026-11-01T02:00:00Z"]),
        (pl.Series([timedelta(hours=1)]), ["PT1H"]),
        (pl.Series([{"b": [1, None], "a": "é"}, None]), ['{"a":"é","b":[1,null]}', None]),
        (pl.Series([b"x"]), [None]),
    ],
)
def test_everything_but_bytes_can_be_text(values: pl.Series, texts: list[str | None]) -> None:
    cast, wrong = cast_exactly(values, pl.String())
    assert cast.to_list() == texts
    assert wrong.any() == (values.dtype == pl.Binary)


def test_types_without_a_place_in_files_are_simplified() -> None:
    frame = pl.DataFrame(
        {
            "category": pl.Series(["a"], dtype=pl.Categorical),
            "large": pl.Series([2**100], dtype=pl.Int128),
            "empty": pl.Series([{}], dtype=pl.Struct([])),
            "within": pl.Series(
                [[{"a": {}, "b": 2**70}]], dtype=pl.List(pl.Struct({"a": pl.Struct([]), "b": pl.Int128}))
            ),
        }
    )
    simple = [simplified(column)[0] for column in frame.iter_columns()]
    widest = pl.Decimal(38, 0)
    within = pl.List(pl.Struct({"a": pl.Null, "b": widest}))
    assert [one.dtype for one in simple] == [pl.String(), widest, pl.Null(), within]
    assert [one.to_list() for one in simple] == [["a"], [2**100], [None], [[{"a": None, "b": 2**70}]]]


def test_a_number_too_long_for_38_digits_is_lost_and_told() -> None:
    values, lost = simplified(pl.Series([2**127 - 1, 5], dtype=pl.Int128))
    assert (values.to_list(), lost.to_list()) == ([None, 5], [True, False])


@pytest.mark.parametrize(
    ("values", "is_inexact"),
    [
        (pl.Series([2**53, -(2**53)]), False),
        (pl.Series([2**53 + 1]), True),
        (pl.Series([2**60]), False),
        (pl.Series([2**63 - 1]), True),
        (pl.Series([{"a": [2**53 + 1]}]), True),
        (pl.Series([{"a": [1]}]), False),
        (pl.Series([1.5]), False),
    ],
)
def test_whole_numbers_without_a_float_of_their_own_are_found(values: pl.Series, *, is_inexact: bool) -> None:
    assert holds_inexact(values) == is_inexact


INTEGERS: list[pl.DataType] = [pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64(), pl.UInt8(), pl.UInt32(), pl.UInt64()]
OTHERS: list[pl.DataType] = [pl.Float32(), pl.Float64(), pl.Decimal(9, 2), pl.Decimal(38, 4), pl.Null()]
FLAT = st.sampled_from([*INTEGERS, *OTHERS, pl.Datetime("ms"), MICRO, pl.Date(), pl.String()])
TYPES = st.recursive(
    FLAT,
    lambda inner: (
        inner.map(pl.List) | st.dictionaries(st.sampled_from("abc"), inner, min_size=1, max_size=2).map(pl.Struct)
    ),
    max_leaves=3,
)


@st.composite
def values_of(draw: st.DrawFn, dtype: pl.DataType) -> object:
    """A value that the type holds."""
    if isinstance(dtype, pl.List):
        return draw(st.lists(values_of(pl.List(dtype.inner).inner), max_size=2))  # pyright: ignore[reportArgumentType]
    if isinstance(dtype, pl.Struct):
        return {field.name: draw(values_of(field.dtype)) for field in dtype.fields}  # pyright: ignore[reportArgumentType]
    whole = draw(st.integers(0, 100))
    match dtype:
        case pl.Null():
            return None
        case pl.Date():
            return date(2026, 1, 1) + timedelta(days=whole)
        case pl.Datetime():
            return clock("2026-01-01") + timedelta(milliseconds=whole)
        case pl.String():
            return str(whole)
        case pl.Decimal():
            return Decimal(whole) / 4
        case _:
            return whole


def bare(value: object) -> object:
    """Without the nulls of structs, as those that gained a field have them."""
    if isinstance(value, list):
        return [bare(item) for item in value]
    if isinstance(value, dict):
        return {name: bare(item) for name, item in value.items() if item is not None}
    return value


@settings(max_examples=150, deadline=None)
@given(data=st.data(), known=TYPES, seen=TYPES)
def test_what_two_types_give_way_to_holds_the_values_of_both(
    data: st.DataObject, known: pl.DataType, seen: pl.DataType
) -> None:
    wider = widened(known, seen)
    if wider is None:
        return
    for dtype in (known, seen):
        values = pl.Series(data.draw(st.lists(values_of(dtype), min_size=1, max_size=3)), dtype=dtype)
        cast, wrong = cast_exactly(values, wider)
        assert not wrong.any()
        assert cast.dtype == wider
        assert [bare(value) for value in cast.to_list()] == [bare(value) for value in values.to_list()]


@settings(max_examples=100, deadline=None)
@given(known=TYPES, seen=TYPES)
def test_a_wider_type_stays_when_the_same_types_come_again(known: pl.DataType, seen: pl.DataType) -> None:
    wider = widened(known, seen)
    if wider is not None:
        assert widened(wider, seen) == wider
        assert widened(wider, known) == wider
        assert not needs_exact_floats(wider, wider)
