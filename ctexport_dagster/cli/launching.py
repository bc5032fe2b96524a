"""Launching runs from the terminal: the home's definitions, its Dagster instance, and a progress bar for each asset."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.build import build_definitions
from ctexport_dagster.engine import open_engine
from ctexport_dagster.home import Home
from ctexport_dagster.instance import dagster_home, open_instance
from ctexport_dagster.running.launcher import Launcher
from ctexport_dagster.stages.progress import Progress as Told
from ctexport_dagster.state import StateFolders


@dataclass
class Bars:
    """One bar per asset at work, which counts the rows done so far; silent where stderr is no terminal."""

    progress: Progress
    partition: str = ""

    def watch(self, asset: str) -> Told:
        """How the progress of an asset is told; a new bar for each partition of it."""
        task: TaskID | None = None

        def told(count: int) -> None:
            nonlocal task
            if task is None:
                task = self.progress.add_task(f"{asset}  {self.partition}", total=None)
            self.progress.advance(task, count)

        return told


@contextmanager
def launching(home: Home) -> Iterator[tuple[Launcher, Bars]]:
    """A launcher for the home, with bars on stderr while runs go on."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} rows"),
        TimeElapsedColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not sys.stderr.isatty(), transient=True) as progress:
        bars = Bars(progress)
        engine = open_engine(os.environ.get("CTEXPORT_ENGINE", ""))
        definitions = build_definitions(
            home.exports.values(),
            home.sources,
            home.destinations,
            surroundings=home.surroundings,
            settings=home.settings,
            workshop=Workshop(StateFolders(home.state), engine, bars.watch),
        )
        instance = open_instance(dagster_home(home.state, os.environ), os.environ)
        yield Launcher(definitions, instance), bars
