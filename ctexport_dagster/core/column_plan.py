"""The column plan: which columns an export has in a partition, in which order. Source: REQUIREMENTS P12, P17 to P23.

Where the sources of these rules are silent or contradict each other:

- `properties: all` means the six system properties, present or not, then the custom ones. With the system columns
  always there, a property that first appears later stands at the end and moves no other column (`append`).
- With a list, the list's order is the user's order; names in `columns.order` come before it.
- `columns.order` orders properties alone: identifiers, device and preferences always stand before them.
- `columns.rename` gives any column another header. Where a property is called like another column, a rename means the
  property. XML's and Parquet's own fixed names (`identity`, `device`, …) stay.
- A listed property or chosen preference that the source has not had so far keeps its column, blank, with a warning.
- An identifier that the source has not had so far is passed over with a warning; with `strict`, or when no identifier
  is known, it is a mistake: the identity column would be blank for everybody.
"""

from collections.abc import Iterable
from dataclasses import replace

from ctexport_dagster.core.columns import ColumnPlan, OutputColumn
from ctexport_dagster.core.errors import ConfigurationError, Mistake
from ctexport_dagster.core.export import GROUPS, Export, Identity
from ctexport_dagster.core.identifiers import NOT_PROPERTIES, suggestion, unknown_identifiers
from ctexport_dagster.core.profile import SYSTEM_PROPERTIES
from ctexport_dagster.core.schema import Role, SourceSchema, ValueType

UNORDERED_SYSTEM = ("Email", "Phone", "Name", "Gender", "DOB", "Photo")
"""The order of system properties that the user leaves unordered. Source: REQUIREMENTS P23."""


def plan_columns(export: Export, schema: SourceSchema, locked: SourceSchema | None = None) -> ColumnPlan:
    """The columns of an export as of a partition.

    `schema` is the source's as of the partition. `locked`, the schema of the partition that `on_new_property: lock`
    is anchored to, fixes which properties `all` means; their types are still those of `schema`.

    Raises:
        ConfigurationError: under `strict`, two columns have one header or an identifier is unknown; without it, no
            identifier is known at all.
    """
    names = _property_names(export, schema, locked)
    columns = [
        *_identifier_columns(export.identity),
        *([OutputColumn("device", "device", "device", ValueType.STRING)] if export.columns.device else []),
        *(preference_column(name, schema) for name in export.columns.preferences),
        *(OutputColumn("property", name, name, _type_of("property", name, schema)) for name in names),
    ]
    renamed = _renamed(columns, export.columns.rename)
    kept, clashes = _last_of_each_header(renamed)
    unknown = _unknown_identifier_warnings(export, schema)
    _refuse(export, unknown, clashes, schema)
    warnings = (*unknown, *_blank_warnings(export, schema), *_stray_warnings(export, schema, columns))
    return ColumnPlan(tuple(kept), (*warnings, *clashes, *_case_warnings(kept)))


def _identifier_columns(identity: Identity) -> list[OutputColumn]:
    values = ValueType.STRINGS if identity.values == "all" else ValueType.STRING
    columns = [OutputColumn("identity", "identity", "identity", values)]
    if identity.all_identities:
        columns.append(OutputColumn("all_identities", "all_identities", "all_identities", ValueType.STRINGS))
    if identity.clevertap_id:
        columns.append(OutputColumn("clevertapId", "clevertapId", "clevertapId", ValueType.STRING))
        columns.append(OutputColumn("clevertapIds", "clevertapIds", "clevertapIds", ValueType.STRINGS))
    return columns


def preference_column(name: str, schema: SourceSchema) -> OutputColumn:
    """The column of a preference, or of the subscription groups."""
    if name == GROUPS:
        return OutputColumn("groups", name, name, ValueType.STRING)
    return OutputColumn("preference", name, name, _type_of("preference", name, schema))


def _type_of(role: Role, name: str, schema: SourceSchema) -> ValueType:
    """The field's type; text for one that has held nothing so far."""
    field = schema.by_name.get((role, name))
    return ValueType.STRING if field is None or field.type == ValueType.UNKNOWN else field.type


