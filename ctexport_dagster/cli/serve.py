"""`ctexport serve webserver|daemon`: one of Dagster's two programs on this home, kept running by a service manager."""

from typing import Annotated, Literal

import typer

from ctexport_dagster.cli.serving import become, ready
from ctexport_dagster.cli.terminal import home_here, print_lines


def serve(
    program: Annotated[
        Literal["webserver", "daemon"],
        typer.Argument(help="webserver: Dagit; daemon: schedules, sensors and the queue of runs.", show_default=False),
    ],
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where Dagit listens.")] = 3000,
    host: Annotated[str, typer.Option(help="The address it listens on.")] = "127.0.0.1",
    path_prefix: Annotated[str, typer.Option(metavar="/PATH", help="Behind a proxy, Dagit's path there.")] = "",
    read_only: Annotated[bool, typer.Option("--read-only", help="Dagit shows, and changes nothing.")] = False,
) -> None:
    """Serve this home in production: run one `webserver` and one `daemon`, each under a service manager."""
    home = home_here()
    served = ready(home)
    workspace = ("-w", str(served.workspace))
    if program == "daemon":
        print_lines(f"Dagster's daemon for {home.root}")
        become(served, "dagster-daemon", "run", *workspace)
    else:
        print_lines(f"Dagit on http://{host}:{port}{path_prefix} for {home.root}")
        prefix = ("--path-prefix", path_prefix) if path_prefix else ()
        lock = ("--read-only",) if read_only else ()
        become(served, "dagster-webserver", *workspace, "-h", host, "-p", str(port), *prefix, *lock)
