"""`ctexport schema export|resource`: the JSON Schema of a declared file, for editors."""

from typing import Annotated, Literal

import typer

from ctexport_dagster.cli.terminal import AsJson, print_json
from ctexport_dagster.declarations.schema import export_schema, resource_schema


def schema(
    of: Annotated[Literal["export", "resource"], typer.Argument(show_default=False)], as_json: AsJson = True
) -> None:
    """Print the JSON Schema of assets/*.yaml (export) or resources/*.yaml (resource)."""
    del as_json  # it is JSON in any case
    print_json(export_schema() if of == "export" else resource_schema())
