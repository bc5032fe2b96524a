"""What `ctexport preview` shows of a flow: its one schedule, then each dataset's paths, columns and rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ctexport_dagster.cli.terminal import print_lines, print_table
from ctexport_dagster.core.counted import counted
from ctexport_dagster.core.datasets.preview import masked_table
from ctexport_dagster.dataset_line import DatasetLine
from ctexport_dagster.stages.dataset_preview import DatasetPreview, PreviewedDataset


@dataclass(frozen=True)
class ShownDataset:
    """One dataset of the preview, as printed or as JSON."""

    dataset: str
    mode: str
    files: tuple[str, ...]
    manifest: str
    columns: tuple[Mapping[str, str], ...]
    rows_from: str
    rows: tuple[Mapping[str, str], ...]


@dataclass(frozen=True)
class ShownFlow:
    """The preview of a flow's partition, as printed or as JSON; instants in UTC."""

    export: str
    partition: str
    window: tuple[str, str]
    schedule: str
    begins_new_version: bool
    edits: tuple[str, ...]
    datasets: tuple[ShownDataset, ...]
    warnings: tuple[str, ...]


def shown_flow(line: DatasetLine, found: DatasetPreview, address: Callable[[str], str], *, values: bool) -> ShownFlow:
    """What a preview tells; values masked unless they are wanted as they are."""
    disabled = [f"the export is disabled: {line.refusal}"] if line.refusal else []
    return ShownFlow(
        export=line.name,
        partition=found.partition,
        window=(f"{found.window.start:%Y-%m-%dT%H:%M:%SZ}", f"{found.window.end:%Y-%m-%dT%H:%M:%SZ}"),
        schedule=schedule_of_all(line),
        begins_new_version=found.was_edited,
        edits=tuple(map(str, line.edits)),
        datasets=tuple(_shown(one, address, values=values) for one in found.datasets),
        warnings=(*disabled, *found.warnings),
    )


def schedule_of_all(line: DatasetLine) -> str:
    """The schedule in words, and for which datasets it holds. Source: REQUIREMENTS A2."""
    schedule, names = line.export.schedule, line.export.datasets
    when = "once" if schedule.is_once else f"every {line.cadence.hours}h, {schedule.mode}"
    if len(names) == 1:
        return f"{when}; holds for the one dataset of the flow: {names[0]}"
    return f"{when}; holds for all {len(names)} datasets of the flow: {', '.join(names)}"


def print_flow(shown: ShownFlow) -> None:
    """The preview on a terminal."""
    start, end = shown.window
    print_lines(
        f"{shown.export}, partition {shown.partition}", f"window [{start}, {end})", f"schedule: {shown.schedule}"
    )
    if shown.edits:
        print_lines("", "edited since the last run", *(f"  {edit}" for edit in shown.edits))
    if shown.begins_new_version:
        print_lines("the format was edited: this partition begins the new version")
    for one in shown.datasets:
        _print(one)
    print_lines(*(f"warning: {warning}" for warning in shown.warnings))


def _print(one: ShownDataset) -> None:
    carries = "every row so far" if one.mode == "full" else "the rows that were added in its window"
    print_lines("", f"{one.dataset}: {one.mode}, {carries}", "files, then further chunks by the same pattern")
    print_lines(*(f"  {file}" for file in one.files), f"  {one.manifest}", "")
    print_table(("column", "type"), [(column["header"], column["type"]) for column in one.columns])
    print_lines("", f"{counted(len(one.rows), 'sample row')}, from the {one.rows_from}")
    for row in one.rows:
        print_lines("", *(f"  {header}: {value}" for header, value in row.items() if value))


def _shown(one: PreviewedDataset, address: Callable[[str], str], *, values: bool) -> ShownDataset:
    cells = (
        [tuple("" if value is None else str(value) for value in row) for row in one.rows.rows()]
        if values
        else masked_table(one.rows)
    )
    return ShownDataset(
        dataset=one.dataset,
        mode=one.mode,
        files=tuple(map(address, one.keys)),
        manifest=address(one.manifest_key),
        columns=tuple({"header": column.name, "type": column.type} for column in one.columns),
        rows_from=one.origin,
        rows=tuple(dict(zip(one.rows.columns, row, strict=True)) for row in cells),
    )
