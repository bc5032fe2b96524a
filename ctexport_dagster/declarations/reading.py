"""Reads a home's declared files: exports from assets/, sources and destinations from resources/, and settings.yaml."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from ctexport_dagster.core.datasets.export import DatasetExport
from ctexport_dagster.core.declared import Declared
from ctexport_dagster.core.errors import Mistake
from ctexport_dagster.core.events.export import EventExport
from ctexport_dagster.core.export import DeclaredExport, Export, ExportKind
from ctexport_dagster.core.settings import Settings
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.declarations.messages import did_you_mean, mistakes_in
from ctexport_dagster.declarations.yaml import Document, read_document
from ctexport_dagster.resources.registry import ResourceKind, ResourceRole

Model = TypeVar("Model", bound=BaseModel)
SETTINGS = "settings.yaml"
FILE_FORMATS = ("csv", "json", "ndjson", "parquet")
EXPORT_KINDS: Mapping[ExportKind, type[DeclaredExport]] = {
    "profiles": Export,
    "events": EventExport,
    "datasets": DatasetExport,
}


@dataclass(frozen=True)
class Declaration(Generic[Model]):
    """One declared file that its model accepts."""

    document: Document
    model: Model


@dataclass
class Declarations:
    """Everything that a home declares, by name, and every mistake in a single file.

    `roles` has every file under resources/, also those with mistakes: None where the role can't be told.
    """

    exports: dict[str, Declaration[DeclaredExport]] = field(default_factory=dict)
    sources: dict[str, Declaration[SourceDeclaration]] = field(default_factory=dict)
    destinations: dict[str, Declaration[Declared]] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    roles: dict[str, ResourceRole | None] = field(default_factory=dict)
    mistakes: list[Mistake] = field(default_factory=list)


def read_declarations(root: Path, kinds: Mapping[str, ResourceKind]) -> Declarations:
    """Reads `assets/*.yaml`, `resources/*.yaml` and `settings.yaml` of a home; sub-folders are left alone."""
    found = Declarations()
    for path in _declared_files(root / "assets", found):
        document = _document(root, path, found)
        kind = _export_class(document, found) if document else None
        model = _validated(document, kind, path.stem, found) if document and kind else None
        if document and model:
            found.exports[path.stem] = Declaration(document, model)
    for path in _declared_files(root / "resources", found):
        found.roles[path.stem] = None
        document = _document(root, path, found)
        if document:
            _read_resource(document, path.stem, kinds, found)
    if (root / SETTINGS).exists():
        document = _document(root, root / SETTINGS, found)
        found.settings = (_model(document, Settings, document.content, found) if document else None) or Settings()
    return found


def _export_class(document: Document, found: Declarations) -> type[DeclaredExport] | None:
    """The class of the kind that a document names, profiles if none; None for another, whose keys nobody knows."""
    declared = document.content.get("kind", "profiles")
    chosen = next((model for kind, model in EXPORT_KINDS.items() if kind == declared), None)
    if chosen is None:
        message = f"must be one of {', '.join(EXPORT_KINDS)}{did_you_mean(declared, EXPORT_KINDS)}"
        found.mistakes.append(document.mistake(("kind",), message))
    return chosen


def _read_resource(document: Document, name: str, kinds: Mapping[str, ResourceKind], found: Declarations) -> None:
    kind = _kind_of(document, kinds, found)
    if kind is None:
        return
    found.roles[name] = kind.role
    model = _validated(document, kind.load(), name, found)
    if isinstance(model, SourceDeclaration):
        found.sources[name] = Declaration(document, model)
    elif model:
        found.destinations[name] = Declaration(document, model)


def _kind_of(document: Document, kinds: Mapping[str, ResourceKind], found: Declarations) -> ResourceKind | None:
    declared = document.content.get("type")
    if isinstance(declared, str) and declared in kinds:
        return kinds[declared]
    known = f"must be one of {', '.join(sorted(kinds))}"
    message = known + _kind_hint(declared, kinds) if "type" in document.content else f"is missing: it {known}"
    found.mistakes.append(document.mistake(("type",), message))
    return None


def _kind_hint(declared: object, kinds: Mapping[str, ResourceKind]) -> str:
    """What was probably meant: whoever has CSV files writes the format where the kind stands."""
    if declared in FILE_FORMATS and "files" in kinds:
        return f"; a source of {declared} files is of type files"
    return did_you_mean(declared, kinds)


def _declared_files(folder: Path, found: Declarations) -> list[Path]:
    """The YAML files of a folder, by name, with a legal stem: it becomes a Dagster group and key prefix."""
    declared: list[Path] = []
    for path in sorted(folder.glob("*.y*ml")):
        file = f"{folder.name}/{path.name}"
        if path.name.startswith(".") or not path.is_file():
            continue
        if path.suffix != ".yaml":
            found.mistakes.append(Mistake(file, 0, "", f"rename it to {path.stem}.yaml, else it isn't read"))
        elif not re.fullmatch("[a-z0-9_]+", path.stem):
            message = "the file's name is the name in Dagster: use a-z, 0-9 and _ alone"
            found.mistakes.append(Mistake(file, 0, "", message))
        else:
            declared.append(path)
    return declared


def _document(root: Path, path: Path, found: Declarations) -> Document | None:
    file = path.relative_to(root).as_posix()
    try:
        content = path.read_bytes()
    except OSError as problem:
        found.mistakes.append(Mistake(file, 0, "", f"can't be read: {problem.strerror}"))
        return None
    document, mistakes = read_document(file, content)
    found.mistakes += mistakes
    return document


def _validated(document: Document, model: type[Model], name: str, found: Declarations) -> Model | None:
    content = {key: value for key, value in document.content.items() if key != "name"}
    if "name" in document.content:
        found.mistakes.append(document.mistake(("name",), f"the name is the file's, {name}; leave the key out"))
    return _model(document, model, {**content, "name": name}, found)


def _model(document: Document, model: type[Model], content: Mapping[str, object], found: Declarations) -> Model | None:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        found.mistakes += mistakes_in(document, error, model)
        return None
