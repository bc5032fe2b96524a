"""`ctexport stop EXPORT`: turns an export off, as the toggle of its schedule in Dagit does, and ends its runs."""

import os
from dataclasses import asdict
from typing import Annotated

import typer

from ctexport_dagster.cli.lines import line_of
from ctexport_dagster.cli.terminal import AsJson, home_here, print_json, print_lines


def stop(name: Annotated[str, typer.Argument(metavar="EXPORT", show_default=False)], as_json: AsJson = False) -> None:
    """Stop an export: it doesn't run by itself until it is started again, and what runs of it is ended."""
    home = home_here()
    line = line_of(home, name)
    from ctexport_dagster.instance import dagster_home, open_instance  # Dagster takes seconds to import
    from ctexport_dagster.running.switch import stop as switch_off

    with open_instance(dagster_home(home.state, os.environ), os.environ) as instance:
        ended = switch_off(instance, line.name)
    if as_json:
        print_json({"export": line.name, "is_on": False, **asdict(ended)})
        return
    print_lines(f"{line.name} is stopped; `ctexport start {line.name}` starts it again, and it catches up")
    print_lines(*(f"run {run} was told to end; nothing of it is half-visible" for run in ended.canceled))
    print_lines(*(f"run {run} is at work in another terminal: end it there" for run in ended.elsewhere))
