"""`ctexport preview EXPORT`: what a partition's run would send, and under which names; it writes nothing."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated

import polars as pl
import typer

from ctexport_dagster.cli.lines import ended_windows, line_of, undelivered, window_of
from ctexport_dagster.cli.terminal import AsJson, home_here, print_json, print_lines, print_table
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.preview import masked_rows
from ctexport_dagster.line import Line
from ctexport_dagster.stages.preview import Preview, preview_partition


@dataclass(frozen=True)
class ShownPreview:
    """The preview, as printed or as JSON."""

    export: str
    partition: str
    window: tuple[str, str]
    mode: str
    begins_new_version: bool
    files: tuple[str, ...]
    manifest: str
    columns: tuple[Mapping[str, str], ...]
    rows_from: str
    rows: tuple[Mapping[str, str], ...]
    warnings: tuple[str, ...]


def preview(
    name: Annotated[str, typer.Argument(metavar="EXPORT", show_default=False)],
    partition: Annotated[str | None, typer.Option(metavar="KEY", help="Default: the next one to run.")] = None,
    rows: Annotated[int, typer.Option(min=0, max=1000, help="How many sample rows.")] = 5,
    values: Annotated[bool, typer.Option("--values", help="Show values as they are, not masked.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a run would send: exact paths, columns, identities and sample rows, masked unless told otherwise."""
    home = home_here()
    line = line_of(home, name)
    window = window_of(line, partition) if partition else _next_window(line)
    source = line.source.open(home.surroundings)
    found = preview_partition(line, source, line.cadence.key_of(window), rows=rows)
    shown = _shown(
        line, found, home.destinations[line.export.destination].open(home.surroundings).address, values=values
    )
    if as_json:
        print_json(asdict(shown))
    else:
        _print(shown)


def _next_window(line: Line) -> Interval:
    """The oldest window that has ended and isn't delivered, else the newest that has, else the first of all."""
    ended = ended_windows(line, datetime.now(UTC))
    return next(iter([*undelivered(line, ended), *ended[-1:], line.cadence.first]))


def _shown(line: Line, found: Preview, address: Callable[[str], str], *, values: bool) -> ShownPreview:
    columns = found.plan.columns
    cells = _plain_rows(found.rows) if values else masked_rows(found.rows, found.plan, line.export.identity.order)
    return ShownPreview(
        export=line.name,
        partition=found.partition,
        window=(f"{found.window.start:%Y-%m-%dT%H:%M:%SZ}", f"{found.window.end:%Y-%m-%dT%H:%M:%SZ}"),
        mode=found.mode,
        begins_new_version=found.was_edited,
        files=tuple(address(key) for key in found.keys),
        manifest=address(found.manifest_key),
        columns=tuple({"header": c.header, "type": c.type.value, "from": c.key} for c in columns),
        rows_from=found.origin,
        rows=tuple(dict(zip(found.plan.headers, row, strict=True)) for row in cells),
        warnings=found.warnings,
    )


def _plain_rows(rows: pl.DataFrame) -> list[tuple[str, ...]]:
    return [tuple("" if value is None else str(value) for value in row) for row in rows.rows()]


def _print(shown: ShownPreview) -> None:
    start, end = shown.window
    carries = "every living profile" if shown.mode == "full" else "the profiles that changed in its window"
    print_lines(
        f"{shown.export}, partition {shown.partition}: {shown.mode}, {carries}",
        f"window [{start}, {end})",
    )
    if shown.begins_new_version:
        print_lines("identity, columns or format were edited since the last run: this run begins the new version")
    print_lines("", "files, then further chunks and instances by the same pattern")
    print_lines(*(f"  {file}" for file in shown.files), f"  {shown.manifest}", "")
    print_table(("column", "type", "from"), [(c["header"], c["type"], c["from"]) for c in shown.columns])
    print_lines("", f"{len(shown.rows)} sample rows, from the {shown.rows_from}")
    for row in shown.rows:
        print_lines("", *(f"  {header}: {value}" for header, value in row.items() if value))
    print_lines(*(f"warning: {warning}" for warning in shown.warnings))
