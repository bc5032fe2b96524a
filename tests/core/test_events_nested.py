"""Nested columns as JSON texts."""

import json
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.core.events.normalise_nested import nested_tokens, object_texts
from ctexport_dagster.core.events.normalise_objects import read_objects
from ctexport_dagster.core.quarantine import Reason

UTC_ZONE = ZoneInfo("UTC")


def texts(values: pl.Series, zone: ZoneInfo = UTC_ZONE) -> list[str | None]:
    return object_texts(values, zone).to_list()


def test_a_struct_is_an_object_of_its_fields_that_have_a_value() -> None:
    values = pl.Series([{"b": 1, "a": None, "c": {"d": [True, None]}}, None, {"b": None, "a": "x", "c": None}])
    assert texts(values) == ['{"b":1,"c":{"d":[true,null]}}', None, '{"a":"x"}']


def test_a_map_is_an_object_of_its_entries_in_their_order() -> None:
    array = pa.array([[("b", 1.5), ("a", None)], None, []], pa.map_(pa.string(), pa.float64()))
    assert texts(pl.Series(array)) == ['{"b":1.5,"a":null}', None, "{}"]


MAP = pa.map_(pa.string(), pa.int64())


@pytest.mark.req("P31")
@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        (pa.map_(pa.string(), MAP), [("o", [("a", 1)])], '{"o":{"a":1}}'),
        (pa.map_(pa.string(), pa.list_(MAP)), [("o", [[("a", 1)], []])], '{"o":[{"a":1},{}]}'),
        (
            pa.map_(pa.string(), pa.struct([("member0", pa.list_(MAP))])),
            [("o", {"member0": [[("a", 1)]]})],
            '{"o":[{"a":1}]}',
        ),
        (pa.struct([("o", pa.list_(MAP))]), {"o": [[("a", 1)]]}, '{"o":[{"a":1}]}'),
        (
            pa.map_(pa.string(), pa.list_(pa.struct([("key", pa.int8()), ("value", pa.int8())]))),
            [("o", [{"key": 1, "value": 2}])],
            '{"o":[{"key":1,"value":2}]}',
        ),
    ],
)
def test_maps_within_are_objects_and_lists_stay_lists(type_: pa.DataType, value: object, expected: str) -> None:
    assert texts(pl.Series(pa.array([value, None], type_))) == [expected, None]


def test_both_entries_of_a_key_that_stands_twice_are_kept_to_be_refused() -> None:
    twice = pl.Series(pa.array([[("o", [("a", 1), ("a", 2)])]], pa.map_(pa.string(), MAP)))
    assert texts(twice) == ['{"o":{"a":1,"a":2}}']


def test_values_of_any_type_are_json() -> None:
    lists = pl.Series(pa.array([[[("a", 1)]], None], pa.list_(MAP)))
    assert nested_tokens(lists, UTC_ZONE).to_list() == ['[{"a":1}]', None]
    assert nested_tokens(pl.Series([2**64 - 1], dtype=pl.UInt64), UTC_ZONE).to_list() == ["18446744073709551615"]


def test_a_list_of_keys_and_values_is_an_object() -> None:
    assert texts(pl.Series([[{"key": "a", "value": 1}], []])) == ['{"a":1}', "{}"]


def test_union_members_stand_for_their_one_value() -> None:
    union = pa.struct([("member0", pa.bool_()), ("member1", pa.int32()), ("member2", pa.string())])
    rows = [
        [("a", {"member0": None, "member1": 5, "member2": None}), ("b", {"member0": False})],
        [("c", {"member2": "x"})],
    ]
    assert texts(pl.Series(pa.array(rows, pa.map_(pa.string(), union)))) == ['{"a":5,"b":false}', '{"c":"x"}']


def test_times_are_iso_texts_those_without_a_zone_in_the_given_one() -> None:
    values = pl.DataFrame(
        {"d": [date(2026, 11, 1)], "u": [datetime(2026, 11, 1, tzinfo=UTC)], "n": [datetime(2026, 11, 1)]}  # noqa: DTZ001
    ).to_struct()
    expected = {"d": "2026-11-01", "u": "2026-11-01T00:00:00Z", "n": "2026-10-31T23:00:00Z"}
    assert json.loads(texts(values, ZoneInfo("Europe/Berlin"))[0] or "") == expected


def test_decimals_keep_their_digits() -> None:
    assert texts(pl.DataFrame({"a": [Decimal("1.10")]}).to_struct()) == ['{"a":1.10}']


def test_numbers_that_arent_finite_are_refused_later() -> None:
    values = pl.DataFrame({"a": [math.nan, math.inf, -math.inf, 1.0]}).to_struct()
    objects = read_objects(object_texts(values, UTC_ZONE))
    assert [(refusal.reason, refusal.rows.to_list()) for refusal in objects.refusals] == [
        (Reason.NOT_FINITE, [True, True, True, False])
    ]


def test_a_column_of_another_type_has_no_objects() -> None:
    assert texts(pl.Series([1, 2])) == [None, None]


ROWS = st.fixed_dictionaries(
    {
        "text": st.none() | st.text(),
        "whole": st.none() | st.integers(-(2**63), 2**63 - 1),
        "real": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "flags": st.none() | st.lists(st.none() | st.booleans(), max_size=3),
        "inner": st.none() | st.fixed_dictionaries({'k"e\\y': st.none() | st.text()}),
        "items": st.none() | st.lists(st.fixed_dictionaries({"n": st.none() | st.integers(0, 9)}), max_size=3),
    }
)
SCHEMA = {
    "text": pl.String(),
    "whole": pl.Int64(),
    "real": pl.Float64(),
    "flags": pl.List(pl.Boolean()),
    "inner": pl.Struct({'k"e\\y': pl.String()}),
    "items": pl.List(pl.Struct({"n": pl.Int64()})),
}


def without_nulls(value: object) -> object:
    """An object's nulls are no entries; a struct that is null is none either."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


@given(st.lists(ROWS, max_size=5))
def test_every_value_comes_out_equal(rows: list[dict[str, object]]) -> None:
    values = pl.Series(rows, dtype=pl.Struct(SCHEMA))
    assert [json.loads(text or "") for text in texts(values)] == [without_nulls(row) for row in rows]
