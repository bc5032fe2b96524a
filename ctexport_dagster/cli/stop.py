"""`ctexport stop EXPORT`: turns an export off, as the toggle of its schedule in Dagit does, and ends its runs."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ctexport_dagster.cli.terminal import AsJson, chosen, print_json, print_lines
from ctexport_dagster.home import find_home, state_folder


def stop(name: Annotated[str, typer.Argument(metavar="EXPORT", show_default=False)], as_json: AsJson = False) -> None:
    """Stop an export: it doesn't run by itself until it is started again, and what runs of it is ended."""
    state = _state_of(name)
    from ctexport_dagster.instance import dagster_home, open_instance  # Dagster takes seconds to import
    from ctexport_dagster.running.switch import stop as switch_off

    with open_instance(dagster_home(state, os.environ), os.environ) as instance:
        ended = switch_off(instance, name)
    if as_json:
        print_json({"export": name, "is_on": False, **asdict(ended)})
        return
    print_lines(f"{name} is stopped; `ctexport start {name}` starts it again, and it catches up")
    print_lines(*(f"run {run} was told to end; nothing of it is half-visible" for run in ended.canceled))
    print_lines(*(f"run {run} is at work in another terminal: end it there" for run in ended.elsewhere))


def _state_of(export: str) -> Path:
    """The state folder of the home that declares an export, be it with mistakes: they must not keep it running.

    Raises:
        typer.BadParameter: there is no such file.
    """
    here = Path.cwd()
    root = find_home(os.environ, here)
    chosen(export, sorted(path.stem for path in (root / "assets").glob("*.yaml")), "export")
    return state_folder(root, os.environ, here)
