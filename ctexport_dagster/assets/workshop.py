"""What the assets of a home share: where its state lies, where its instances' work runs, and who watches."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from ctexport_dagster.engine import Engine, InProcess
from ctexport_dagster.stages.progress import Progress, unseen
from ctexport_dagster.state import StateFolders

Watch: TypeAlias = Callable[[str], Progress]
"""Given the name of an asset, how its progress is told."""


def nobody(_asset: str) -> Progress:
    """Runs that nobody watches, as Dagster's own."""
    return unseen


@dataclass(frozen=True)
class Workshop:
    """State folders, engine and watch of one home."""

    folders: StateFolders
    engine: Engine = field(default_factory=InProcess)
    progress: Watch = nobody
