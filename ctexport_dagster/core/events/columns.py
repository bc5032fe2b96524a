"""The columns beside an event's own: whose it is, and how that person may be reached. Source: REQUIREMENTS L2, L14."""

from dataclasses import replace

from ctexport_dagster.core.column_plan import preference_column
from ctexport_dagster.core.columns import ColumnPlan, OutputColumn
from ctexport_dagster.core.events.export import EventExport
from ctexport_dagster.core.identifiers import suggestion, unknown_identifiers
from ctexport_dagster.core.schema import SourceSchema, ValueType


def plan_event_columns(export: EventExport, schema: SourceSchema) -> ColumnPlan:
    """The plan of an events export as of a partition; `schema` is the profiles', empty for a source without any.

    An identifier that no profile has had so far may still stand in the events' own profile maps: a warning, no mistake.
    """
    every = ValueType.STRINGS if export.identity.values == "all" else ValueType.STRING
    columns = [OutputColumn("identity", "identity", "identity", every)]
    if export.identity.all_identities:
        columns.append(OutputColumn("all_identities", "all_identities", "all_identities", ValueType.STRINGS))
    if export.identity.clevertap_id:
        columns.append(OutputColumn("clevertapId", "clevertapId", "clevertapId", ValueType.STRING))
    columns += [_preference(name, schema) for name in export.columns.preferences]
    return ColumnPlan(tuple(columns), tuple(_unknown_identifiers(export, schema)))


def _preference(name: str, schema: SourceSchema) -> OutputColumn:
    """A preference that no profile has had is a flag: where there is no schema, events' own maps have it as such."""
    column = preference_column(name, schema)
    field = schema.by_name.get(("preference", name))
    has_type = column.role == "groups" or (field is not None and field.type != ValueType.UNKNOWN)
    return column if has_type else replace(column, type=ValueType.BOOLEAN)


def _unknown_identifiers(export: EventExport, schema: SourceSchema) -> list[str]:
    if not schema.fields:
        return []
    known = ("Identity", *(field.name for field in schema.properties))
    return [
        f"identity.order names {name}, which the profiles of {export.source} have not had so far"
        f"{suggestion(name, known)}"
        for name in unknown_identifiers(export.identity.order, schema)
    ]
