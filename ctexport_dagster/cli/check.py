"""`ctexport check`: whether everything declared is right, and as far as that shows without a run, can be reached."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Protocol, TypeVar, runtime_checkable

import typer

from ctexport_dagster.cli.lines import line_of
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
from ctexport_dagster.core.counted import counted
from ctexport_dagster.core.datasets.age import UNDECLARED, ageless_warnings
from ctexport_dagster.core.datasets.export import DatasetExport
from ctexport_dagster.core.destination import Destination
from ctexport_dagster.core.errors import ConfigurationError
from ctexport_dagster.core.export import DeclaredExport
from ctexport_dagster.core.failure import Failure
from ctexport_dagster.core.kinds import naming_of
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.home import DestinationDeclaration, Home
from ctexport_dagster.resources.clock import ahead_of, wrong_clock

_Declared = TypeVar("_Declared")


@runtime_checkable
class CheckedSource(Protocol):
    """A source's declaration that can tell what stands in the way of reading it, in sentences."""

    def check(self, home_root: Path) -> tuple[str, ...]: ...


@runtime_checkable
class ReachedSource(Protocol):
    """An opened source that can tell, by trying, what stands in the way of reading it, in sentences."""

    def check(self) -> tuple[str, ...]: ...


@runtime_checkable
class CheckedDestination(Protocol):
    """An opened destination that can tell why nothing could be delivered now."""

    def check(self) -> Failure | None: ...


@runtime_checkable
class CanaryDestination(Protocol):
    """An opened destination that can try its rights by writing one tiny file under a marked key."""

    def canary(self) -> Failure | None: ...


@runtime_checkable
class DatedDestination(Protocol):
    """An opened destination whose service tells the time: the URL of its root, which needs no credentials."""

    @property
    def dated_by(self) -> str: ...


