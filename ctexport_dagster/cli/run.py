"""`ctexport run EXPORT`: brings partitions to their destination, through Dagster, in this process."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Annotated

import typer

from ctexport_dagster.cli.lines import (
    ended_window_of,
    ended_windows,
    latest_deliveries,
    line_of,
    undelivered,
    windows_between,
)
from ctexport_dagster.cli.refused import ShownRefused, printed_refused, shown_refused
from ctexport_dagster.cli.terminal import AsJson, home_here, print_json, print_lines, print_table
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.findings.misnamed import misnamed
from ctexport_dagster.findings.refused import refused_in
from ctexport_dagster.home import Home
from ctexport_dagster.line import Line

Key = Annotated[str | None, typer.Option(metavar="KEY", help="One partition, as 2026-11-18.")]


@dataclass(frozen=True)
class DeliveredPartition:
    """What lies at the destination for one partition, or of a flow for one dataset in it."""

    export: str
    dataset: str | None
    partition: str
    mode: str
    generation: int
    rows: int
    files: int
    bytes: int
    manifest: str
    refused: tuple[ShownRefused, ...] = ()
    """Its source's rows that couldn't be used, by the partition of the source."""
    is_unchanged: bool = False
    """Whether it lay there before this run, which therefore sent no file."""


def run(
    name: Annotated[str, typer.Argument(metavar="EXPORT", show_default=False)],
    partition: Key = None,
    first: Annotated[str | None, typer.Option("--from", metavar="KEY", help="The first of several.")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="KEY", help="The last of several.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Send everything, not the changes alone.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run an export: one partition, several, or, without a key, every one that has ended and isn't delivered yet.

    Partitions of the source that the lake still misses are taken in first.
    """
    home = home_here()
    line = line_of(home, name)
    windows = _asked_for(line, partition, first, last, full=full)
    delivered = list[DeliveredPartition]()
    try:
        for one in run_windows(home, line, windows, wants_full=full):
            delivered.append(one)
    finally:  # one that fails doesn't hide those before it
        _print_outcome(delivered, as_json=as_json)
    if not as_json:
        print_lines(*(f"! {told}" for told in misnamed(line)))
    if not windows and not as_json:
        print_lines(f"{line.name}: {_nothing_to_run(line)}")


def _nothing_to_run(line: Line) -> str:
    """Why there is no partition to run."""
    first = line.cadence.first
    if first.end > datetime.now(UTC):
        return f"nothing has ended yet; {line.cadence.key_of(first)} ends at {first.end:%Y-%m-%dT%H:%MZ}"
    return "everything that has ended is delivered"


def run_windows(
    home: Home, line: Line, windows: Sequence[Interval], *, wants_full: bool
) -> Iterator[DeliveredPartition]:
    """Runs these windows one after the other, oldest first, and says after each what then lies at the destination.

    Raises:
        RunFailed, RunRefused: one of them failed; those before it are delivered, those after it weren't begun.
    """
    if not windows:
        return
    from ctexport_dagster.cli.launching import launching  # Dagster takes seconds to import

    with launching(home) as (launcher, bars):
        for window in windows:
            bars.partition = line.cadence.key_of(window)
            before = {(name or None, held.number) for name, held in latest_deliveries(line, window).items()}
            launcher.bring_source_up_to(line, window)
            launcher.export(line, window, wants_full=wants_full)
            for one in delivered_parts(line, window):
                yield replace(one, is_unchanged=(one.dataset, one.generation) in before)


def delivered_parts(line: Line, window: Interval) -> list[DeliveredPartition]:
    """What lies at the destination for one window, manifest by manifest; nothing where nothing was delivered."""
    delivered = latest_deliveries(line, window).items()
    refused = refused_in(line, line.cadence.key_of(window))
    return [
        DeliveredPartition(
            export=line.name,
            dataset=dataset or None,
            partition=generation.manifest.partition,
            mode=generation.manifest.mode,
            generation=generation.number,
            rows=generation.manifest.rows.exported,
            files=len(generation.manifest.files),
            bytes=generation.manifest.bytes,
            manifest=generation.plan.manifest.address,
            refused=shown_refused(refused.get(dataset, ())),
        )
        for dataset, generation in delivered
    ]


def _print_outcome(delivered: Sequence[DeliveredPartition], *, as_json: bool) -> None:
    if as_json:
        print_json([asdict(one) for one in delivered])
    elif delivered:
        print_delivered(delivered)


def print_delivered(delivered: Sequence[DeliveredPartition]) -> None:
    """A table with one line a partition, of a flow one a dataset in it; and what was refused, by reason and field."""
    print_table(("export", "partition", "mode", "rows", "refused", "files", "bytes", "manifest"), map(_row, delivered))
    refused = dict.fromkeys(line for one in delivered for line in printed_refused(one.refused))
    print_lines(*(f"! {line}" for line in refused))
    print_lines(
        *(f"{_subject(one)} {one.partition} stays as it was: no file was sent" for one in delivered if one.is_unchanged)
    )


def _row(one: DeliveredPartition) -> tuple[str, ...]:
    counts = (one.rows, sum(refused.rows for refused in one.refused), one.files, one.bytes)
    return _subject(one), one.partition, one.mode, *(f"{count:,}" for count in counts), one.manifest


def _subject(one: DeliveredPartition) -> str:
    return f"{one.export} {one.dataset}" if one.dataset else one.export


def _asked_for(line: Line, key: str | None, first: str | None, last: str | None, *, full: bool) -> list[Interval]:
    if full and line.export.kind == "events":
        raise typer.BadParameter("events have no full mode: each partition holds those that arrived in its window")
    if key and (first or last):
        raise typer.BadParameter("give --partition, or --from and --to")
    if bool(first) != bool(last):
        raise typer.BadParameter("--from and --to go together")
    now = datetime.now(UTC)
    if key:
        return [ended_window_of(line, key, now)]
    if first and last:
        ended_window_of(line, last, now)
        return windows_between(line, first, last)
    ended = ended_windows(line, now)
    return ended[-1:] if full else undelivered(line, ended)
