"""`ctexport check`: whether everything declared is right, and as far as that shows without a run, can be reached."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol, runtime_checkable

import typer

from ctexport_dagster.cli.terminal import (
    FAILED,
    WRONG_USAGE,
    AsJson,
    chosen,
    home_here,
    print_json,
    print_lines,
    print_table,
)
from ctexport_dagster.core.errors import ConfigurationError
from ctexport_dagster.core.failure import Failure
from ctexport_dagster.core.naming import Naming
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.home import DestinationDeclaration, Home


@runtime_checkable
class CheckedSource(Protocol):
    """A source's declaration that can tell what stands in the way of reading it, in sentences."""

    def check(self, home_root: Path) -> tuple[str, ...]: ...


@runtime_checkable
class CheckedDestination(Protocol):
    """An opened destination that can tell why nothing could be delivered now."""

    def check(self) -> Failure | None: ...


@dataclass(frozen=True)
class Checked:
    """One declared file that loads: what it is, in a line, and what stands in the way of using it."""

    name: str
    is_a: str
    summary: str
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def check(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Only these.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check everything that is declared: every mistake as file:line: field: message."""
    try:
        home = home_here()
    except ConfigurationError as error:
        if not as_json:
            raise
        print_json({"ok": False, "mistakes": [vars(mistake) for mistake in error.mistakes]})
        raise typer.Exit(WRONG_USAGE) from None
    everything = list(checked(home))
    wanted = {chosen(name, [one.name for one in everything], "declared file") for name in names or ()}
    shown = [one for one in everything if not wanted or one.name in wanted]
    problems = [f"{one.name}: {problem}" for one in shown for problem in one.problems]
    if as_json:
        print_json({"ok": not problems, "home": str(home.root), "declared": [vars(one) for one in shown]})
    else:
        _print(home, shown, problems)
    if problems:
        raise typer.Exit(FAILED)


def checked(home: Home) -> Iterator[Checked]:
    """Every declared file of a home, exports first."""
    for name, export in home.exports.items():
        warnings = (*Naming.of(export).warnings, *export.format.warnings)
        summary = f"{export.format.type} from {export.source} to {export.destination}, {export.schedule.mode}"
        yield Checked(name, "export", summary, warnings=warnings)
    for name, source in home.sources.items():
        problems = source.check(home.root) if isinstance(source, CheckedSource) else ()
        cadence = source.cadence
        summary = f"{source.mode}, every {cadence.hours}h from {cadence.start} in {cadence.zone.key}"
        yield Checked(name, "source", summary, problems)
    for name, destination in home.destinations.items():
        yield _checked_destination(name, destination, home.surroundings)


def _checked_destination(name: str, destination: DestinationDeclaration, surroundings: Surroundings) -> Checked:
    opened = destination.open(surroundings)
    failure = opened.check() if isinstance(opened, CheckedDestination) else None
    return Checked(name, "destination", f"{destination.type}, {opened.address('')}", (str(failure),) if failure else ())


def _print(home: Home, shown: list[Checked], problems: list[str]) -> None:
    print_table(("name", "is a", "which"), [(one.name, one.is_a, one.summary) for one in shown])
    print_lines(*(f"warning: {one.name}: {warning}" for one in shown for warning in one.warnings))
    for problem in problems:
        typer.echo(problem, err=True)
    if not problems:
        print_lines(f"{len(shown)} declared files are right, in {home.root}")
