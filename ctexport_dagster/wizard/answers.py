"""The answers of one session: what was said of the export and its resources, and the declared files that they make."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import get_args

from pydantic import BaseModel

from ctexport_dagster.core.datasets.export import DatasetExport
from ctexport_dagster.core.declared import Declared
from ctexport_dagster.core.export import Columns, Export, Files, Identity, Schedule
from ctexport_dagster.core.secret import Secret
from ctexport_dagster.declarations.writing import written
from ctexport_dagster.declarations.yaml import Value
from ctexport_dagster.resources.registry import RESOURCE_KINDS

Content = dict[str, Value]


@dataclass
class ExportAnswers:
    """What was said of the export; None where nothing was, so that the model's default holds."""

    name: str
    description: str | None = None
    source: str | None = None
    destination: str | None = None
    owner: str | None = None
    account_id: str | None = None
    datasets: list[str] | None = None
    """Those of a flow; None for an export of profiles."""
    format: str | None = None
    folder: str | None = None
    file_name: str | None = None
    identifiers: list[str] | None = None
    identity_values: str | None = None
    all_identities: bool | None = None
    clevertap_id: bool | None = None
    device: bool | None = None
    communication: list[str] | None = None
    properties: list[str] | None = None
    order: list[str] | None = None
    rename: dict[str, str] | None = None
    on_new_property: str | None = None
    every: str | None = None
    at: str | None = None
    timezone: str | None = None
    start: str | None = None
    end: str | None = None
    mode: str | None = None

    @property
    def file(self) -> str:
        return f"assets/{self.name}.yaml"

    @property
    def is_flow(self) -> bool:
        """Whether datasets are exported, and not profiles."""
        return self.datasets is not None

    @property
    def model(self) -> type[Export] | type[DatasetExport]:
        return DatasetExport if self.is_flow else Export

    def with_defaults(self) -> "ExportAnswers":
        """With the models' own defaults where the first three steps weren't answered, so that the file shows them."""
        files = Files()
        shared = {"format": "csv", "folder": files.folder, "file_name": files.name, "mode": Schedule().mode}
        defaults = shared if self.is_flow else {**shared, **self._defaults_of_profiles()}
        return replace(self, **{name: value for name, value in defaults.items() if getattr(self, name) is None})

    @staticmethod
    def _defaults_of_profiles() -> dict[str, object]:
        identity, columns = Identity(), Columns()
        return {
            "identifiers": [*identity.order],
            "identity_values": identity.values,
            "all_identities": identity.all_identities,
            "clevertap_id": identity.clevertap_id,
            "device": columns.device,
            "communication": [*columns.preferences],
            "properties": ["all"],
        }

    def content(self) -> Content:
        """The declaration, as the YAML has it, in the order of the four steps."""
        return _said(
            {
                "kind": "datasets" if self.is_flow else "profiles",
                "description": self.description,
                "owner": self.owner,
                "source": self.source,
                "destination": self.destination,
                "account_id": _number(self.account_id),
                "datasets": _list(self.datasets),
                "format": self.format,
                "files": _said({"folder": self.folder, "name": self.file_name}),
                "identity": _said(
                    {
                        "order": _list(self.identifiers),
                        "values": self.identity_values,
                        "all_identities": self.all_identities,
                        "clevertap_id": self.clevertap_id,
                    }
                ),
                "columns": _said(
                    {
                        "device": self.device,
                        "communication": _word_or_list(self.communication, ("all",)),
                        "properties": _word_or_list(self.properties, ("all", "system")),
                        "rename": {**self.rename} if self.rename else None,
                        "order": _list(self.order or None),
                        "on_new_property": self.on_new_property,
                    }
                ),
                "schedule": _said(
                    {
                        "every": self.every,
                        "at": self.at,
                        "timezone": self.timezone,
                        "start": _day(self.start),
                        "end": _day(self.end),
                        "mode": self.mode,
                    }
                ),
            }
        )

    def text(self, head: Iterable[str]) -> str:
        return written(list(head), self.content(), self.model)


@dataclass
class ResourceAnswers:
    """What was said of a new source or destination: its kind, and its fields as text.

    A field that holds a secret is given as `env:NAME`, or `NAME` alone: the name of the variable that holds it.
    """

    name: str
    kind: str
    fields: dict[str, str] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)

    @property
    def file(self) -> str:
        return f"resources/{self.name}.yaml"

    @property
    def model(self) -> type[Declared]:
        return RESOURCE_KINDS[self.kind].load()

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that it takes its secrets from."""
        secret = secret_fields(self.model)
        return tuple(_variable(value) for key, value in self.fields.items() if key in secret)

    def content(self) -> Content:
        """The declaration, as the YAML has it."""
        secret = secret_fields(self.model)
        fields: Content = {
            key: {"env": _variable(value)} if key in secret else _typed(value, self.model, key)
            for key, value in self.fields.items()
        }
        return {"type": self.kind, **fields, **({"columns": {**self.columns}} if self.columns else {})}

    def text(self, head: Iterable[str]) -> str:
        return written(list(head), self.content(), self.model)


def secret_fields(model: type[BaseModel]) -> frozenset[str]:
    """The fields of a kind that hold secrets."""
    return frozenset(name for name in model.model_fields if Secret in _kinds(model, name))


def _said(content: Mapping[str, Value]) -> Content:
    return {key: value for key, value in content.items() if value is not None and value != {}}


def _list(names: list[str] | None) -> list[Value] | None:
    return None if names is None else [*names]


def _word_or_list(names: list[str] | None, words: tuple[str, ...]) -> Value:
    return names[0] if names and len(names) == 1 and names[0] in words else _list(names)


def _number(text: str | None) -> Value:
    """A number where the text is one: what isn't is refused by the model."""
    return int(text) if text is not None and text.isdecimal() and text.isascii() else text


def _day(text: str | None) -> Value:
    """A day where the text is one: what isn't is refused by the model."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return text


def _typed(text: str, model: type[BaseModel], key: str) -> Value:
    """The text as the field's type writes it; text where the type wants text, or the field is unknown."""
    kinds = _kinds(model, key)
    if bool in kinds:
        return {"true": True, "false": False}.get(text, text)
    if date in kinds:
        return _day(text)
    return _number(text) if int in kinds or float in kinds else text


def _kinds(model: type[BaseModel], key: str) -> tuple[object, ...]:
    field = model.model_fields.get(key)
    return (field.annotation, *get_args(field.annotation)) if field else ()


def _variable(value: str) -> str:
    return value.removeprefix("env:")
