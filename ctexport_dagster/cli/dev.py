"""`ctexport dev`: Dagit and the daemon on this home."""

import socket
from typing import Annotated

import typer

from ctexport_dagster.cli.serving import become, ready
from ctexport_dagster.cli.terminal import home_here, print_lines


def dev(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where Dagit listens.")] = 3000,
    host: Annotated[str, typer.Option(help="The address it listens on.")] = "127.0.0.1",
) -> None:
    """Open Dagit on this home, with the daemon that runs schedules and backfills. Ctrl-C ends both."""
    home = home_here()
    _check_free(host, port)
    served = ready(home)
    print_lines(f"Dagit on http://{host}:{port} for {home.root}, in some ten seconds. Ctrl-C ends it.")
    become(served, "dagster", "dev", "-w", str(served.workspace), "-h", host, "-p", str(port))


def _check_free(host: str, port: int) -> None:
    """Raises: typer.BadParameter: somebody listens there; Dagster would say so only after starting half of itself."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as problem:
            raise typer.BadParameter(
                f"{host}:{port} can't be listened on ({problem.strerror}); choose another with --port"
            ) from None
