"""Lineage: the fields of the source that an output column comes from."""

from ctexport_dagster.core.column_plan import plan_columns
from ctexport_dagster.core.export import Export
from ctexport_dagster.core.lineage import lineage
from ctexport_dagster.core.schema import Field, SourceSchema, ValueType

EXPORT = Export.model_validate(
    {
        "name": "daily",
        "owner": "growth@example.com",
        "source": "crm",
        "destination": "disk",
        "account_id": 1,
        "format": "csv",
        "identity": {"order": ["crm_id", "phone", "Identity"], "all_identities": True},
        "columns": {
            "communication": ["MSG-push", "subscriptionGroups"],
            "properties": ["Phone"],
            "rename": {"Phone": "Phone Number"},
        },
    }
)
SCHEMA = SourceSchema((Field("property", "crm_id", ValueType.INTEGER), Field("property", "Phone", ValueType.STRING)))


def test_each_header_names_its_fields_in_order_of_priority():
    assert lineage(plan_columns(EXPORT, SCHEMA), EXPORT, SCHEMA) == {
        "identity": ("crm_id", "Phone", "identity"),
        "all_identities": ("identity", "Email", "Phone"),
        "clevertapId": ("clevertapId",),
        "clevertapIds": ("clevertapIds",),
        "device": ("deviceToken",),
        "MSG-push": ("MSG-push",),
        "subscriptionGroups": ("subscriptionGroups",),
        "Phone Number": ("Phone",),
    }
