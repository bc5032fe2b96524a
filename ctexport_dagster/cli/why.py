"""`ctexport why EXPORT ID --partition K`: why a profile is in a partition, or isn't; names of fields, never values."""

from dataclasses import asdict
from typing import Annotated

import typer

from ctexport_dagster.cli.lines import profile_line_of, window_of
from ctexport_dagster.cli.terminal import AsJson, home_here, print_json, print_lines
from ctexport_dagster.stages.why import Reasons
from ctexport_dagster.stages.why import why as reasons_for

_SENTENCES = {
    "created": "it was created in the window",
    "updated": "it was updated in the window",
    "unchanged": "nothing that counts as an update changed in the window",
    "deleted": "it was deleted in the window",
    "unknown": "no profile with this id lived at the window's start or end",
}


def why(
    name: Annotated[str, typer.Argument(metavar="EXPORT", show_default=False)],
    clevertap_id: Annotated[str, typer.Argument(metavar="ID", help="A clevertapId.", show_default=False)],
    partition: Annotated[str, typer.Option(metavar="KEY", help="The partition, as 2026-11-18.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Say why a profile is in a partition of an export, or isn't: the names of the fields that changed."""
    line = profile_line_of(home_here(), name)
    reasons = reasons_for(line, line.cadence.key_of(window_of(line, partition)), clevertap_id)
    if as_json:
        print_json({**asdict(reasons), "is_exported": reasons.is_exported})
    else:
        print_lines(_sentence(reasons))


def _sentence(reasons: Reasons) -> str:
    fields = f": {', '.join(reasons.fields)}" if reasons.fields else ""
    verb = "exported" if reasons.is_exported else "not exported"
    because = "the partition is full, so every living profile goes out" if reasons.mode == "full" else None
    parts = [_SENTENCES[reasons.verdict] + fields, *([because] if because and reasons.is_exported else [])]
    return f"{verb} in {reasons.partition}: {'; '.join(parts)}"
