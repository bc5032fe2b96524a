"""`ctexport schema export|resource|settings`: the JSON Schema of a declared file, for editors."""

from typing import Annotated, Literal

import typer

from ctexport_dagster.cli.terminal import AsJson, print_json
from ctexport_dagster.declarations.schema import export_schema, resource_schema, settings_schema


def schema(
    of: Annotated[Literal["export", "resource", "settings"], typer.Argument(show_default=False)], as_json: AsJson = True
) -> None:
    """Print the JSON Schema of assets/*.yaml (export), resources/*.yaml (resource) or settings.yaml (settings)."""
    del as_json  # it is JSON in any case
    print_json({"export": export_schema, "resource": resource_schema, "settings": settings_schema}[of]())
