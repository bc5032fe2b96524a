"""The property registry, and the lake columns that it names."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.core.lake_columns import escape_column, unescape_column
from ctexport_dagster.core.schema import Drift, Field, SourceSchema, ValueType, schema_as_of, widened

TYPES = st.sampled_from(list(ValueType))
NUMBERS = (ValueType.INTEGER, ValueType.FLOAT32, ValueType.FLOAT64)


def prop(name: str, kind: ValueType = ValueType.STRING) -> Field:
    return Field("property", name, kind)


@given(st.text(), st.text())
def test_no_two_names_share_a_lake_column_even_if_case_is_ignored(one: str, other: str) -> None:
    assert (escape_column(one).casefold() == escape_column(other).casefold()) == (one == other)


@given(st.text())
def test_an_escaped_name_can_be_read_back(name: str) -> None:
    assert unescape_column(escape_column(name)) == name


@given(st.text())
def test_an_escaped_name_holds_nothing_that_delta_or_spark_refuse(name: str) -> None:
    assert set(escape_column(name)) <= set("abcdefghijklmnopqrstuvwxyz0123456789_%^")


def test_capitals_and_blanks_are_escaped_legibly() -> None:
    assert escape_column("Plan B") == "^plan%20^b"


@given(TYPES, TYPES)
def test_widening_does_not_depend_on_which_type_came_first(one: ValueType, other: ValueType) -> None:
    assert widened(one, other) == widened(other, one)


@given(TYPES, TYPES, TYPES)
def test_widening_does_not_depend_on_the_grouping(a: ValueType, b: ValueType, c: ValueType) -> None:
    left, right = widened(a, b), widened(b, c)
    if left is not None and right is not None:
        assert widened(left, c) == widened(a, right)


@pytest.mark.req("P22")
@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_never_widen_to_text(number: ValueType) -> None:
    assert widened(number, ValueType.STRING) is None


@pytest.mark.req("P22", "P23")
def test_new_fields_come_last_in_the_order_of_their_first_partition() -> None:
    schema = schema_as_of([[prop("b"), prop("a")], [prop("c"), prop("a")], [prop("d")]])
    assert [field.name for field in schema.fields] == ["b", "a", "c", "d"]


@pytest.mark.req("P22")
def test_a_field_that_vanishes_stays_in_the_schema() -> None:
    assert schema_as_of([[prop("a"), prop("b")], [prop("b")]]) == SourceSchema((prop("a"), prop("b")))


@pytest.mark.req("P22")
def test_a_widened_field_keeps_its_place_and_is_reported_as_drift() -> None:
    before = SourceSchema((prop("age", ValueType.INTEGER), prop("Plan")))
    after = before.evolved([prop("age", ValueType.FLOAT64)])
    assert after == SourceSchema((prop("age", ValueType.FLOAT64), prop("Plan")))
    assert before.drifts_to(after) == [Drift("property", "age", ValueType.INTEGER, ValueType.FLOAT64)]


def test_a_type_that_was_unknown_so_far_is_no_drift() -> None:
    before = SourceSchema((prop("age", ValueType.UNKNOWN),))
    assert before.drifts_to(before.evolved([prop("age", ValueType.INTEGER)])) == []


def test_a_contradicting_type_is_refused_with_the_field_named() -> None:
    with pytest.raises(ValueError, match="property age: string contradicts integer"):
        SourceSchema((prop("age", ValueType.INTEGER),)).evolved([prop("age", ValueType.STRING)])


def test_a_property_and_a_preference_of_one_name_are_two_fields() -> None:
    assert prop("MSG-push").column != Field("preference", "MSG-push", ValueType.STRING).column
