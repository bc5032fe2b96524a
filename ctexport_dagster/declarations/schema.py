"""The JSON Schemas of the declared files, for editors: what a person writes, not what the models hold afterwards."""

from collections.abc import Mapping
from typing import get_args

from pydantic.json_schema import JsonSchemaValue, models_json_schema

from ctexport_dagster.core.datasets.format import DatasetFormat
from ctexport_dagster.core.declared import Declared
from ctexport_dagster.core.events.export import EventColumns
from ctexport_dagster.core.events.format import EventFormat
from ctexport_dagster.core.export import Columns, Files, Format, FormatType, Identity, Schedule
from ctexport_dagster.core.settings import Guards, Mail, Settings, Webhook
from ctexport_dagster.declarations.reading import EXPORT_KINDS
from ctexport_dagster.resources.registry import RESOURCE_KINDS, ResourceKind

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def export_schema() -> JsonSchemaValue:
    """The schema of `assets/*.yaml`: one alternative for each kind of export."""
    by_model, schema = models_json_schema([(model, "validation") for model in EXPORT_KINDS.values()])
    definitions = schema["$defs"]
    for model in (Format, EventFormat, DatasetFormat, Files, Identity, Columns, EventColumns, Schedule):
        _defaults_as_written(definitions[model.__name__], model)
    for kind, model in EXPORT_KINDS.items():
        definition = definitions[model.__name__]
        _without_name(definition)
        _defaults_as_written(definition, model)
        options = definition["properties"]["format"]
        definition["properties"]["format"] = {
            "description": "The format alone, or a mapping with its options.",
            "anyOf": [{"enum": list(get_args(FormatType))}, {"$ref": options["$ref"]}],
        }
        if kind != "profiles":
            definition["required"] = sorted({"kind", *definition["required"]})
    return {
        "$schema": DIALECT,
        "title": "An export of ctexport",
        "description": "One file under assets/ declares one export; the file's name is the export's.",
        "oneOf": [by_model[model, "validation"] for model in EXPORT_KINDS.values()],
        "$defs": _untitled(definitions),
    }


def resource_schema(kinds: Mapping[str, ResourceKind] = RESOURCE_KINDS) -> JsonSchemaValue:
    """The schema of `resources/*.yaml`: one alternative for each kind of source and destination."""
    models = {kind: kinds[kind].load() for kind in sorted(kinds)}
    by_model, schema = models_json_schema([(model, "validation") for model in models.values()])
    definitions = schema["$defs"]
    alternatives = []
    for kind, model in models.items():
        reference = by_model[model, "validation"]
        alternatives.append(reference)
        definition = definitions[reference["$ref"].rpartition("/")[2]]
        _without_name(definition)
        _defaults_as_written(definition, model)
        definition["properties"]["type"] = {"const": kind}
        definition["required"] = sorted({"type", *definition.get("required", ())})
    return {
        "$schema": DIALECT,
        "title": "A source or destination of ctexport",
        "oneOf": alternatives,
        "$defs": _untitled(definitions),
    }


def settings_schema() -> JsonSchemaValue:
    """The schema of `settings.yaml`."""
    schema = Settings.model_json_schema()
    _defaults_as_written(schema, Settings)
    for model in (Mail, Webhook, Guards):
        _defaults_as_written(schema["$defs"][model.__name__], model)
    return {"$schema": DIALECT, "title": "The settings of a ctexport home", **_untitled(schema)}


def _without_name(definition: JsonSchemaValue) -> None:
    """A declaration's name is its file's: no key of that name may stand in it."""
    del definition["properties"]["name"]
    definition["required"].remove("name")


def _defaults_as_written(definition: JsonSchemaValue, model: type[Declared]) -> None:
    defaults = model.model_construct().model_dump(mode="json", warnings=False)
    for key, field in definition["properties"].items():
        if "default" in field:
            field["default"] = defaults[key]


def _untitled(schema: JsonSchemaValue) -> JsonSchemaValue:
    """Without the titles that pydantic makes of the fields' names."""
    return {
        key: _untitled(value)
        if isinstance(value, dict)
        else [_untitled(item) if isinstance(item, dict) else item for item in value]
        if isinstance(value, list)
        else value
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }
