"""What `ctexport new` shows between its questions: paths, identities, columns, masked rows, the first run."""

from collections.abc import Callable

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ctexport_dagster.cli.new_session import Session
from ctexport_dagster.core.columns import ColumnPlan
from ctexport_dagster.core.datasets.naming import file_of
from ctexport_dagster.core.errors import ConfigurationError
from ctexport_dagster.core.export import Export
from ctexport_dagster.core.interval import run_instant
from ctexport_dagster.core.kinds import naming_of
from ctexport_dagster.core.preview import masked_rows
from ctexport_dagster.core.run_names import run_names
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.home import DestinationDeclaration

SAMPLE_ROWS = 3
_IDENTIFYING = ("identity", "all_identities", "clevertapId", "clevertapIds")


def show_files(session: Session, console: Console) -> None:
    """The exact paths of the first partition's first two files and of its manifest."""
    source, export = session.source(), session.export()
    if source is None:
        return
    naming, cadence = naming_of(export), export.cadence(source.cadence)
    names = run_names(export, cadence, cadence.first, "preview")
    address = _address(session)
    tables = [file_of(name, source.declared_datasets[name]) for name in _chosen(session, source)]
    for held in tables or [None]:
        keys = [naming.key(names, 0, index, held) for index in (0, 1)]
        of_what = f"{held.name}: files" if held else "files"
        say(console, f"{of_what} of the first partition, then further chunks by the same pattern")
        say(console, *(f"  {address(key)}" for key in (*keys, naming.manifest_key(keys, names, 1, held))))
    say(console, *(f"warning: {warning}" for warning in naming.warnings))


def show_identities(session: Session, console: Console) -> None:
    """How the identifiers come out, for a few profiles."""
    if resolved := _resolved(session, console):
        plan, frame = resolved
        shown = [column for column in plan.columns if column.role in _IDENTIFYING]
        _print_rows(console, session.profile_export(), ColumnPlan(tuple(shown)), frame)


def show_columns(session: Session, console: Console) -> None:
    """Every column in its order, and what a few profiles have in it."""
    if not (resolved := _resolved(session, console)):
        return
    plan, frame = resolved
    rows = masked_rows(frame, plan, session.profile_export().identity.order)
    cells = [(c.header, c.type.value, *(row[at] for row in rows)) for at, c in enumerate(plan.columns)]
    headers = ("column", "type", *(f"profile {number}" for number in range(1, len(rows) + 1)))
    print_columns(console, headers, cells)
    if not rows:
        say(console, "no sample rows: the source's first partition has none that a run would take in")
    if session.seen:
        say(console, *(f"warning: {warning}" for warning in session.seen.warnings))
    say(console, *(f"warning: {warning}" for warning in plan.warnings))


def show_schedule(session: Session, console: Console) -> None:
    """The first window, and when its run is due."""
    source, export = session.source(), session.export()
    if source is None:
        return
    cadence = export.cadence(source.cadence)
    window = cadence.first
    due = run_instant(window, cadence.zone, export.schedule.at, is_daily=cadence.is_daily)
    say(
        console,
        f"the first partition is {cadence.key_of(window)}, of [{window.start:%Y-%m-%dT%H:%MZ},"
        f" {window.end:%Y-%m-%dT%H:%MZ});"
        f" its run {'was due at' if due <= session.now else 'is due at'} {due:%Y-%m-%dT%H:%MZ}",
    )


def _resolved(session: Session, console: Console) -> tuple[ColumnPlan, pl.DataFrame] | None:
    if session.seen is None:
        return None
    try:
        return session.seen.as_exported(session.profile_export(), SAMPLE_ROWS)
    except ConfigurationError as problem:
        say(console, *(f"warning: {mistake.message}" for mistake in problem.mistakes))
        return None


def _chosen(session: Session, source: SourceDeclaration) -> list[str]:
    """The datasets of a flow, without those that its source doesn't have."""
    return [name for name in session.answers.datasets or () if name in source.declared_datasets]


def _address(session: Session) -> Callable[[str], str]:
    """The destination's addresses; bare keys where its extra isn't installed or its file holds a mistake."""
    destination = session.destination()
    if not isinstance(destination, DestinationDeclaration):
        return str
    try:
        return destination.open(session.surroundings).address
    except ConfigurationError:
        return str


def _print_rows(console: Console, export: Export, plan: ColumnPlan, frame: pl.DataFrame) -> None:
    print_columns(console, plan.headers, masked_rows(frame, plan, export.identity.order))


def print_columns(console: Console, headers: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
    for header in headers:
        table.add_column(Text(header), overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def say(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(Text(line), soft_wrap=True)
