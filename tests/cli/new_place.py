"""A folder in which `ctexport new` is tried, by flags and by answers."""

from dataclasses import dataclass
from pathlib import Path

import yaml
from line_fakes import tree
from typer.testing import CliRunner

from ctexport_dagster.cli.app import app


@dataclass(frozen=True)
class Place:
    """A folder that may become a home, and `ctexport new` in it."""

    root: Path

    def new(self, *arguments: str, answers: tuple[str, ...] = (), **environment: str) -> tuple[int, str]:
        told = "".join(f"{answer}\n" for answer in answers)
        surroundings = {"CTEXPORT_HOME": str(self.root), "COLUMNS": "300", **environment}
        result = CliRunner().invoke(app, ["new", *arguments], input=told, env=surroundings)
        return result.exit_code, result.output

    def check(self) -> int:
        return CliRunner().invoke(app, ["check"], env={"CTEXPORT_HOME": str(self.root)}).exit_code

    def written(self) -> dict[str, str]:
        files = sorted(self.root.glob("*/*.yaml"))
        return {path.relative_to(self.root).as_posix(): path.read_text() for path in files}

    def refuses(self, *arguments: str, says: str, answers: tuple[str, ...] = ()) -> str:
        before = tree(self.root)
        code, output = self.new(*arguments, answers=answers)
        assert says in " ".join(output.replace("│", " ").split())
        assert (code, tree(self.root) == before) == (2, True)
        return output


def said(place: Place) -> dict[str, object]:
    """What the written files say, comments aside."""
    return {file: yaml.safe_load(text) for file, text in place.written().items()}
