"""`ctexport preview EXPORT`: what a partition's run would send, and under which names; it writes nothing."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, cast

import polars as pl
import typer

from ctexport_dagster.cli.dataset_preview import print_flow, shown_flow
from ctexport_dagster.cli.lines import ended_windows, line_of, undelivered, window_of
from ctexport_dagster.cli.terminal import AsJson, home_here, print_json, print_lines, print_table
from ctexport_dagster.core.counted import counted
from ctexport_dagster.core.events.preview import event_headers, masked_events
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.kinds import columns_of
from ctexport_dagster.core.preview import masked_rows
from ctexport_dagster.dataset_line import DatasetLine
from ctexport_dagster.event_line import EventLine
from ctexport_dagster.line import Line, ProfileLine
from ctexport_dagster.stages.dataset_preview import preview_datasets
from ctexport_dagster.stages.event_preview import EventPreview, preview_event_partition
from ctexport_dagster.stages.preview import Preview, preview_partition


@dataclass(frozen=True)
class ShownPreview:
    """The preview, as printed or as JSON."""

    export: str
    partition: str
    window: tuple[str, str]
    mode: str
    begins_new_version: bool
    edits: tuple[str, ...]
    files: tuple[str, ...]
    manifest: str
    columns: tuple[Mapping[str, str], ...]
    rows_from: str
    rows: tuple[Mapping[str, str], ...]
    warnings: tuple[str, ...]
    carries: str


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
    address = home.destinations[line.export.destination].open(home.surroundings).address
    key = line.cadence.key_of(window)
    if isinstance(line, DatasetLine):
        flow = shown_flow(line, preview_datasets(line, source, key, rows=rows), address, values=values)
        print_json(asdict(flow)) if as_json else print_flow(flow)
        return
    if isinstance(line, EventLine):
        events = preview_event_partition(line, source, key, rows=rows)
        shown = _shown_events(line, events, address, values=values)
    else:
        of_profiles = cast("ProfileLine", line)
        profiles = preview_partition(of_profiles, source, key, rows=rows)
        shown = _shown(of_profiles, profiles, address, values=values)
    if as_json:
        print_json(asdict(shown))
    else:
        _print(shown)


def _next_window(line: Line) -> Interval:
    """The oldest window that has ended and isn't delivered, else the newest that has, else the first of all."""
    ended = ended_windows(line, datetime.now(UTC))
    return next(iter([*undelivered(line, ended), *ended[-1:], line.cadence.first]))


def _shown(line: ProfileLine, found: Preview, address: Callable[[str], str], *, values: bool) -> ShownPreview:
    columns = found.plan.columns
    cells = _plain_rows(found.rows) if values else masked_rows(found.rows, found.plan, line.export.identity.order)
    return ShownPreview(
        export=line.name,
        partition=found.partition,
        window=_instants(found.window),
        mode=found.mode,
        begins_new_version=found.was_edited,
        edits=tuple(map(str, line.edits)),
        files=tuple(address(key) for key in found.keys),
        manifest=address(found.manifest_key),
        columns=tuple({"header": c.header, "type": c.type.value, "from": c.key} for c in columns),
        rows_from=found.origin,
        rows=tuple(dict(zip(found.plan.headers, row, strict=True)) for row in cells),
        warnings=(*([f"the export is disabled: {line.refusal}"] if line.refusal else []), *found.warnings),
        carries="every living profile" if found.mode == "full" else "the profiles that changed in its window",
    )


def _shown_events(line: EventLine, found: EventPreview, address: Callable[[str], str], *, values: bool) -> ShownPreview:
    headers = event_headers(found.plan) if not values else tuple(found.rows.columns)
    cells = _plain_rows(found.rows) if values else masked_events(found.rows, found.plan, line.export.identity.order)
    return ShownPreview(
        export=line.name,
        partition=found.partition,
        window=_instants(found.span or found.window),
        mode="incremental" if found.span is None else "full",
        begins_new_version=found.was_edited,
        edits=tuple(map(str, line.edits)),
        files=tuple(address(key) for key in found.keys),
        manifest=address(found.manifest_key),
        columns=tuple(
            {"header": column.name, "type": column.type, "from": column.source}
            for column in columns_of(line.export, found.plan)
        ),
        rows_from=found.origin,
        rows=tuple(dict(zip(headers, row, strict=True)) for row in cells),
        warnings=(*([f"the export is disabled: {line.refusal}"] if line.refusal else []), *found.warnings),
        carries="the events of its range" if found.span else "the events that arrived in its window",
    )


def _instants(window: Interval) -> tuple[str, str]:
    return f"{window.start:%Y-%m-%dT%H:%M:%SZ}", f"{window.end:%Y-%m-%dT%H:%M:%SZ}"


def _plain_rows(rows: pl.DataFrame) -> list[tuple[str, ...]]:
    return [tuple("" if value is None else str(value) for value in row) for row in rows.rows()]


def _print(shown: ShownPreview) -> None:
    start, end = shown.window
    print_lines(
        f"{shown.export}, partition {shown.partition}: {shown.mode}, {shown.carries}",
        f"window [{start}, {end})",
    )
    if shown.edits:
        print_lines("", "edited since the last run", *(f"  {edit}" for edit in shown.edits))
    if shown.begins_new_version:
        print_lines(f"identity, columns or format were edited: this partition begins the new version, {shown.mode}")
    print_lines("", "files, then further chunks and instances by the same pattern")
    print_lines(*(f"  {file}" for file in shown.files), f"  {shown.manifest}", "")
    print_table(("column", "type", "from"), [(c["header"], c["type"], c["from"]) for c in shown.columns])
    print_lines("", f"{counted(len(shown.rows), 'sample row')}, from the {shown.rows_from}")
    for row in shown.rows:
        print_lines("", *(f"  {header}: {value}" for header, value in row.items() if value))
    print_lines(*(f"warning: {warning}" for warning in shown.warnings))