def _property_names(export: Export, schema: SourceSchema, locked: SourceSchema | None) -> list[str]:
    chosen = export.columns.listed_properties
    if chosen is None:
        anchor = locked if locked is not None and export.columns.on_new_property == "lock" else schema
        chosen = (*UNORDERED_SYSTEM, *(field.name for field in anchor.properties if _is_custom(field.name)))
    elif export.columns.properties == "system":
        chosen = UNORDERED_SYSTEM
    first = [name for name in export.columns.order if name in chosen]
    return list(dict.fromkeys([*first, *chosen]))


def _is_custom(name: str) -> bool:
    return name not in SYSTEM_PROPERTIES and name.lower() not in NOT_PROPERTIES


def _renamed(columns: list[OutputColumn], rename: dict[str, str]) -> list[OutputColumn]:
    properties = {column.name for column in columns if column.role == "property"}
    return [
        replace(column, header=rename[column.name])
        if column.name in rename and (column.role == "property" or column.name not in properties)
        else column
        for column in columns
    ]


def _last_of_each_header(columns: list[OutputColumn]) -> tuple[list[OutputColumn], list[str]]:
    """The columns that go out, and one warning for each that gives way to a later one of the same header."""
    last = {column.header: column for column in columns}
    lost = [column for column in columns if last[column.header] is not column]
    return [column for column in columns if last[column.header] is column], [
        f"two columns are called {column.header}: {_noun(column)} and {_noun(last[column.header])};"
        " only the last in order is exported"
        for column in lost
    ]


def _noun(column: OutputColumn) -> str:
    return f"the property {column.name}" if column.role == "property" else f"the column {column.name}"


def _unknown_identifier_warnings(export: Export, schema: SourceSchema) -> list[str]:
    known = ("Identity", *(field.name for field in schema.properties))
    return [
        f"identity.order names {name}, which the source {export.source} has not had so far{suggestion(name, known)}"
        for name in unknown_identifiers(export.identity.order, schema)
    ]


def _blank_warnings(export: Export, schema: SourceSchema) -> list[str]:
    """What the user chose by name and the source has not had so far; whole groups were not chosen by name."""
    columns = export.columns
    preferences = () if columns.communication == "all" else columns.communication
    properties = () if isinstance(columns.properties, str) else columns.properties
    return [
        *_never_seen("preference", tuple(name for name in preferences if name != GROUPS), export.source, schema),
        *_never_seen("property", properties, export.source, schema),
    ]


def _never_seen(role: Role, names: tuple[str, ...], source: str, schema: SourceSchema) -> list[str]:
    known = tuple(field.name for field in schema.fields if field.role == role)
    return [
        f"the source {source} has had no {role} {name} so far: its column stays blank{suggestion(name, known)}"
        for name in names
        if name not in known
    ]


def _stray_warnings(export: Export, schema: SourceSchema, columns: list[OutputColumn]) -> list[str]:
    """Names in `rename` and `order` that mean no column, and properties that are none."""
    properties = tuple(column.name for column in columns if column.role == "property")
    everything = tuple(column.name for column in columns)
    warnings = [
        f"columns.order names {name}, which is no property of this export{suggestion(name, properties)}"
        for name in export.columns.order
        if name not in properties
    ]
    warnings += [
        f"columns.rename names {name}, which is no column of this export{suggestion(name, everything)}"
        for name in export.columns.rename
        if name not in everything
    ]
    return warnings + [
        f"{field.name} is an identifier and no property: name it under `columns` of the source {export.source}"
        for field in schema.properties
        if export.columns.properties == "all" and field.name.lower() in NOT_PROPERTIES
    ]


def _case_warnings(columns: Iterable[OutputColumn]) -> list[str]:
    seen: dict[str, str] = {}
    warnings = []
    for column in columns:
        other = seen.setdefault(column.header.lower(), column.header)
        if other != column.header:
            warnings.append(f"the headers {other} and {column.header} differ by case alone: many engines can't tell")
    return warnings


def _refuse(export: Export, unknown: list[str], clashes: list[str], schema: SourceSchema) -> None:
    none_known = bool(schema.properties) and len(unknown) == len(export.identity.order)
    refused = [("identity.order", message) for message in unknown if export.strict or none_known]
    refused += [("columns", message) for message in clashes if export.strict]
    if refused:
        file = f"assets/{export.name}.yaml"
        raise ConfigurationError([Mistake(file, 0, field, message) for field, message in refused])
