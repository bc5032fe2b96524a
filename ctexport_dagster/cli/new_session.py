"""One session of `ctexport new`: the home, what was answered so far, and what is known of the source."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from ctexport_dagster.cli.asking import Asker, Check
from ctexport_dagster.core.datasets.export import DatasetExport
from ctexport_dagster.core.declared import Declared
from ctexport_dagster.core.errors import ConfigurationError, Mistake
from ctexport_dagster.core.export import DeclaredExport, Export
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.declarations.reading import Declarations
from ctexport_dagster.wizard.answers import ExportAnswers, ResourceAnswers
from ctexport_dagster.wizard.drafts import AnExport, NewFile, about, draft, export_draft
from ctexport_dagster.wizard.looking import Seen

NAME = "use a-z, 0-9 and _ alone: it becomes the name in Dagster"


@dataclass
class Session:
    """What the four steps read and fill. `asker` is None where nobody can be asked."""

    root: Path
    state: Path
    surroundings: Surroundings
    declared: Declarations
    now: datetime
    asker: Asker | None
    answers: ExportAnswers
    new_source: ResourceAnswers | None = None
    new_destination: ResourceAnswers | None = None
    seen: Seen | None = None
    unseen: str = ""
    """Why the source couldn't be read, where it couldn't."""
    missing: list[str] = field(default_factory=list)
    """The flags that would have answered what nobody could be asked."""

    @property
    def resources(self) -> list[ResourceAnswers]:
        return [new for new in (self.new_source, self.new_destination) if new]

    @property
    def properties(self) -> list[str]:
        """The source's properties, as far as it could be read."""
        return [found.name for found in self.seen.properties] if self.seen else []

    def export(self) -> DeclaredExport:
        """The export as far as it was said.

        Raises:
            ConfigurationError: an answer can't be used.
        """
        return self._drafted(self.answers.model)

    def profile_export(self) -> Export:
        """As `export`, which is one of profiles."""
        return self._drafted(Export)

    def flow(self) -> DatasetExport:
        """As `export`, which is a flow of datasets."""
        return self._drafted(DatasetExport)

    def _drafted(self, model: type[AnExport]) -> AnExport:
        export, mistakes = export_draft(self.answers.name, self.answers.content(), model)
        if export is None:
            raise ConfigurationError([replace(mistake, file=self.answers.file, line=0) for mistake in mistakes])
        return export

    def source(self) -> SourceDeclaration | None:
        """The chosen source's declaration; None where the one that stands there holds a mistake."""
        if self.new_source:
            model = self.resource(self.new_source)
            return model if isinstance(model, SourceDeclaration) else None
        found = self.declared.sources.get(self.answers.source or "")
        return found.model if found else None

    def destination(self) -> Declared | None:
        """The chosen destination's declaration; None where the one that stands there holds a mistake."""
        if self.new_destination:
            return self.resource(self.new_destination)
        found = self.declared.destinations.get(self.answers.destination or "")
        return found.model if found else None

    def resource(self, new: ResourceAnswers) -> Declared:
        """The declaration of a new source or destination.

        Raises:
            ConfigurationError: an answer can't be used.
        """
        model, mistakes = draft(new.name, new.content(), new.model)
        if model is None:
            raise ConfigurationError([replace(mistake, file=new.file, line=0) for mistake in mistakes])
        return model

    def files(self) -> list[NewFile]:
        """The files to be written, the resources first."""
        about_it = f"Written by `ctexport new`. `ctexport show {self.answers.name}` has every setting."
        head = [*self._schema("export"), about_it]
        resources = [
            NewFile(new.file, new.text([*self._schema("resource"), f"Exports name it by this file's name: {new.name}"]))
            for new in self.resources
        ]
        return [*resources, NewFile(self.answers.file, self.answers.text(head))]

    def wrong_name(self, name: str) -> list[str]:
        """What is wrong with a new resource's name."""
        if not re.fullmatch("[a-z0-9_]+", name):
            return [NAME]
        return [f"resources/{name}.yaml is there already"] if name in self.declared.roles else []

    def export_check(self, attribute: str, field: str, parse: Callable[[str], object] = str) -> Check:
        """Whether the export takes an answer to the question that this attribute holds."""

        def check(said: str) -> list[str]:
            answers = replace(self.answers, **{attribute: parse(said)})
            return about(field, export_draft(answers.name, answers.content(), answers.model)[1])

        return check

    def _schema(self, kind: str) -> list[str]:
        path = f"schemas/{kind}.schema.json"
        return [f"yaml-language-server: $schema=../{path}"] if (self.root / path).is_file() else []


def resource_check(new: ResourceAnswers, field: str) -> Check:
    """Whether a new resource takes an answer for this field."""

    def check(said: str) -> list[str]:
        answers = replace(new, fields={**new.fields, field: said})
        return about(field, draft(new.name, answers.content(), new.model)[1])

    return check


def mistake(file: str, field: str, message: str) -> ConfigurationError:
    return ConfigurationError([Mistake(file, 0, field, message)])
