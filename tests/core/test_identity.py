"""Identity resolution: which values stand in `identity` and `all_identities`, and that all else passes through."""

from datetime import UTC, date, datetime
from typing import TypeAlias

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ctexport_dagster.core.column_plan import plan_columns
from ctexport_dagster.core.export import Export
from ctexport_dagster.core.identity import resolve
from ctexport_dagster.core.profile import KEY_COLUMNS
from ctexport_dagster.core.schema import Field, SourceSchema, ValueType

Value: TypeAlias = str | bool | int | float | date | list[str | None] | None
Row: TypeAlias = dict[str, Value]

EMAIL = Field("property", "Email", ValueType.STRING)
PHONE = Field("property", "Phone", ValueType.STRING)
CRM_ID = Field("property", "crm_id", ValueType.INTEGER)
CARDS = Field("property", "cards", ValueType.STRINGS)
SCHEMA = SourceSchema((EMAIL, PHONE, CRM_ID, CARDS))


def export(columns: dict[str, object] | None = None, **identity: object) -> Export:
    return Export.model_validate(
        {
            "name": "daily",
            "owner": "growth@example.com",
            "source": "crm",
            "destination": "disk",
            "account_id": 1,
            "format": "csv",
            "identity": identity,
            "columns": columns or {},
        }
    )


def profiles(rows: list[Row], schema: SourceSchema = SCHEMA) -> pl.DataFrame:
    """A profile frame; rows give `identity` and other columns of the model, and fields, by their names."""
    columns = {name: [row.get(name) for row in rows] for name in KEY_COLUMNS}
    columns |= {field.column: [row.get(field.name) for row in rows] for field in schema.fields}
    return pl.DataFrame(columns, schema=KEY_COLUMNS | {field.column: field.type.dtype for field in schema.fields})


def resolved(rows: list[Row], made: Export, schema: SourceSchema = SCHEMA) -> pl.DataFrame:
    return resolve(profiles(rows, schema), made, plan_columns(made, schema), schema)


def identity_of(row: Row, schema: SourceSchema = SCHEMA, **identity: object) -> object:
    return resolved([row], export(None, **identity), schema)["identity"].to_list()[0]


PRIORITY = ["Identity", "Email", "Phone", "crm_id"]
FULL: Row = {"identity": ["user_1", "user_2"], "Email": "u@example.com", "Phone": "+15551234567", "crm_id": 7}


@pytest.mark.req("P13", "P12")
@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (PRIORITY, "user_1"),
        (["Email", "Identity"], "u@example.com"),
        (["Phone"], "+15551234567"),
        (["crm_id", "Email"], "7"),
    ],
)
def test_a_single_identity_is_the_first_in_order_of_priority(order: list[str], expected: str):
    assert identity_of(FULL, order=order) == expected


@pytest.mark.req("P13")
@pytest.mark.parametrize("missing", [None, [], [None], [""], [" ", "\u00a0"]])
def test_a_single_identity_falls_back_past_what_is_missing(missing: list[str | None] | None):
    assert identity_of(FULL | {"identity": missing, "Email": " "}, order=PRIORITY) == "+15551234567"


@pytest.mark.req("P13")
def test_a_profile_without_any_identifier_has_an_empty_identity():
    assert identity_of({}, order=PRIORITY) == ""


@pytest.mark.req("P13")
def test_all_identities_of_a_profile_without_any_are_an_empty_list():
    assert identity_of({}, order=PRIORITY, values="all") == []


@pytest.mark.req("P13")
def test_all_selected_identifiers_stand_in_order_with_lists_flattened():
    assert identity_of(FULL, order=["Email", "Identity", "crm_id"], values="all") == [
        *("u@example.com", "user_1", "user_2"),
        "7",
    ]


@pytest.mark.req("P13")
def test_a_value_that_two_identifiers_share_stands_once_where_it_is_first():
    row: Row = {"identity": ["a", "u@example.com", "a"], "Email": "u@example.com", "Phone": "a"}
    assert identity_of(row, order=PRIORITY, values="all") == ["a", "u@example.com"]


@pytest.mark.req("P13")
def test_a_property_of_lists_is_flattened_too():
    row: Row = {"cards": ["c1", "", "c2", "c1", "c3", "c4"], "Email": "e"}
    assert identity_of(row, order=["Email", "cards"], values="all") == ["e", "c1", "c2", "c3", "c4"]


@pytest.mark.req("P14")
def test_account_defined_identities_are_identity_email_and_phone_whatever_is_selected():
    frame = resolved([FULL, {"Phone": "+1"}, {}], export(order=["crm_id"], all_identities=True))
    assert frame["all_identities"].to_list() == [["user_1", "user_2", "u@example.com", "+15551234567"], ["+1"], []]


@pytest.mark.req("P12")
def test_identity_email_and_phone_may_be_written_in_any_case():
    assert identity_of(FULL, order=["email", "IDENTITY"], values="all") == ["u@example.com", "user_1", "user_2"]


@pytest.mark.req("P12")
def test_a_property_of_exactly_the_name_goes_before_a_name_in_another_case():
    schema = SourceSchema((EMAIL, Field("property", "email", ValueType.STRING)))
    assert identity_of({"Email": "A", "email": "b"}, schema, order=["email"]) == "b"


@pytest.mark.req("P12")
def test_an_identifier_that_the_source_lacks_is_passed_over():
    assert identity_of(FULL, order=["loyalty", "Phone"]) == "+15551234567"


