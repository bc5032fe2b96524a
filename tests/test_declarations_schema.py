"""The JSON Schemas: never stale, and they accept what loads and refuse what doesn't."""

import json
import re
from pathlib import Path

import pytest

from ctexport_dagster.declarations.reading import read_declarations
from ctexport_dagster.declarations.schema import export_schema, resource_schema, settings_schema
from ctexport_dagster.declarations.yaml import Document, Value, read_document
from ctexport_dagster.resources.registry import RESOURCE_KINDS

ROOT = Path(__file__).parents[1]
EXPORTS = sorted(ROOT.glob("assets/*.yaml"))
RESOURCES = sorted(ROOT.glob("resources/**/*.yaml"))
JSON_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


SAYS_NOTHING = {"$schema", "title", "description", "default", "examples", "$defs", "format"}


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


SCALAR_RULES = {
    "type": lambda value, rule: isinstance(value, JSON_TYPES[rule]) and isinstance(value, bool) <= (rule == "boolean"),
    "const": lambda value, rule: value == rule,
    "enum": lambda value, rule: value in rule,
    "pattern": lambda value, rule: not isinstance(value, str) or re.search(rule, value) is not None,
    "minLength": lambda value, rule: not isinstance(value, str) or len(value) >= rule,
    "minimum": lambda value, rule: not is_number(value) or value >= rule,
    "exclusiveMinimum": lambda value, rule: not is_number(value) or value > rule,
    "maximum": lambda value, rule: not is_number(value) or value <= rule,
    "exclusiveMaximum": lambda value, rule: not is_number(value) or value < rule,
}


class Schema:
    """As much of JSON Schema as ours use; an unknown keyword is an error of the test."""

    def __init__(self, root: dict[str, object]) -> None:
        self.root = json.loads(json.dumps(root))

    def accepts(self, value: object, schema: dict | None = None) -> bool:
        schema = self.root if schema is None else schema
        return all(self._passes(key, rule, value, schema) for key, rule in schema.items())

    def _passes(self, key: str, rule: object, value: object, schema: dict) -> bool:
        match key, rule:
            case "$ref", str():
                return self.accepts(value, self.root["$defs"][rule.rpartition("/")[2]])
            case (("anyOf" | "oneOf"), list()):
                fitting = sum(self.accepts(value, option) for option in rule)
                return fitting >= 1 if key == "anyOf" else fitting == 1
            case "items", dict():
                return not isinstance(value, list) or all(self.accepts(item, rule) for item in value)
            case (("required" | "properties" | "additionalProperties"), _):
                return isinstance(value, dict) and self._passes_keys(key, rule, value, schema)
        return key in SAYS_NOTHING or SCALAR_RULES[key](value, rule)

    def _passes_keys(self, key: str, rule: object, value: dict, schema: dict) -> bool:
        match key, rule:
            case "required", list():
                return set(rule) <= set(value)
            case "properties", dict():
                return all(self.accepts(item, rule[name]) for name, item in value.items() if name in rule)
            case "additionalProperties", dict():
                return all(self.accepts(item, rule) for item in value.values())
        return set(value) <= set(schema["properties"])


def document(path: Path) -> Document:
    read, mistakes = read_document(path.name, path.read_bytes())
    assert (read is not None, mistakes) == (True, [])
    assert read is not None
    return read


def as_json(value: Value) -> object:
    """What an editor's YAML reader hands to the schema: dates are text."""
    return json.loads(json.dumps(value, default=str))


@pytest.mark.parametrize(
    ("name", "schema"),
    [("export", export_schema()), ("resource", resource_schema()), ("settings", settings_schema())],
)
def test_the_schema_in_the_repository_is_the_models(name: str, schema: dict[str, object]) -> None:
    stored = (ROOT / "schemas" / f"{name}.schema.json").read_text()
    assert stored == json.dumps(schema, ensure_ascii=False, indent=2) + "\n", f"run ctexport schema {name}"


@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: path.stem)
def test_an_example_export_fits_the_schema(path: Path) -> None:
    assert Schema(export_schema()).accepts(as_json(document(path).content))


def test_the_example_settings_fit_the_schema_and_show_every_key() -> None:
    example, schema = document(ROOT / "settings.yaml"), settings_schema()
    assert Schema(schema).accepts(as_json(example.content))
    keys = {(key,) for key in schema["properties"]} | {
        ("guards", key) for key in schema["$defs"]["Guards"]["properties"]
    }
    assert keys - set(example.lines) == set()


@pytest.mark.parametrize("path", RESOURCES, ids=lambda path: path.stem)
def test_an_example_resource_fits_the_schema(path: Path) -> None:
    assert Schema(resource_schema()).accepts(as_json(document(path).content))


@pytest.mark.parametrize(
    "change",
    [
        {"strct": True},
        {"format": "cvs"},
        {"format": {"style": "typed"}},
        {"schedule": {"every": "5h"}},
        {"schedule": {"at": "25:00"}},
        {"files": {"chunk_size": "100 megs"}},
        {"identity": {"order": "Email"}},
        {"columns": {"properties": "some"}},
        {"name": "other"},
        {"export_id": -1},
    ],
)
def test_a_mistaken_export_does_not_fit_the_schema(change: dict[str, object]) -> None:
    base = as_json(document(ROOT / "assets/daily_profiles.yaml").content)
    assert isinstance(base, dict)
    assert not Schema(export_schema()).accepts({**base, **change})


@pytest.mark.parametrize(
    "declared",
    [
        {"type": "demo"},
        {"type": "nothing", "start": "2026-11-18"},
        {"type": "local"},
        {"type": "local", "folder": "exports", "start": "2026-11-18"},
        {"type": "demo", "start": "2026-11-18", "mode": "all"},
    ],
)
def test_a_mistaken_resource_does_not_fit_the_schema(declared: dict[str, object]) -> None:
    assert not Schema(resource_schema()).accepts(declared)


def test_the_examples_beside_the_declared_resources_load_as_well(tmp_path: Path) -> None:
    (tmp_path / "resources").mkdir()
    examples = sorted(ROOT.glob("resources/examples/*.yaml"))
    for path in examples:
        (tmp_path / "resources" / path.name).write_bytes(path.read_bytes())
    declared = read_declarations(tmp_path, RESOURCE_KINDS)
    assert (declared.mistakes, sorted(declared.roles)) == ([], [path.stem for path in examples])


def test_the_commented_example_shows_every_key_of_an_export() -> None:
    shown = set(document(ROOT / "assets/daily_profiles.yaml").lines)
    schema = export_schema()
    keys: set[tuple[str, ...]] = {(key,) for key in schema["$defs"]["Export"]["properties"]}
    for name in ("Files", "Identity", "Columns", "Schedule"):
        keys |= {(name.lower(), key) for key in schema["$defs"][name]["properties"]}
    assert keys - shown == set()