@runtime_checkable
class WarningDeclaration(Protocol):
    """A declaration that knows what is allowed, but probably not meant."""

    @property
    def warnings(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Checked:
    """One declared file that loads: what it is, in a line, and what stands in the way of using it."""

    name: str
    is_a: str
    summary: str
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def file(self) -> str:
        return f"{'assets' if self.is_a == 'export' else 'resources'}/{self.name}.yaml"

    def placed(self, problem: str) -> str:
        """A problem after the file that it is of."""
        return problem if problem.startswith(self.file) else f"{self.file}: {problem}"


def check(
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Only these.")] = None,
    canary: Annotated[
        bool, typer.Option("--canary", help="Also write one tiny file to each destination, under .ctexport-canary/.")
    ] = False,
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
    declared = [*home.exports, *home.sources, *home.destinations]
    wanted = {chosen(name, declared, "declared file") for name in names or ()} or set(declared)
    shown = list(checked(home, wanted, writes_canaries=canary))
    problems = [one.placed(problem) for one in shown for problem in one.problems]
    if as_json:
        told = {"ok": not problems, "home": str(home.root), "unread": _unread(home)}
        print_json({**told, "declared": [vars(one) for one in shown]})
    else:
        _print(home, shown, problems)
    if problems:
        raise typer.Exit(FAILED)


def checked(home: Home, wanted: Collection[str], *, writes_canaries: bool = False) -> Iterator[Checked]:
    """Every wanted declared file of a home, exports first. A canary is written only where nothing else is wrong."""
    for name, export in _only(wanted, home.exports):
        warnings = (*naming_of(export).warnings, *export.format.warnings, *_age_warnings(home, export))
        summary = f"{export.format.type} from {export.source} to {export.destination}, {export.schedule.mode}"
        refusal = line_of(home, name).refusal
        yield Checked(name, "export", summary, (refusal,) if refusal else (), warnings)
    for name, source in _only(wanted, home.sources):
        yield _checked_source(name, source, home)
    for name, destination in _only(wanted, home.destinations):
        yield _checked_destination(name, destination, home.surroundings, writes_canaries=writes_canaries)


def _age_warnings(home: Home, export: DeclaredExport) -> tuple[str, ...]:
    """Datasets of which nothing is left out for its age, as none of their columns is declared to tell it."""
    if not isinstance(export, DatasetExport):
        return ()
    known = home.sources[export.source].declared_datasets
    ageless = (name for name in export.datasets if not (known[name].timestamp or known[name].cursor))
    return ageless_warnings(export, dict.fromkeys(ageless, UNDECLARED))


def _only(wanted: Collection[str], declared: Mapping[str, _Declared]) -> Iterator[tuple[str, _Declared]]:
    return ((name, declaration) for name, declaration in declared.items() if name in wanted)


def _contents(source: SourceDeclaration) -> str:
    """What a source gives; a mode is of profiles alone."""
    tables = len(source.declared_datasets)
    return " and ".join(
        [
            *([f"profiles ({source.mode})"] if source.has_profiles else []),
            *(["events"] if source.has_events else []),
            *([counted(tables, "dataset")] if tables else []),
        ]
    )


def _checked_source(name: str, source: SourceDeclaration, home: Home) -> Checked:
    """A driver or an extra that isn't installed, or a secret that isn't set, is this source's problem alone."""
    cadence = source.cadence
    summary = f"{_contents(source)}, every {cadence.hours}h from {cadence.start} in {cadence.zone.key}"
    warnings = source.warnings if isinstance(source, WarningDeclaration) else ()
    problems = source.check(home.root) if isinstance(source, CheckedSource) else ()
    try:
        opened = source.open(home.surroundings)
        problems += opened.check() if isinstance(opened, ReachedSource) else ()
    except ConfigurationError as error:
        problems += tuple(map(str, error.mistakes))
    return Checked(name, "source", summary, problems, warnings)


def _checked_destination(
    name: str, destination: DestinationDeclaration, surroundings: Surroundings, *, writes_canaries: bool
) -> Checked:
    """An extra that isn't installed, or a secret that isn't set, is this destination's problem, not the home's."""
    warnings = destination.warnings if isinstance(destination, WarningDeclaration) else ()
    try:
        opened = destination.open(surroundings)
        failures = [opened.check() if isinstance(opened, CheckedDestination) else None]
        clock, wrong = _compared_clocks(opened)
        if writes_canaries and isinstance(opened, CanaryDestination) and failures == [None]:
            failures.append(opened.canary())
    except ConfigurationError as error:
        return Checked(name, "destination", destination.type, tuple(map(str, error.mistakes)), warnings)
    problems = tuple(str(failure) for failure in (wrong, *failures) if failure)
    return Checked(name, "destination", f"{destination.type}, {opened.address('')}{clock}", problems, warnings)


def _compared_clocks(opened: Destination) -> tuple[str, Failure | None]:
    """What to say of this machine's clock in the summary, and what is wrong with it. A disk has no other clock."""
    if isinstance(opened, DatedDestination):
        ahead = ahead_of(opened.dated_by, lambda: datetime.now(UTC))
        if ahead is None:
            return "; clock not compared, the service can't be reached or tells no time", None
        wrong = wrong_clock(ahead)
        return "" if wrong else "; clock right", wrong
    return ("; clock not compared, SFTP tells no time" if opened.address("").startswith("sftp:") else ""), None


def _unread(home: Home) -> list[str]:
    """The files in sub-folders of assets/ that look as if they declared an export."""
    found = (home.root / "assets").glob("*/**/*.y*ml")
    return sorted(str(path.relative_to(home.root)) for path in found if path.is_file())


def _print(home: Home, shown: list[Checked], problems: list[str]) -> None:
    print_table(("name", "is a", "which"), [(one.name, one.is_a, one.summary) for one in shown])
    print_lines(*(f"warning: {one.name}: {warning}" for one in shown for warning in one.warnings))
    print_lines(*(f"warning: {file} isn't read: exports are declared in assets/ itself" for file in _unread(home)))
    for problem in problems:
        typer.echo(problem, err=True)
    if not problems:
        what = "1 declared file is" if len(shown) == 1 else f"{len(shown)} declared files are"
        print_lines(f"{what} right, in {home.root}")
