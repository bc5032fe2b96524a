"""The command `ctexport`: all its commands, by name. What a command needs beyond the declarations it imports itself."""

import sys
from collections.abc import Sequence

import typer

from ctexport_dagster.cli.check import check
from ctexport_dagster.cli.demo import demo
from ctexport_dagster.cli.dev import dev
from ctexport_dagster.cli.list import list_exports
from ctexport_dagster.cli.new import new
from ctexport_dagster.cli.policy import policy
from ctexport_dagster.cli.preview import preview
from ctexport_dagster.cli.run import run
from ctexport_dagster.cli.schema import schema
from ctexport_dagster.cli.serve import serve
from ctexport_dagster.cli.show import show
from ctexport_dagster.cli.start import start
from ctexport_dagster.cli.stop import stop
from ctexport_dagster.cli.terminal import reported
from ctexport_dagster.cli.verify import verify
from ctexport_dagster.cli.why import why
from ctexport_dagster.core.errors import ExportError

app = typer.Typer(
    name="ctexport",
    help="Customer data to files, as declared under assets/ and resources/.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("new")(new)
app.command("dev")(dev)
app.command("serve")(serve)
app.command("demo")(demo)
app.command("run")(run)
app.command("preview")(preview)
app.command("check")(check)
app.command("verify")(verify)
app.command("why")(why)
app.command("list")(list_exports)
app.command("show")(show)
app.command("stop")(stop)
app.command("start")(start)
app.command("policy")(policy)
app.command("schema")(schema)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command that the arguments name, else `sys.argv`.

    Exit codes: 0 done, 1 failed, 2 wrong usage or configuration. What ctexport raises on purpose becomes a sentence on
    stderr; anything else is a fault of ours and keeps its traceback.
    """
    try:
        app(arguments)
    except ExportError as error:
        sys.exit(reported(error))
