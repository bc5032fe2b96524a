"""Output columns: their keys, how they are staged, and what the manifest says of them."""

import pytest

from ctexport_dagster.core.columns import (
    ColumnPlan,
    OutputColumn,
    fingerprint,
    manifest_columns,
    plan_from_staged,
    staged_columns,
)
from ctexport_dagster.core.export import Format
from ctexport_dagster.core.manifest import ManifestColumn
from ctexport_dagster.core.schema import ValueType

PLAN = ColumnPlan(
    (
        OutputColumn("identity", "identity", "identity", ValueType.STRING),
        OutputColumn("clevertapIds", "clevertapIds", "ids", ValueType.STRINGS),
        OutputColumn("property", "device", "Device model", ValueType.INTEGER),
    ),
    ("a warning",),
)
CSV = Format(type="csv")


def with_type(type_: ValueType) -> ColumnPlan:
    return ColumnPlan((OutputColumn("property", "age", "age", type_),))


def test_a_property_and_a_column_of_one_name_have_different_keys():
    device = OutputColumn("device", "device", "device", ValueType.STRING)
    assert [device.key, PLAN.columns[2].key] == ["device", "property:device"]


def test_a_staged_plan_comes_back_as_it_was():
    assert plan_from_staged(staged_columns(PLAN), PLAN.warnings) == PLAN


@pytest.mark.req("B1")
def test_the_manifest_names_header_type_and_source():
    assert manifest_columns(PLAN) == (
        ManifestColumn("identity", "string", "identity"),
        ManifestColumn("ids", "strings", "clevertapIds"),
        ManifestColumn("Device model", "integer", "property:device"),
    )


@pytest.mark.req("B1")
def test_the_fingerprint_of_a_plan_never_changes_between_versions():
    assert fingerprint(PLAN, CSV) == "d779a737e73ae325"


@pytest.mark.req("B1")
@pytest.mark.parametrize(
    "other",
    [
        ColumnPlan(PLAN.columns[::-1]),
        ColumnPlan(PLAN.columns[:2]),
        ColumnPlan((*PLAN.columns[:2], OutputColumn("property", "device", "Device", ValueType.INTEGER))),
        ColumnPlan((*PLAN.columns[:2], OutputColumn("property", "device", "Device model", ValueType.FLOAT64))),
    ],
    ids=["order", "fewer", "header", "type"],
)
def test_the_fingerprint_differs_with_headers_types_and_order(other: ColumnPlan):
    assert fingerprint(other, CSV) != fingerprint(PLAN, CSV)


@pytest.mark.req("B1")
def test_the_fingerprint_doesnt_differ_with_warnings_or_compression():
    assert fingerprint(ColumnPlan(PLAN.columns), Format(type="csv", compression="small")) == fingerprint(PLAN, CSV)


@pytest.mark.req("B1")
def test_where_all_is_text_a_widened_type_changes_no_fingerprint():
    text = Format(type="csv", as_string=True)
    assert fingerprint(with_type(ValueType.INTEGER), text) == fingerprint(with_type(ValueType.FLOAT64), text)
