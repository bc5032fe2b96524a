"""`ctexport dev`: Dagit and the daemon on this home."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from ctexport_dagster.cli.terminal import home_here, print_lines
from ctexport_dagster.core.atomic import write_bytes

LOCATION = "ctexport_dagster"
"""The code location's name, as in workspace.yaml and pyproject.toml: the state of schedules hangs on it."""

WORKSPACE = f"""\
load_from:
  - python_module:
      module_name: ctexport_dagster.definitions
      location_name: {LOCATION}
"""


def dev(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where Dagit listens.")] = 3000,
    host: Annotated[str, typer.Option(help="The address it listens on.")] = "127.0.0.1",
) -> None:
    """Open Dagit on this home, with the daemon that runs schedules and backfills. Ctrl-C ends both."""
    home = home_here()
    from ctexport_dagster.instance import dagster_home, open_instance  # Dagster takes seconds to import

    folder = dagster_home(home.state, os.environ)
    open_instance(folder).dispose()
    workspace = folder / "workspace.yaml"
    write_bytes(workspace, WORKSPACE.encode())
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(folder),
        "CTEXPORT_HOME": str(home.root),
        "CTEXPORT_STATE": str(home.state),
        "DAGSTER_DISABLE_TELEMETRY": "1",
    }
    print_lines(f"Dagit on http://{host}:{port} for {home.root}")
    sys.stdout.flush()
    dagster = str(Path(sys.executable).with_name("dagster"))
    os.execve(dagster, [dagster, "dev", "-w", str(workspace), "-h", host, "-p", str(port)], environment)  # noqa: S606
