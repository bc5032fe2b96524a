"""What becomes of a table's raw rows: their types, and those that are refused."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from ctexport_dagster.core.datasets.age import is_too_old
from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.datasets.normalise import KnownTable, TableNormaliser
from ctexport_dagster.core.schema import ValueType
from ctexport_dagster.core.source import RawBatch

WIDE = 2**53 + 1


def normaliser(known: KnownTable | None = None, texts: tuple[str, ...] = (), **declared: object) -> TableNormaliser:
    return TableNormaliser(
        DeclaredDataset.model_validate(declared), ZoneInfo("Asia/Kolkata"), known or KnownTable(), texts
    )


def known(wide: frozenset[str] = frozenset(), **types: pl.DataType) -> KnownTable:
    return KnownTable(pl.Schema(types), tuple(types), wide)


def raw(variants: dict[str, tuple[str, ...]] | None = None, /, **columns: pl.Series) -> RawBatch:
    frame = pl.DataFrame(columns)
    numbers = pl.Series(range(1, frame.height + 1), dtype=pl.UInt64)
    return RawBatch(frame, origin="a.ndjson", numbers=numbers, variants=variants or {})


def series(*values: object, dtype: pl.DataType | type[pl.DataType] | None = None) -> pl.Series:
    return pl.Series(values, dtype=dtype)


@pytest.mark.req("A1")
def test_new_columns_keep_their_types_and_their_order() -> None:
    taken = normaliser(known(z=pl.Int8()))
    given = raw(
        b=series(Decimal("1.50"), dtype=pl.Decimal(9, 2)),
        z=series(1, dtype=pl.Int8),
        a=series(b"x"),
        c=series([{"k": 1}]),
    )
    frame = taken.normalise(given).frame
    assert frame.to_dicts() == given.frame.to_dicts()
    assert list(taken.schema.items()) == [
        ("z", pl.Int8()), ("b", pl.Decimal(9, 2)), ("a", pl.Binary()), ("c", pl.List(pl.Struct({"k": pl.Int64})))
    ]  # fmt: skip
    assert taken.present == ("b", "z", "a", "c")


@pytest.mark.req("B6")
def test_a_value_of_another_type_refuses_its_row_alone() -> None:
    taken = normaliser(known(a=pl.Int64()))
    rows = taken.normalise(
        raw({"a": ("a\0",)}, a=series(1, None, 3), b=series("x", "y", "z"), **{"a\0": series(None, "?", None)})
    )
    assert rows.frame.to_dicts() == [{"a": 1, "b": "x"}, {"a": 3, "b": "z"}]
    [refused] = rows.quarantined.to_dicts()
    assert [refused[name] for name in ("reason", "field", "value", "place")] == [
        "contradicts_type",
        "a",
        "?",
        "a.ndjson:2",
    ]
    assert json.loads(refused["row"]) == {"a": "?", "b": "y"}


def test_a_column_that_was_known_and_is_gone_stays() -> None:
    taken = normaliser(known(a=pl.Int64(), b=pl.Date()))
    assert taken.normalise(raw(c=series("x"))).frame.columns == ["c"]
    assert list(taken.schema) == ["a", "b", "c"]


def test_a_column_of_later_partitions_alone_gives_its_type_and_not_its_presence() -> None:
    taken = normaliser(KnownTable(pl.Schema({"a": pl.Float64(), "b": pl.Date()})))
    taken.normalise(raw(a=series(1)))
    assert taken.schema == pl.Schema({"a": pl.Float64()})


def test_a_type_widens_over_the_batches() -> None:
    taken = normaliser()
    frames = [taken.normalise(raw(a=values)).frame for values in (series(1), series(1.5), series(2))]
    assert [frame["a"].dtype for frame in frames] == [pl.Int64(), pl.Float64(), pl.Float64()]
    assert (taken.schema, taken.mixed) == (pl.Schema({"a": pl.Float64()}), frozenset())


@pytest.mark.parametrize("is_wide_before", [True, False])
def test_whole_numbers_that_floats_cannot_hold_never_become_floats(*, is_wide_before: bool) -> None:
    taken = normaliser(known(frozenset({"a"}), a=pl.Int64()) if is_wide_before else None)
    if not is_wide_before:
        taken.normalise(raw(a=series(WIDE)))
    rows = taken.normalise(raw(a=series(1.5, 2.0)))
    assert (rows.frame["a"].to_list(), rows.quarantined["value"].to_list()) == ([2], ["1.5"])
    assert (taken.schema["a"], taken.wide) == (pl.Int64(), frozenset({"a"}))


def test_a_whole_number_that_no_float_holds_is_refused_among_floats() -> None:
    taken = normaliser(known(a=pl.Float64()))
    rows = taken.normalise(raw(a=series(1, WIDE)))
    assert (rows.frame["a"].to_list(), rows.quarantined["value"].to_list()) == ([1.0], [str(WIDE)])
    assert taken.wide == frozenset()


def test_a_text_column_takes_other_values_spelt_out() -> None:
    rows = normaliser(known(a=pl.String())).normalise(
        raw({"a": ("a\0",)}, a=series(1, None, None), **{"a\0": series(None, [1, None], None)})
    )
    assert rows.frame["a"].to_list() == ["1", "[1,null]", None]


def test_a_new_column_whose_values_do_not_go_together_is_to_be_text() -> None:
    first = normaliser()
    for values in (series(1), series("x"), series(True)):
        first.normalise(raw(a=values, b=series(2)))
    assert first.mixed == frozenset({"a"})
    second = normaliser(None, ("a",))
    found = [second.normalise(raw(a=values)).frame["a"].item() for values in (series(1), series("x"), series(True))]
    assert (found, second.mixed) == (["1", "x", "true"], frozenset())


def test_bytes_among_text_are_refused() -> None:
    taken = normaliser()
    taken.normalise(raw(a=series("x")))
    assert taken.normalise(raw(a=series(b"x", None))).quarantined["reason"].to_list() == ["contradicts_type"]
    assert taken.mixed == frozenset()


@pytest.mark.parametrize(
    ("target", "given", "held", "refused"),
    [
        (ValueType.INTEGER, ["7", " 8 ", "", "x"], [7, 8, None], ["x"]),
        (ValueType.FLOAT64, ["1.5", "NaN", "", "x"], [1.5, float("nan"), None], ["x"]),
        (ValueType.BOOLEAN, ["true", "0", None, "2"], [True, False, None], ["2"]),
        (ValueType.STRING, ["007", ""], ["007", ""], []),
        (ValueType.TIMESTAMP, ["2026-11-01 05:30:00", "x"], [datetime(2026, 11, 1, tzinfo=UTC)], ["x"]),
    ],
)
def test_text_is_read_as_the_declared_type(
    target: ValueType, given: list[str | None], held: list[object], refused: list[str]
) -> None:
    taken = normaliser(known(a=pl.String()), types={"a": target})
    rows = taken.normalise(raw(a=pl.Series(given, dtype=pl.String)))
    assert rows.frame["a"].equals(pl.Series("a", held, dtype=target.dtype))
    assert rows.quarantined["value"].to_list() == refused
    assert taken.schema == pl.Schema({"a": target.dtype})


@pytest.mark.parametrize(
    ("given", "held", "refused"),
    [
        (series(1, WIDE), [1.0], [str(WIDE)]),
        (series(0.5, float("inf")), [0.5, float("inf")], []),
        (series(b"1.5", b"\xff"), [1.5], ["\\xff"]),
        (series("1e999", "-1e999", "-inf", "Infinity"), [float("-inf"), float("inf")], ["1e999", "-1e999"]),
        (
            series(str(WIDE), f"+{WIDE}", f"-{WIDE}", "+16", "9" * 50),
            [16.0],
            [str(WIDE), f"+{WIDE}", f"-{WIDE}", "9" * 50],
        ),
        (series(str(2**53 + 2), "0.1", "9007199254740993.5"), [2.0**53 + 2, 0.1, 2.0**53 + 2], []),
        (series([1], None), [None], ["[1]"]),
    ],
)
def test_other_values_are_read_as_declared_floats_exactly(
    given: pl.Series, held: list[float], refused: list[str]
) -> None:
    rows = normaliser(types={"a": "float64"}).normalise(raw(a=given))
    assert (rows.frame["a"].to_list(), rows.quarantined["value"].to_list()) == (held, refused)


@pytest.mark.req("A3")
@pytest.mark.parametrize("columns", [{"at": series(1, None)}, {"other": series(None, None), "at": series(1, None)}])
def test_a_row_without_a_cursor_is_refused(columns: dict[str, pl.Series]) -> None:
    rows = normaliser(cursor="at").normalise(raw(**columns))
    assert (rows.frame.height, rows.quarantined.select("reason", "field").rows()) == (1, [("missing_value", "at")])


def test_where_the_cursor_has_no_column_all_rows_are_refused() -> None:
    rows = normaliser(cursor="at").normalise(raw(a=series(1, 2)))
    assert (rows.frame.height, rows.quarantined.height) == (0, 2)


def test_a_row_is_refused_once_for_its_first_fault() -> None:
    rows = normaliser(known(a=pl.Int64(), b=pl.Int64()), cursor="b").normalise(raw(a=series("x"), b=series("y")))
    assert rows.quarantined["field"].to_list() == ["a"]


def test_a_column_of_nulls_has_any_type_later() -> None:
    taken = normaliser()
    taken.normalise(raw(a=series(None)))
    assert taken.schema == pl.Schema({"a": pl.Null()})
    taken.normalise(raw(a=series("x")))
    assert (taken.schema, taken.mixed) == (pl.Schema({"a": pl.String()}), frozenset())


def test_what_could_not_be_read_is_handed_on() -> None:
    unreadable = pl.DataFrame({name: ["x"] for name in ("clevertapId", "reason", "field", "value", "row", "place")})
    given = RawBatch(pl.DataFrame({"a": [1]}), unreadable)
    assert normaliser().normalise(given).quarantined.equals(unreadable)


@pytest.mark.parametrize("name", ["^b$", "*", "^.*$", ""])
@pytest.mark.parametrize("given", [series("x", None, "y"), series("3", None, "4")])
def test_a_column_named_like_a_pattern_is_a_column_like_any_other(name: str, given: pl.Series) -> None:
    further = f"{name}\0"
    columns = {name: series(1, None, None), further: given, "b": series(7, 8, 9)}
    rows = normaliser(types={name: "integer"}, cursor="b").normalise(raw({name: (further,)}, **columns))
    by_cursor = normaliser(cursor=name).normalise(raw(**{name: series(1, None), "b": series(7, 8)}))
    assert by_cursor.quarantined.select("reason", "field").rows() == [("missing_value", name)]
    assert rows.frame.height + rows.quarantined.height == 3
    assert set(rows.quarantined.select("field", "value").rows()) <= {(name, "x"), (name, "y")}
    texts = normaliser(texts=(name,)).normalise(raw({name: (further,)}, **columns))
    assert texts.frame[name].to_list() == ["1", None, given.to_list()[2]]
    known_as = normaliser(KnownTable(pl.Schema({name: pl.Int64()}), (name,))).normalise(
        raw({name: (further,)}, **columns)
    )
    assert known_as.frame.height + known_as.quarantined.height == 3


@pytest.mark.parametrize("name", ["^b$", "*", "^.*$", ""])
def test_the_age_of_a_row_stands_in_a_column_of_any_name(name: str) -> None:
    frame = pl.DataFrame({name: [date(2026, 11, 1), date(2026, 11, 9), None], "b": [date(2020, 1, 1)] * 3})
    too_old = is_too_old(name, pl.Date(), datetime(2026, 11, 5, tzinfo=UTC), ZoneInfo("UTC"))
    assert frame.select(age=too_old)["age"].to_list() == [True, False, False]
