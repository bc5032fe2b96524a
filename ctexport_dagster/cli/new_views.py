"""What `ctexport new` shows between its questions: paths, identities, columns, masked rows, the first run."""

from collections.abc import Callable

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ctexport_dagster.cli.new_session import Session
from ctexport_dagster.core.columns import ColumnPlan
from ctexport_dagster.core.errors import ConfigurationError
from ctexport_dagster.core.export import Export
from ctexport_dagster.core.interval import run_instant
from ctexport_dagster.core.naming import Naming
from ctexport_dagster.core.preview import masked_rows
from ctexport_dagster.core.run_names import run_names
from ctexport_dagster.home import DestinationDeclaration

_ROWS = 3
_IDENTIFYING = ("identity", "all_identities", "clevertapId", "clevertapIds")


def show_files(session: Session, console: Console) -> None:
    """The exact paths of the first partition's first two files and of its manifest."""
    source, export = session.source(), session.export()
    if source is None:
        return
    naming, cadence = Naming.of(export), export.cadence(source.cadence)
    names = run_names(export, cadence, cadence.first, "preview")
    keys = [naming.key(names, 0, index) for index in (0, 1)]
    address = _address(session)
    _say(console, "files of the first partition, then further chunks by the same pattern")
    _say(console, *(f"  {address(key)}" for key in (*keys, naming.manifest_key(keys, names, 1))))
    _say(console, *(f"warning: {warning}" for warning in naming.warnings))


def show_identities(session: Session, console: Console) -> None:
    """How the identifiers come out, for a few profiles."""
    if resolved := _resolved(session, console):
        plan, frame = resolved
        shown = [column for column in plan.columns if column.role in _IDENTIFYING]
        _print_rows(console, session.export(), ColumnPlan(tuple(shown)), frame)


def show_columns(session: Session, console: Console) -> None:
    """Every column in its order, and what a few profiles have in it."""
    if not (resolved := _resolved(session, console)):
        return
    plan, frame = resolved
    rows = masked_rows(frame, plan, session.export().identity.order)
    cells = [(c.header, c.type.value, *values) for c, values in zip(plan.columns, zip(*rows, strict=True), strict=True)]
    headers = ("column", "type", *(f"profile {number}" for number in range(1, len(rows) + 1)))
    _print_table(console, headers, cells if rows else [(c.header, c.type.value) for c in plan.columns])
    _say(console, *(f"warning: {warning}" for warning in plan.warnings))


def show_schedule(session: Session, console: Console) -> None:
    """The first window, and when its run is due."""
    source, export = session.source(), session.export()
    if source is None:
        return
    cadence = export.cadence(source.cadence)
    window = cadence.first
    due = run_instant(window, cadence.zone, export.schedule.at, is_daily=cadence.is_daily)
    _say(
        console,
        f"the first partition is {cadence.key_of(window)}, of [{window.start:%Y-%m-%dT%H:%MZ},"
        f" {window.end:%Y-%m-%dT%H:%MZ});"
        f" its run {'was due at' if due <= session.now else 'is due at'} {due:%Y-%m-%dT%H:%MZ}",
    )


def _resolved(session: Session, console: Console) -> tuple[ColumnPlan, pl.DataFrame] | None:
    if session.seen is None:
        return None
    try:
        return session.seen.as_exported(session.export(), _ROWS)
    except ConfigurationError as problem:
        _say(console, *(f"warning: {mistake.message}" for mistake in problem.mistakes))
        return None


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
    _print_table(console, plan.headers, masked_rows(frame, plan, export.identity.order))


def _print_table(console: Console, headers: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 2))
    for header in headers:
        table.add_column(Text(header), overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def _say(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(Text(line), soft_wrap=True)
