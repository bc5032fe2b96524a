"""The home: the folder whose declared files say what is exported, from where and to where."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from ctexport_dagster.core.destination import Destination
from ctexport_dagster.core.errors import ConfigurationError, Mistake
from ctexport_dagster.core.export import DeclaredExport
from ctexport_dagster.core.settings import Settings
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.declarations.agreement import disagreements
from ctexport_dagster.declarations.reading import Declarations, read_declarations
from ctexport_dagster.resources.registry import RESOURCE_KINDS, ResourceKind

PACKAGE = Path(__file__).resolve().parent


@runtime_checkable
class DestinationDeclaration(Protocol):
    """What every kind of destination declares."""

    @property
    def name(self) -> str: ...

    @property
    def type(self) -> str: ...

    def open(self, surroundings: Surroundings) -> Destination:
        """The destination, ready to take files; touches nothing."""
        ...


@dataclass(frozen=True)
class Home:
    """Everything that is declared, by name, and where its state lies. Both folders are absolute."""

    root: Path
    state: Path
    surroundings: Surroundings
    exports: Mapping[str, DeclaredExport]
    sources: Mapping[str, SourceDeclaration]
    destinations: Mapping[str, DestinationDeclaration]
    settings: Settings


def load_home(
    environment: Mapping[str, str],
    cwd: Path,
    *,
    kinds: Mapping[str, ResourceKind] = RESOURCE_KINDS,
    package: Path = PACKAGE,
) -> Home:
    """The home that this environment and working directory mean.

    Raises:
        ConfigurationError: there is no home, no export in it, or the declared files hold mistakes: all of them.
    """
    root = find_home(environment, cwd, package)
    declared = read_declarations(root, kinds)
    mistakes = [*declared.mistakes, *disagreements(declared)]
    if mistakes:
        raise ConfigurationError(sorted(mistakes, key=lambda mistake: (mistake.file, mistake.line)))
    if not declared.exports:
        raise ConfigurationError([Mistake(str(root / "assets"), 0, "", "holds no export, no *.yaml; write one there")])
    return Home(
        root=root,
        state=state_folder(root, environment, cwd),
        surroundings=Surroundings(root, environment),
        exports={name: declaration.model for name, declaration in declared.exports.items()},
        sources={name: declaration.model for name, declaration in declared.sources.items()},
        destinations=_destinations(declared),
        settings=declared.settings,
    )


def find_home(environment: Mapping[str, str], cwd: Path, package: Path = PACKAGE) -> Path:
    """The folder with the declared files: `CTEXPORT_HOME`, else the working directory or one above, else the checkout.

    A folder above counts only where it has `resources/` too: other projects keep pictures in their `assets/`.

    Raises:
        ConfigurationError: names the places tried.
    """
    if given := environment.get("CTEXPORT_HOME"):
        places = {f"CTEXPORT_HOME, {given}": cwd / Path(given).expanduser()}
    else:
        places = {f"the working directory, {cwd}": cwd, f"the checkout, {package.parent}": package.parent}
        above = next((folder for folder in cwd.resolve().parents if _looks_like_a_home(folder)), None)
        if above and not (cwd / "assets").is_dir():
            return above
    for place in places.values():
        if (place / "assets").is_dir() and place.resolve() != package:
            return place.resolve()
    tried = " or in ".join(places)
    raise ConfigurationError(
        [Mistake("home", 0, "", f"no folder assets/ in {tried}; go to your project or set CTEXPORT_HOME")]
    )


def _looks_like_a_home(folder: Path) -> bool:
    return (folder / "assets").is_dir() and (folder / "resources").is_dir()


def is_fallback(root: Path, environment: Mapping[str, str], cwd: Path, package: Path = PACKAGE) -> bool:
    """Whether a home is the checkout because neither the environment nor the working directory names one."""
    return not environment.get("CTEXPORT_HOME") and root == package.parent and not cwd.resolve().is_relative_to(root)


def state_folder(root: Path, environment: Mapping[str, str], cwd: Path) -> Path:
    """Where lake, staging and Dagster's instance lie: `CTEXPORT_STATE`, else `.ctexport/` in the home."""
    given = environment.get("CTEXPORT_STATE")
    return (cwd / Path(given).expanduser()).resolve() if given else root / ".ctexport"


def _destinations(declared: Declarations) -> dict[str, DestinationDeclaration]:
    """The registry promises the classes; a class that breaks it is our own bug and fails here."""
    found: dict[str, DestinationDeclaration] = {}
    for name, declaration in declared.destinations.items():
        if not isinstance(declaration.model, DestinationDeclaration):
            raise TypeError(f"{type(declaration.model).__name__} is no destination's declaration")
        found[name] = declaration.model
    return found
