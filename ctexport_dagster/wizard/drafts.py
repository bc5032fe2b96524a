"""Declared files that aren't written yet: what is wrong with one answer of them, and with all of them in their home."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import copy2
from typing import TypeVar

from pydantic import ValidationError

from ctexport_dagster.core.declared import Declared
from ctexport_dagster.core.errors import Mistake
from ctexport_dagster.core.export import DeclaredExport
from ctexport_dagster.core.kinds import naming_of
from ctexport_dagster.core.naming import NamingMistake
from ctexport_dagster.declarations.agreement import disagreements
from ctexport_dagster.declarations.messages import mistakes_in
from ctexport_dagster.declarations.reading import SETTINGS, Declarations, read_declarations
from ctexport_dagster.declarations.writing import written
from ctexport_dagster.declarations.yaml import Value, read_document
from ctexport_dagster.resources.registry import RESOURCE_KINDS

Model = TypeVar("Model", bound=Declared)
AnExport = TypeVar("AnExport", bound=DeclaredExport)
FOLDERS = ("assets", "resources")
_UNSAID: Mapping[str, Value] = {
    "owner": "nobody@example.com",
    "source": "none",
    "destination": "none",
    "account_id": 0,
    "format": "csv",
}
"""What stands for the answers that a draft still lacks; none of it is ever written."""


@dataclass(frozen=True)
class NewFile:
    """One file to be written: `file` is relative to the home."""

    file: str
    text: str


def export_draft(
    name: str, content: Mapping[str, Value], model: type[AnExport]
) -> tuple[AnExport | None, list[Mistake]]:
    """The export as far as it was said, the rest as if left out; and what is wrong with it."""
    export, mistakes = draft(name, {**_UNSAID, **content}, model)
    if export is None:
        return None, mistakes
    try:
        naming_of(export)
    except NamingMistake as problem:
        return None, [Mistake(name, 0, problem.field, str(problem))]
    return export, []


def draft(name: str, content: Mapping[str, Value], model: type[Model]) -> tuple[Model | None, list[Mistake]]:
    """The model of a file with this content; None, and the mistakes, where it refuses it."""
    document, mistakes = read_document(name, written((), content, model).encode())
    if document is None or mistakes:
        return None, mistakes
    try:
        return model.model_validate({**document.content, "name": name}), []
    except ValidationError as error:
        return None, list(mistakes_in(document, error, model))


def about(field: str, mistakes: Iterable[Mistake]) -> list[str]:
    """What the mistakes say of one field, or of what it holds."""
    return [one.message for one in mistakes if one.field == field or one.field.startswith((f"{field}.", f"{field}["))]


def home_with(root: Path, files: Sequence[NewFile]) -> tuple[Declarations, list[Mistake]]:
    """The declarations of a home as if these files stood in it, and the mistakes that it then has and now hasn't."""
    before = _mistakes(read_declarations(root, RESOURCE_KINDS))
    with tempfile.TemporaryDirectory(prefix="ctexport-new-") as folder:
        copy = Path(folder)
        _copy_declared(root, copy)
        for new in files:
            (copy / new.file).write_text(new.text, encoding="utf-8")
        declared = read_declarations(copy, RESOURCE_KINDS)
    return declared, [mistake for mistake in _mistakes(declared) if mistake not in before]


def _mistakes(declared: Declarations) -> list[Mistake]:
    return [*declared.mistakes, *disagreements(declared)]


def _copy_declared(root: Path, copy: Path) -> None:
    for folder in FOLDERS:
        (copy / folder).mkdir()
        for path in (root / folder).glob("*.y*ml"):
            if path.is_file():
                copy2(path, copy / folder / path.name)
    if (root / SETTINGS).is_file():
        copy2(root / SETTINGS, copy / SETTINGS)
