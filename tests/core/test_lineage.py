"""Lineage: the fields of the source that an output column comes from."""

from base64 import b64decode
from xml.etree import ElementTree

from ctexport_dagster.core.column_plan import plan_columns
from ctexport_dagster.core.export import Export
from ctexport_dagster.core.lineage import described, lineage
from ctexport_dagster.core.lineage_drawing import DRAWN_COLUMNS, lineage_markdown
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
SVG = "{http://www.w3.org/2000/svg}"
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


def markdown(export: Export = EXPORT, schema: SourceSchema = SCHEMA) -> str:
    plan = plan_columns(export, schema)
    return lineage_markdown(plan, lineage(plan, export, schema), "crm/profiles")


def drawing(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(b64decode(text.partition("base64,")[2].partition(")")[0]))


def test_the_table_says_from_what_and_how_each_column_comes():
    rows = [line for line in markdown().splitlines() if line.startswith("|")]
    assert rows[0] == "| column | from crm/profiles | how |"
    assert "| `identity` | `crm_id`, `Phone`, `identity` | the first that there is, in this order |" in rows
    assert "| `Phone Number` | `Phone` | renamed |" in rows
    assert "| `device` | `deviceToken` | as it is |" in rows


def test_the_drawing_has_every_field_and_column_and_a_line_for_each_pair():
    svg = drawing(markdown())
    names = [text.text for text in svg.iter(f"{SVG}text")]
    assert names[:3] == ["crm_id", "Phone", "identity"]
    assert names[-1] == "Phone Number"
    assert len(list(svg.iter(f"{SVG}path"))) == 3 + 3 + 6


def test_names_with_marks_of_xml_and_markdown_break_neither():
    schema = SourceSchema((Field("property", "a|`<&>\x01", ValueType.STRING),))
    export = EXPORT.model_copy(update={"columns": EXPORT.columns.model_copy(update={"properties": ("a|`<&>\x01",)})})
    text = markdown(export, schema)
    assert "| `a\\|'<&> ` | `a\\|'<&> ` | as it is |" in text.splitlines()
    assert "a|`<&> " in [label.text for label in drawing(text).iter(f"{SVG}text")]


def test_of_very_many_columns_the_first_are_drawn_and_the_rest_counted():
    names = [f"p{number}" for number in range(DRAWN_COLUMNS)]
    schema = SourceSchema(tuple(Field("property", name, ValueType.STRING) for name in names))
    export = EXPORT.model_copy(update={"columns": EXPORT.columns.model_copy(update={"properties": tuple(names)})})
    text = markdown(export, schema)
    left_out = len(plan_columns(export, schema).columns) - DRAWN_COLUMNS
    assert f"and {left_out} more columns" in text
    assert len(text.splitlines()) < DRAWN_COLUMNS + 10


def test_a_column_is_described_in_words():
    columns = {column.header: described(column, EXPORT) for column in plan_columns(EXPORT, SCHEMA).columns}
    assert columns["identity"] == "The first of crm_id, phone, Identity that a profile has"
    assert columns["Phone Number"] == "System property, Phone renamed"
    assert columns["MSG-push"] == "Communication preference"