@pytest.mark.req("P12")
@pytest.mark.parametrize(
    ("type_", "value", "text"),
    [
        (ValueType.BOOLEAN, True, "true"),
        (ValueType.INTEGER, -(2**63), "-9223372036854775808"),
        (ValueType.FLOAT64, 12345.0, "12345"),
        (ValueType.FLOAT64, 0.1, "0.1"),
        (ValueType.FLOAT64, -(2.0**62), "-4611686018427387904"),
        (ValueType.FLOAT64, 1e300, "1e+300"),
        (ValueType.FLOAT32, 0.1, "0.1"),
        (ValueType.DATE, date(2026, 11, 1), "2026-11-01"),
        (ValueType.TIMESTAMP, datetime(2026, 11, 1, 12, tzinfo=UTC), "2026-11-01T12:00:00Z"),
        (ValueType.TIMESTAMP, datetime(2026, 11, 1, 12, 0, 0, 500_000, tzinfo=UTC), "2026-11-01T12:00:00.500Z"),
        (ValueType.UNKNOWN, None, ""),
    ],
)
def test_an_identifier_that_is_no_text_becomes_it(type_: ValueType, value: Value, text: str):
    schema = SourceSchema((Field("property", "key", type_),))
    assert identity_of({"key": value}, schema, order=["Identity", "key"]) == text


@pytest.mark.req("P22", "P12")
def test_an_identifier_that_widens_from_integer_to_float_changes_nobody():
    wide = SourceSchema((Field("property", "crm_id", ValueType.FLOAT64),))
    assert identity_of({"crm_id": 7.0}, wide, order=["crm_id"]) == identity_of({"crm_id": 7}, order=["crm_id"])


@pytest.mark.req("P15", "P17", "P21")
def test_everything_else_passes_through_under_its_key():
    schema = SourceSchema(
        (
            Field("property", "device", ValueType.INTEGER),
            Field("property", "plan", ValueType.UNKNOWN),
            Field("preference", "MSG-push", ValueType.BOOLEAN),
        )
    )
    rows: list[Row] = [
        {
            "clevertapId": "a",
            "clevertapIds": ["a", "b"],
            "deviceToken": "t",
            "subscriptionGroups": '{"g":"Subscribed"}',
            "device": 3,
            "MSG-push": False,
        },
        {"clevertapId": "c", "deviceToken": ""},
    ]
    columns: dict[str, object] = {
        "communication": ["subscriptionGroups", "MSG-push", "MSG-sms"],
        "properties": ["plan", "device", "gone"],
        "rename": {"device": "Device model"},
    }
    expected = pl.DataFrame(
        {
            "identity": ["", ""],
            "clevertapId": ["a", "c"],
            "clevertapIds": [["a", "b"], None],
            "device": ["t", None],
            "subscriptionGroups": ['{"g":"Subscribed"}', None],
            "MSG-push": [False, None],
            "MSG-sms": pl.Series([None, None], dtype=pl.String),
            "property:plan": pl.Series([None, None], dtype=pl.String),
            "property:device": [3, None],
            "property:gone": pl.Series([None, None], dtype=pl.String),
        }
    )
    assert_frame_equal(resolved(rows, export(columns), schema), expected)


def test_a_frame_without_rows_keeps_every_column_and_type():
    made = export(order=PRIORITY, values="all", all_identities=True)
    plan = plan_columns(made, SCHEMA)
    assert resolve(profiles([]), made, plan, SCHEMA).schema == pl.Schema(plan.frame_schema)


WHITE_SPACE = " \t\n\r\u000b\u000c\u0085\u00a0\u2003\u3000"
TEXTS = st.one_of(
    st.none(), st.sampled_from(["a", "b", "A", "", " ", "\u00a0", "\u2003\t", " a", "é", "\x1f", "👩‍👩‍👧"])
)
LISTS = st.one_of(st.none(), st.lists(TEXTS, max_size=6))
ROWS = st.lists(
    st.fixed_dictionaries(
        {"identity": LISTS, "Email": TEXTS, "Phone": TEXTS, "crm_id": st.none() | st.integers(0, 3), "cards": LISTS}
    ),
    max_size=8,
)
ORDERS = st.lists(st.sampled_from([*PRIORITY, "cards", "unknown"]), min_size=1, unique=True)


def expected_values(row: Row, order: list[str]) -> list[str]:
    """The rule, word for word."""
    found: list[str] = []
    for name in order:
        value = row.get("identity" if name == "Identity" else name)
        for item in value if isinstance(value, list) else [value]:
            text = "" if item is None else str(item)
            if text.strip(WHITE_SPACE) and text not in found:
                found.append(text)
    return found


@pytest.mark.req("P12", "P13", "P14")
@given(ROWS, ORDERS)
def test_every_profile_gets_what_the_rule_says(rows: list[Row], order: list[str]):
    order = [*order, "Identity"] if order == ["unknown"] else order
    single = resolved(rows, export(order=order))["identity"].to_list()
    every = resolved(rows, export(order=order, values="all", all_identities=True))
    values = [expected_values(row, order) for row in rows]
    assert every["identity"].to_list() == values
    assert single == [value[0] if value else "" for value in values]
    assert every["all_identities"].to_list() == [expected_values(row, ["Identity", "Email", "Phone"]) for row in rows]


@pytest.mark.req("P13")
@given(ROWS, st.integers(0, 8))
def test_a_profiles_identities_dont_depend_on_the_rows_beside_it(rows: list[Row], cut: int):
    made = export(order=[*PRIORITY, "cards"], values="all")
    halves = pl.concat([resolved(rows[:cut], made), resolved(rows[cut:], made)])
    assert_frame_equal(halves, resolved(rows, made))
