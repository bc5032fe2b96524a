"""Lineage: which fields of the source each output column comes from, and what it holds, in words."""

from typing import assert_never

from ctexport_dagster.core.columns import ColumnPlan, OutputColumn
from ctexport_dagster.core.export import Export, PersonExport
from ctexport_dagster.core.identifiers import ACCOUNT_DEFINED, IDENTITY, meant_identifier
from ctexport_dagster.core.profile import SYSTEM_PROPERTIES
from ctexport_dagster.core.schema import SourceSchema


def lineage(plan: ColumnPlan, export: Export, schema: SourceSchema) -> dict[str, tuple[str, ...]]:
    """Header → fields of the profile model, as `identity`, `deviceToken`, `MSG-push` or a property's name."""
    return {column.header: _fields(column, export, schema) for column in plan.columns}


def described(column: OutputColumn, export: PersonExport) -> str:
    """What a column holds, as people say it: `The first of Identity, Email that a profile has`."""
    renamed = "" if column.header == column.name else f", {column.name} renamed"
    match column.role:
        case "identity":
            which = "All" if column.is_list else "The first"
            return f"{which} of {', '.join(export.identity.order)} that a profile has{renamed}"
        case "all_identities":
            return f"All of {', '.join(ACCOUNT_DEFINED)} that a profile has{renamed}"
        case "clevertapId":
            return f"The profile's current id{renamed}"
        case "clevertapIds":
            return f"All ids that the profile ever had{renamed}"
        case "device":
            return f"The device token{renamed}"
        case "preference":
            return f"Communication preference{renamed}"
        case "groups":
            return f"Subscription groups, each Subscribed or Unsubscribed{renamed}"
        case "property":
            return f"{'System' if column.name in SYSTEM_PROPERTIES else 'User'} property{renamed}"
        case _:
            assert_never(column.role)


def _fields(column: OutputColumn, export: Export, schema: SourceSchema) -> tuple[str, ...]:
    match column.role:
        case "identity":
            return _identifier_fields(export.identity.order, schema)
        case "all_identities":
            return _identifier_fields(ACCOUNT_DEFINED, schema)
        case "device":
            return ("deviceToken",)
        case "clevertapId" | "clevertapIds" | "preference" | "groups" | "property":
            return (column.name,)
        case _:
            assert_never(column.role)


def _identifier_fields(order: tuple[str, ...], schema: SourceSchema) -> tuple[str, ...]:
    meant = (meant_identifier(name, schema) for name in order)
    return tuple(dict.fromkeys("identity" if name == IDENTITY else name for name in meant))
