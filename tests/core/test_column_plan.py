"""The column plan: which columns, in which order, under which header, and what people are warned of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.core.column_plan import plan_columns
from ctexport_dagster.core.columns import OutputColumn
from ctexport_dagster.core.errors import ConfigurationError
from ctexport_dagster.core.export import Export
from ctexport_dagster.core.schema import Field, SourceSchema, ValueType

SYSTEM = ("Email", "Phone", "Name", "Gender", "DOB", "Photo")


def export(
    identity: dict[str, object] | None = None, columns: dict[str, object] | None = None, **more: object
) -> Export:
    fields: dict[str, object] = {
        "name": "daily",
        "owner": "growth@example.com",
        "source": "crm",
        "destination": "disk",
        "account_id": 1,
        "format": "csv",
        "identity": identity or {},
        "columns": columns or {},
    }
    return Export.model_validate(fields | more)


def properties(*names: str, type_: ValueType = ValueType.STRING) -> list[Field]:
    return [Field("property", name, type_) for name in names]


def schema(*fields: Field) -> SourceSchema:
    return SourceSchema(fields)


CRM = schema(
    *properties("plan", "Name", "Phone", "Lat", "Email"),
    *properties("crm_id", type_=ValueType.INTEGER),
    Field("preference", "MSG-email", ValueType.BOOLEAN),
)


@pytest.mark.req("P23")
def test_identifiers_come_first_then_device_preferences_and_properties():
    everything = export(
        {"all_identities": True}, {"communication": ["MSG-sms", "subscriptionGroups", "MSG-email"], "order": ["plan"]}
    )
    assert plan_columns(everything, CRM).headers == (
        *("identity", "all_identities", "clevertapId", "clevertapIds"),
        "device",
        *("MSG-sms", "subscriptionGroups", "MSG-email"),
        "plan",
        *SYSTEM,
        *("Lat", "crm_id"),
    )


@pytest.mark.req("P15", "P17")
def test_the_ids_and_the_device_can_be_left_out():
    bare = export({"clevertap_id": False}, {"device": False, "properties": ["Email"]})
    assert plan_columns(bare, CRM).headers == ("identity", "Email")


@pytest.mark.req("P18", "P17", "P15")
def test_by_default_the_ids_and_the_device_go_out_and_no_preference():
    assert plan_columns(export(columns={"properties": ["Email"]}), CRM).headers == (
        *("identity", "clevertapId", "clevertapIds", "device", "Email"),
    )


@pytest.mark.req("P18", "P23")
def test_all_preferences_stand_in_the_documented_order():
    plan = plan_columns(export(columns={"communication": "all"}), CRM)
    assert [column.name for column in plan.of_role("preference", "groups")] == [
        *("MSG-push", "MSG-push-all", "MSG-webpush", "MSG-email", "MSG-sms", "MSG-whatsapp"),
        "subscriptionGroups",
    ]


@pytest.mark.req("P18", "P21")
def test_a_preference_that_the_source_lacks_keeps_its_column_as_text():
    plan = plan_columns(export(columns={"communication": ["MSG-push", "MSG-email"]}), CRM)
    assert plan.of_role("preference") == (
        OutputColumn("preference", "MSG-push", "MSG-push", ValueType.STRING),
        OutputColumn("preference", "MSG-email", "MSG-email", ValueType.BOOLEAN),
    )


@pytest.mark.req("P19")
def test_system_properties_are_six_and_no_more():
    plan = plan_columns(export(columns={"properties": "system"}), CRM)
    assert tuple(column.name for column in plan.of_role("property")) == SYSTEM


@pytest.mark.req("P19")
def test_a_place_goes_out_with_all_properties_and_with_a_list_alone():
    everything = plan_columns(export(), CRM)
    listed = plan_columns(export(columns={"properties": ["Lat"]}), CRM)
    system = plan_columns(export(columns={"properties": "system"}), CRM)
    assert ["Lat" in plan.headers for plan in (everything, listed, system)] == [True, True, False]


@pytest.mark.req("P19")
def test_an_identifier_in_the_guise_of_a_property_is_no_column_and_says_so():
    plan = plan_columns(export(), schema(*properties("Identity", "plan")))
    assert ("Identity" in plan.headers, plan.warnings) == (
        False,
        ("Identity is an identifier and no property: name it under `columns` of the source crm",),
    )


@pytest.mark.req("P19", "P23")
def test_a_list_is_the_users_order():
    plan = plan_columns(export(columns={"properties": ["plan", "Phone", "Email"], "order": ["Email"]}), CRM)
    assert [column.name for column in plan.of_role("property")] == ["Email", "plan", "Phone"]


@pytest.mark.req("P12", "P19")
def test_a_custom_identifier_stays_a_property():
    plan = plan_columns(export({"order": ["crm_id"]}), CRM)
    assert plan.columns[-1] == OutputColumn("property", "crm_id", "crm_id", ValueType.INTEGER)


@pytest.mark.req("P21")
def test_a_listed_property_that_the_source_lacks_keeps_its_column_with_a_warning():
    plan = plan_columns(export(columns={"properties": ["Emial"]}), CRM)
    assert (plan.of_role("property"), plan.warnings) == (
        (OutputColumn("property", "Emial", "Emial", ValueType.STRING),),
        ("the source crm has had no property Emial so far: its column stays blank; did you mean Email?",),
    )


@pytest.mark.req("P21")
def test_a_property_of_nothing_but_nulls_is_a_column_of_text():
    plan = plan_columns(export(), schema(*properties("plan", type_=ValueType.UNKNOWN)))
    assert plan.columns[-1] == OutputColumn("property", "plan", "plan", ValueType.STRING)


@pytest.mark.req("P22")
def test_a_new_property_stands_at_the_end_and_moves_no_other_column():
    before = plan_columns(export(), CRM)
    after = plan_columns(export(), CRM.evolved(properties("Gender", "tier")))
    assert after.headers == (*before.headers, "tier")


@pytest.mark.req("P22")
def test_a_locked_export_takes_names_from_its_anchor_and_types_from_today():
    today = CRM.evolved([*properties("crm_id", type_=ValueType.FLOAT64), *properties("tier")])
    plan = plan_columns(export(columns={"on_new_property": "lock"}), today, locked=CRM)
    assert ("tier" in plan.headers, plan.columns[-1].type) == (False, ValueType.FLOAT64)


@pytest.mark.req("P22")
def test_an_appending_export_heeds_no_anchor():
    today = CRM.evolved(properties("tier"))
    assert plan_columns(export(), today, locked=CRM) == plan_columns(export(), today)


@pytest.mark.req("P20")
def test_a_rename_changes_the_header_alone():
    plan = plan_columns(export(columns={"properties": ["Phone"], "rename": {"Phone": "Phone Number"}}), CRM)
    assert plan.columns[-1] == OutputColumn("property", "Phone", "Phone Number", ValueType.STRING)


@pytest.mark.req("P20")
def test_any_column_can_be_renamed():
    rename = {"identity": "user_id", "device": "token", "MSG-email": "mails"}
    plan = plan_columns(
        export(columns={"communication": ["MSG-email"], "properties": ["Email"], "rename": rename}), CRM
    )
    assert plan.headers == ("user_id", "clevertapId", "clevertapIds", "token", "mails", "Email")


@pytest.mark.req("P20")
def test_a_rename_means_the_property_where_another_column_has_its_name():
    plan = plan_columns(export(columns={"properties": ["device"], "rename": {"device": "Device model"}}), CRM)
    assert plan.headers[-2:] == ("device", "Device model")


@pytest.mark.req("P20")
def test_of_two_columns_with_one_header_the_last_goes_out_with_a_warning():
    plan = plan_columns(export(columns={"properties": ["Email", "plan"], "rename": {"plan": "Email"}}), CRM)
    assert (plan.columns[-1].name, plan.headers.count("Email"), plan.warnings) == (
        "plan",
        1,
        ("two columns are called Email: the property Email and the property plan; only the last in order is exported",),
    )


@pytest.mark.req("P20")
def test_under_strict_two_columns_with_one_header_are_a_mistake_that_names_both():
    strict = export(columns={"properties": ["Email", "plan"], "rename": {"plan": "Email"}}, strict=True)
    with pytest.raises(ConfigurationError) as raised:
        plan_columns(strict, CRM)
    assert str(raised.value) == (
        "assets/daily.yaml: columns: two columns are called Email: the property Email and the property plan;"
        " only the last in order is exported"
    )


@pytest.mark.req("P20")
def test_names_that_mean_no_column_are_warned_of():
    stray = export(columns={"properties": ["Email"], "order": ["Emal"], "rename": {"Fone": "Phone"}})
    assert plan_columns(stray, CRM).warnings == (
        "columns.order names Emal, which is no property of this export; did you mean Email?",
        "columns.rename names Fone, which is no column of this export",
    )


@pytest.mark.req("P20")
def test_headers_that_differ_by_case_alone_are_warned_of():
    plan = plan_columns(export(columns={"properties": ["Email", "plan"], "rename": {"plan": "email"}}), CRM)
    assert plan.warnings == ("the headers Email and email differ by case alone: many engines can't tell",)


@pytest.mark.req("P12")
def test_an_unknown_identifier_is_passed_over_with_a_warning():
    plan = plan_columns(export({"order": ["Identity", "crm_id2"]}), CRM)
    assert plan.warnings == (
        "identity.order names crm_id2, which the source crm has not had so far; did you mean crm_id?",
    )


@pytest.mark.req("P12")
@pytest.mark.parametrize(("order", "strict"), [(["Identity", "crm_ld"], True), (["crm_ld"], False)])
def test_an_unknown_identifier_is_a_mistake_under_strict_and_where_it_stands_alone(order: list[str], strict: bool):
    with pytest.raises(ConfigurationError, match=r"identity\.order: identity\.order names crm_ld"):
        plan_columns(export({"order": order}, strict=strict), CRM)


@pytest.mark.req("P12")
def test_a_source_that_has_had_no_rows_at_all_is_no_mistake():
    assert len(plan_columns(export({"order": ["crm_id"]}), schema()).warnings) == 1


@pytest.mark.req("P12")
def test_an_export_without_any_identifier_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        export({"order": []})


NAMES = st.sampled_from(["Email", "email", "plan", "device", "identity x", "MSG-email", "crm_id", "ß", "SS"])


@pytest.mark.req("P20", "P23")
@given(
    st.lists(NAMES, min_size=1, unique=True),
    st.dictionaries(NAMES, NAMES),
    st.lists(NAMES, unique=True),
    st.lists(NAMES, unique=True),
)
def test_headers_are_always_unique_and_no_property_is_lost_but_to_its_header(
    chosen: list[str], rename: dict[str, str], order: list[str], known: list[str]
):
    plan = plan_columns(
        export(columns={"properties": chosen, "rename": rename, "order": order}), schema(*properties(*known))
    )
    wanted = {rename.get(name, name) for name in chosen}
    assert len(set(plan.headers)) == len(plan.headers)
    assert {column.header for column in plan.of_role("property")} == wanted
