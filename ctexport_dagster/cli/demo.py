"""`ctexport demo`: every export of a demo source for its first three partitions, and what then lies where."""

from collections.abc import Iterator
from itertools import islice

import typer

from ctexport_dagster.cli.lines import line_of
from ctexport_dagster.cli.run import print_delivered, run_windows
from ctexport_dagster.cli.terminal import home_here
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.home import Home
from ctexport_dagster.line import Line

PARTITIONS = 3
_SHOWN_CHARACTERS = 400


def demo() -> None:
    """Run the declared exports of the demo source for three days and show what they delivered."""
    home = home_here()
    lines = [line_of(home, name) for name, export in home.exports.items() if _is_demo(home, export.source)]
    if not lines:
        raise typer.BadParameter("this home has no export of a source of type demo")
    for line in lines:
        print_delivered(run_windows(home, line, _first_windows(line), wants_full=False))


def _is_demo(home: Home, source: str) -> bool:
    return getattr(home.sources[source], "type", None) == "demo"


def _first_windows(line: Line) -> list[Interval]:
    return list(islice(_from_the_first(line), PARTITIONS))


def _from_the_first(line: Line) -> Iterator[Interval]:
    window = line.cadence.first
    while True:
        yield window
        window = line.cadence.window_from(window.end)
