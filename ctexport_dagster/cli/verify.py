"""`ctexport verify EXPORT --partition K`: reads a delivery back and proves its rows and checksums."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import typer

from ctexport_dagster.cli.lines import latest_deliveries, line_of, window_of
from ctexport_dagster.cli.terminal import FAILED, AsJson, home_here, print_json, print_lines
from ctexport_dagster.core.counted import counted
from ctexport_dagster.core.destination import Destination, Readable
from ctexport_dagster.core.errors import DeliveryUnreadable
from ctexport_dagster.stages.verify import Verified, verify_generation


def verify(
    name: Annotated[str, typer.Argument(metavar="EXPORT", show_default=False)],
    partition: Annotated[str, typer.Option(metavar="KEY", help="The partition, as 2026-11-18.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Read a delivered partition back, and prove its rows and checksums. It takes the right to read there."""
    home = home_here()
    line = line_of(home, name)
    delivered = latest_deliveries(line, window_of(line, partition))
    if not delivered:
        raise DeliveryUnreadable(
            f"Verifying {name}, partition {partition}",
            "it was not delivered yet",
            f"Run `ctexport run {name} --partition {partition}`.",
        )
    destination = home.destinations[line.export.destination].open(home.surroundings)
    home.state.mkdir(parents=True, exist_ok=True)
    readable = _readable(destination, name, partition)
    verified = {part: verify_generation(one, readable, home.state) for part, one in delivered.items()}
    is_ok = not any(one.problems for one in verified.values())
    if as_json:
        print_json({"ok": is_ok, "export": name, "partition": partition, **_told(verified)})
    else:
        for part, one in verified.items():
            _print(f"{name} {part}".rstrip(), partition, one)
    if not is_ok:
        raise typer.Exit(FAILED)


def _told(verified: Mapping[str, Verified]) -> dict[str, object]:
    """As JSON: of a flow, a list of its datasets."""
    if set(verified) == {""}:
        return asdict(verified[""])
    return {"datasets": [{"dataset": dataset, **asdict(one)} for dataset, one in verified.items()]}


def _readable(destination: Destination, name: str, partition: str) -> Readable:
    if isinstance(destination, Readable):
        return destination
    raise DeliveryUnreadable(
        f"Verifying {name}, partition {partition}",
        "this kind of destination can't be read back from here",
        "Copy the files to a folder, and open that with ctexport_dagster.reader.",
    )


def _print(name: str, partition: str, verified: Verified) -> None:
    for problem in verified.problems:
        typer.echo(str(problem), err=True)
    if not verified.problems:
        parts = {"file": verified.files, "row": verified.rows, "byte": verified.bytes}
        what = ", ".join(counted(count, noun) for noun, count in parts.items())
        print_lines(f"{name}, partition {partition}, generation {verified.generation} is as promised: {what}")
