"""The lines that commands work on: an export of the home by name, its windows by key, what was delivered of them."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import cast

import typer

from ctexport_dagster.cli.terminal import chosen
from ctexport_dagster.core.delivery.record import Generation, generations
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.home import Home
from ctexport_dagster.line import Line, ProfileLine
from ctexport_dagster.lines import open_line
from ctexport_dagster.state import StateFolders


def line_of(home: Home, name: str) -> Line:
    """The line of an export.

    Raises:
        typer.BadParameter: no export is called so.
    """
    return _line(home, chosen(name, home.exports, "export"))


def profile_line_of(home: Home, name: str) -> ProfileLine:
    """The line of an export of profiles.

    Raises:
        typer.BadParameter: no export is called so, or it exports something else.
    """
    line = line_of(home, name)
    if line.export.kind != "profiles":
        raise typer.BadParameter(f"{name} exports {line.export.kind}; this is for exports of profiles")
    return cast("ProfileLine", line)


def lines_of(home: Home) -> list[Line]:
    """The lines of all exports, by name."""
    return [_line(home, name) for name in sorted(home.exports)]


def _line(home: Home, name: str) -> Line:
    export = home.exports[name]
    is_final = home.settings.guards.exports_are_final
    folders, beside = StateFolders(home.state), home.exports.values()
    return open_line(export, home.sources[export.source], folders, is_final=is_final, beside=beside)


def window_of(line: Line, key: str) -> Interval:
    """The window that a partition key names.

    Raises:
        typer.BadParameter: it names none of the export's.
    """
    try:
        return line.cadence.window_of(key)
    except ValueError as problem:
        first = line.cadence.key_of(line.cadence.first)
        raise typer.BadParameter(f"{key} is no partition of {line.name}; its first is {first}") from problem


def ended_window_of(line: Line, key: str, now: datetime) -> Interval:
    """The window that a partition key names, which has ended.

    Raises:
        typer.BadParameter: it names none of the export's, or one that goes on; the message says when it ends.
    """
    window = window_of(line, key)
    if window.end > now:
        raise typer.BadParameter(f"{key} ends at {window.end:%Y-%m-%dT%H:%MZ}; run it then")
    return window


def windows_between(line: Line, first: str, last: str) -> list[Interval]:
    """The windows from one key to another, both included, oldest first."""
    start, end = window_of(line, first), window_of(line, last)
    return [window for window in line.cadence.windows(until=end.end) if window.start >= start.start]


def ended_windows(line: Line, now: datetime) -> list[Interval]:
    """Every window that has ended by now, oldest first."""
    return list(line.cadence.windows(until=now))


def latest_deliveries(line: Line, window: Interval) -> dict[str, Generation]:
    """The newest generation of a window's partition that was delivered; of a flow, by the dataset's name."""
    found = {name: _latest(record) for name, record in line.records(line.cadence.key_of(window)).items()}
    return {name: generation for name, generation in found.items() if generation}


def _latest(record: Path) -> Generation | None:
    return next((generation for generation in reversed(generations(record)) if generation.is_delivered), None)


def undelivered(line: Line, windows: Sequence[Interval]) -> list[Interval]:
    """Those of the windows that were never delivered."""
    return [window for window in windows if not line.is_delivered(window)]
