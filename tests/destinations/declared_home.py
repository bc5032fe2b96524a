"""A home on disk whose one export goes to a destination of a case."""

from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import BaseModel

from ctexport_dagster.home import DestinationDeclaration

DAY = "2026-11-18"
SOURCE = f"type: demo\nprofiles: 20\nstart: {DAY}\n"
EXPORT = "owner: growth@example.com\nsource: demo\ndestination: there\naccount_id: 100000000\nformat: csv\n"


def write_home(home: Path, declaration: DestinationDeclaration, *, export: str = EXPORT, source: str = SOURCE) -> None:
    """The export `daily`, its source as `export` names it, and the destination `there`."""
    assert isinstance(declaration, BaseModel)
    declared = declaration.model_dump(mode="json", exclude={"name"}, exclude_defaults=True)
    write_declared(home, declared, export=export, source=source)


def write_declared(home: Path, there: Mapping[str, object], *, export: str = EXPORT, source: str = SOURCE) -> None:
    """The same, of a destination as its file has it."""
    for folder in ("assets", "resources"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    (home / "assets/daily.yaml").write_text(export)
    (home / f"resources/{yaml.safe_load(export)['source']}.yaml").write_text(source)
    (home / "resources/there.yaml").write_text(yaml.safe_dump(dict(there)))
