"""Lineage: which fields of the source each output column comes from."""

from typing import assert_never

from ctexport_dagster.core.columns import ColumnPlan, OutputColumn
from ctexport_dagster.core.export import Export
from ctexport_dagster.core.identifiers import ACCOUNT_DEFINED, IDENTITY, meant_identifier
from ctexport_dagster.core.schema import SourceSchema


def lineage(plan: ColumnPlan, export: Export, schema: SourceSchema) -> dict[str, tuple[str, ...]]:
    """Header → fields of the profile model, as `identity`, `deviceToken`, `MSG-push` or a property's name."""
    return {column.header: _fields(column, export, schema) for column in plan.columns}


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
