"""What Dagster's own programs need to serve a home: an instance with our settings, a workspace, the environment."""

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ctexport_dagster.core.atomic import write_bytes
from ctexport_dagster.home import Home
from ctexport_dagster.running.location import LOCATION

WORKSPACE = f"""\
load_from:
  - python_module:
      module_name: ctexport_dagster.definitions
      location_name: {LOCATION}
"""

QUIET = "ignore:Function `dev_command` is superseded"
"""`dagster dev` advises its own users of another command, and ours would read it at every start."""


@dataclass(frozen=True)
class Served:
    """A home ready to be served: its workspace file, and the environment that Dagster's programs take."""

    workspace: Path
    environment: Mapping[str, str]


def ready(home: Home) -> Served:
    """Makes the home's Dagster instance where there is none, and writes its workspace file.

    Raises:
        ConfigurationError: its storage is declared, but can't be used.
    """
    from ctexport_dagster.instance import dagster_home, open_instance  # Dagster takes seconds to import

    folder = dagster_home(home.state, os.environ)
    open_instance(folder, os.environ).dispose()
    workspace = folder / "workspace.yaml"
    write_bytes(workspace, WORKSPACE.encode())
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(folder),
        "CTEXPORT_HOME": str(home.root),
        "CTEXPORT_STATE": str(home.state),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PYTHONWARNINGS": ",".join(filter(None, (os.environ.get("PYTHONWARNINGS"), QUIET))),
    }
    return Served(workspace, environment)


def become(served: Served, program: str, *arguments: str) -> None:
    """Replaces this process by one of Dagster's programs, so that signals reach it alone."""
    sys.stdout.flush()
    _heed_signals()
    path = str(Path(sys.executable).with_name(program))
    os.execve(path, [path, *arguments], served.environment)  # noqa: S606


def _heed_signals() -> None:
    """A program started in the background of a script inherits that it ignores Ctrl-C, and would never end its own."""
    for told_to_end in (signal.SIGINT, signal.SIGTERM):
        signal.signal(told_to_end, signal.SIG_DFL)
