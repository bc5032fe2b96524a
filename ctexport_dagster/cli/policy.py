"""`ctexport policy s3|gcs|azure`: the least rights with which deliveries work, ready to paste."""

from importlib import import_module
from typing import Annotated, Literal

import typer

from ctexport_dagster.cli.terminal import AsJson, print_json, print_lines

Cloud = Literal["s3", "gcs", "azure"]


def policy(
    cloud: Annotated[Cloud, typer.Argument(show_default=False)],
    bucket: Annotated[str, typer.Option(metavar="NAME", help="The bucket or container.", show_default=False)],
    principal: Annotated[
        str | None, typer.Option(metavar="ARN", help="Who runs ctexport: the account, user or role (s3).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print the rights that are enough to deliver to a bucket or container, and how to grant them."""
    if principal and cloud != "s3":
        raise typer.BadParameter("--principal goes with s3; the others name it in their commands")
    policy_of = import_module(f"ctexport_dagster.resources.{cloud}.policy").policy
    text: str = policy_of(bucket, principal=principal) if principal else policy_of(bucket)
    if as_json:
        print_json({"cloud": cloud, "bucket": bucket, "policy": text})
    else:
        print_lines(text)
