"""The command `ctexport`: all its commands, by name. What a command needs beyond the declarations it imports itself."""

import typer

from ctexport_dagster.cli.check import check
from ctexport_dagster.cli.list import list_exports
from ctexport_dagster.cli.schema import schema
from ctexport_dagster.cli.show import show
from ctexport_dagster.cli.terminal import Commands

app = typer.Typer(
    cls=Commands,
    name="ctexport",
    help="Customer data to files, as declared under assets/ and resources/.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("check")(check)
app.command("show")(show)
app.command("list")(list_exports)
app.command("schema")(schema)


def main() -> None:
    """Runs the command that `sys.argv` names. Exit codes: 0 done, 1 failed, 2 wrong usage or configuration."""
    app()
