"""`ctexport start EXPORT`: turns an export on, as the toggle of its schedule in Dagit does."""

import os
from datetime import UTC, datetime
from typing import Annotated

import typer

from ctexport_dagster.cli.lines import line_of
from ctexport_dagster.cli.terminal import AsJson, home_here, print_json, print_lines
from ctexport_dagster.core.errors import ConfigurationError, Mistake


def start(name: Annotated[str, typer.Argument(metavar="EXPORT", show_default=False)], as_json: AsJson = False) -> None:
    """Start an export that was stopped, edited or not: it catches up on what it missed, oldest partition first."""
    home = home_here()
    line = line_of(home, name)
    if line.refusal:
        raise ConfigurationError([Mistake(f"assets/{line.name}.yaml", 0, "", line.refusal)])
    from ctexport_dagster.instance import dagster_home, open_instance  # Dagster takes seconds to import
    from ctexport_dagster.running.switch import start as switch_on

    now = datetime.now(UTC)
    with open_instance(dagster_home(home.state, os.environ), os.environ) as instance:
        switch_on(instance, line.name, now=now)
    due = [line.cadence.key_of(window) for window in line.undelivered(now)]
    if as_json:
        print_json({"export": line.name, "is_on": True, "to_catch_up": due})
    else:
        print_lines(f"{line.name} is on", *([f"to catch up on, oldest first: {', '.join(due)}"] if due else []))
        print_lines("It runs while `ctexport dev`, or Dagster's daemon on this home, does.")
