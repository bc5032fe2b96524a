"""What counts as a change of a profile."""

from datetime import UTC, datetime

import polars as pl
import pytest

from ctexport_dagster.core.changes import Changes, changed_fields, classify
from ctexport_dagster.core.profile import KEY_COLUMNS
from ctexport_dagster.core.schema import Field, SourceSchema, ValueType

AGE = Field("property", "age", ValueType.FLOAT64)
PLAN = Field("property", "Plan", ValueType.STRING)
PUSH = Field("preference", "MSG-push", ValueType.BOOLEAN)
TAGS = Field("property", "tags", ValueType.STRINGS)
SCHEMA = SourceSchema((AGE, PLAN, PUSH, TAGS))


def frame(*rows: dict[str, object]) -> pl.DataFrame:
    """A profile frame; what a row doesn't name has a default."""
    types = KEY_COLUMNS | {field.column: field.type.dtype for field in SCHEMA.fields}
    usual: dict[str, object] = dict.fromkeys(types) | {"h": 1, "instance": 0, "clevertapId": "a", "deleted": False}
    return pl.DataFrame([usual | row for row in rows], schema=types, orient="row")


def changed(before: dict[str, object], after: dict[str, object]) -> bool:
    changes = classify(frame(before), frame(after), SCHEMA)
    assert changes.updated.height + changes.unchanged.height == 1
    return changes.updated.height == 1


def ids(changes: Changes) -> tuple[list[str], list[str], list[str], list[str]]:
    parts = (changes.created, changes.updated, changes.unchanged, changes.tombstones)
    created, updated, unchanged, tombstones = (part["clevertapId"].to_list() for part in parts)
    return created, updated, unchanged, tombstones


@pytest.mark.req("P25")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({AGE.column: 1.0}, {AGE.column: 2.0}),
        ({AGE.column: 1.0}, {AGE.column: None}),
        ({AGE.column: None}, {AGE.column: 0.0}),
        ({PLAN.column: "x"}, {PLAN.column: "X"}),
        ({PLAN.column: None}, {PLAN.column: ""}),
        ({PUSH.column: True}, {PUSH.column: False}),
        ({TAGS.column: ["a", "b"]}, {TAGS.column: ["b", "a"]}),
        ({TAGS.column: []}, {TAGS.column: None}),
        ({"identity": ["u1", "u2"]}, {"identity": ["u2", "u1"]}),
        ({"identity": None}, {"identity": ["u1"]}),
        ({"clevertapIds": ["a"]}, {"clevertapIds": ["a", "b"]}),
        ({"subscriptionGroups": '{"g":"Subscribed"}'}, {"subscriptionGroups": None}),
    ],
)
def test_an_identifier_a_property_or_a_preference_makes_a_change(
    before: dict[str, object], after: dict[str, object]
) -> None:
    assert changed(before, after)


@pytest.mark.req("P25")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {}),
        ({"deviceToken": "t1"}, {"deviceToken": "t2"}),
        ({"updatedAt": None}, {"updatedAt": datetime(2026, 11, 1, tzinfo=UTC)}),
        ({"instance": 0}, {"instance": 1}),
        ({"clevertapIds": ["a", "b"]}, {"clevertapIds": ["b", "a"]}),
        ({"clevertapIds": ["a", "b"]}, {"clevertapIds": ["b", "a", "a"]}),
        ({"clevertapIds": None}, {"clevertapIds": []}),
        ({"identity": None}, {"identity": []}),
        ({AGE.column: 0.0}, {AGE.column: -0.0}),
    ],
)
def test_device_data_time_and_the_order_of_ids_make_none(before: dict[str, object], after: dict[str, object]) -> None:
    assert not changed(before, after)


@pytest.mark.req("P25", "P22")
def test_an_integer_equals_the_float_of_its_value() -> None:
    narrow = Field("property", "age", ValueType.INTEGER)
    before = frame({}).drop(AGE.column).with_columns(pl.lit(42).alias(narrow.column))
    after = frame({AGE.column: 42.0})
    assert changed_fields(before, after, SCHEMA) == ()


def test_each_profile_is_created_updated_unchanged_or_gone() -> None:
    before = frame({"clevertapId": "b"}, {"clevertapId": "c"}, {"clevertapId": "d"})
    after = frame(
        {"clevertapId": "a"},
        {"clevertapId": "b", PLAN.column: "x"},
        {"clevertapId": "c"},
        {"clevertapId": "d", "deleted": True},
        {"clevertapId": "e", "deleted": True},
    )
    assert ids(classify(before, after, SCHEMA)) == (["a"], ["b"], ["c"], ["d"])


def test_exported_rows_stand_in_the_order_of_h_and_id() -> None:
    before = frame({"h": 2, "clevertapId": "b"})
    after = frame(
        {"h": 1, "clevertapId": "z"}, {"h": 2, "clevertapId": "b", PLAN.column: "x"}, {"h": 2, "clevertapId": "c"}
    )
    assert classify(before, after, SCHEMA).exported["clevertapId"].to_list() == ["z", "b", "c"]


@pytest.mark.req("B6")
def test_why_names_the_fields_that_differ_and_no_value() -> None:
    before = frame({"identity": ["u1"], AGE.column: 1.0, PUSH.column: True, PLAN.column: "x"})
    after = frame({"identity": ["u2"], AGE.column: 2.0, PUSH.column: False, PLAN.column: "x"})
    assert changed_fields(before, after, SCHEMA) == ("identity", "age", "MSG-push")


def test_why_names_a_field_that_the_earlier_state_did_not_know() -> None:
    before = frame({}).drop(PLAN.column)
    assert changed_fields(before, frame({PLAN.column: "x"}), SCHEMA) == ("Plan",)
