"""`ctexport list`: the declared exports, how they stand, filtered and by pages. Source: REQUIREMENTS S9."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Literal, TypedDict

import typer

from ctexport_dagster.cli.entitlement import usage_here, usage_json, usage_lines
from ctexport_dagster.cli.lines import lines_of
from ctexport_dagster.cli.refused import ShownRefused, shown_refused
from ctexport_dagster.cli.standings import standings_of
from ctexport_dagster.cli.terminal import AsJson, home_here, print_json, print_lines, print_table
from ctexport_dagster.core.counted import counted
from ctexport_dagster.core.export import ExportKind, FormatType
from ctexport_dagster.core.quarantine import summed, told_counts
from ctexport_dagster.core.status import Standing
from ctexport_dagster.findings.outdated import outdated_partitions
from ctexport_dagster.findings.refused import newest_refused
from ctexport_dagster.home import Home
from ctexport_dagster.line import Line

Frequency = Literal["once", "3h", "4h", "6h", "8h", "12h", "24h", "daily"]
StatusOption = Literal["pending", "running", "stopped", "done"]
Day = Annotated[datetime | None, typer.Option(metavar="DAY", formats=["%Y-%m-%d"])]


@dataclass(frozen=True)
class Listed:
    """One export as the list shows it: `partner` is the kind of its destination."""

    name: str
    status: str
    attention: str
    partner: str
    type: str
    format: str
    frequency: str
    mode: str
    source: str
    destination: str
    owner: str
    outdated: tuple[str, ...] = ()
    """Of the newest thirty partitions, those whose source was read anew since; looked for on the page that is shown."""
    refused: tuple[ShownRefused, ...] = ()
    """Rows in the quarantine, of the newest thirty partitions of its source; likewise."""


class _Found(TypedDict):
    """What is looked for on the page that is shown."""

    outdated: tuple[str, ...]
    refused: tuple[ShownRefused, ...]


@dataclass(frozen=True)
class Filters:
    """What an export must be to be listed; None for anything."""

    partner: str | None = None
    type: str | None = None
    format: str | None = None
    status: str | None = None
    frequency: str | None = None

    def let_through(self, listed: Listed) -> bool:
        wanted = (self.partner, self.type, self.format, self.status, self.frequency)
        found = (listed.partner, listed.type, listed.format, listed.status.lower(), listed.frequency)
        return all(want in (None, have) for want, have in zip(wanted, found, strict=True))


def list_exports(
    partner: Annotated[str | None, typer.Option(help="The kind of destination, as local.")] = None,
    type_: Annotated[ExportKind | None, typer.Option("--type", help="What is exported.")] = None,
    format_: Annotated[FormatType | None, typer.Option("--format")] = None,
    status: Annotated[StatusOption | None, typer.Option(case_sensitive=False)] = None,
    frequency: Annotated[Frequency | None, typer.Option(help="daily is 24h.")] = None,
    exported_from: Day = None,
    exported_to: Day = None,
    page: Annotated[int, typer.Option(min=1)] = 1,
    per_page: Annotated[Literal["10", "20", "30", "40"], typer.Option()] = "20",
    as_json: AsJson = False,
) -> None:
    """List the declared exports and how they stand. The days of --exported-from and -to are included."""
    home = home_here()
    filters = Filters(partner, type_, format_, status, "24h" if frequency == "daily" else frequency)
    lines = [line for line in lines_of(home) if _was_exported(line, exported_from, exported_to)]
    now = datetime.now(UTC)
    found, usage = [one for one in listed_exports(home, lines, now) if filters.let_through(one)], usage_here(home, now)
    size = int(per_page)
    pages = max(1, -(-len(found) // size))
    shown = _with_findings(found[(page - 1) * size : page * size], lines, now)
    if as_json:
        paging = {"page": page, "pages": pages, "total": len(found)}
        print_json({**paging, "exports": [asdict(one) for one in shown], "usage": usage_json(usage)})
        return
    if shown:
        _print(shown)
    print_lines(f"page {page} of {pages}, {counted(len(found), 'export')}", *usage_lines(usage))


def listed_exports(home: Home, lines: Sequence[Line], now: datetime) -> list[Listed]:
    """These exports of a home, by name."""
    found = standings_of(home, lines, now)
    return [_listed(home, line, found[line.name]) for line in sorted(lines, key=lambda line: line.name)]


def _listed(home: Home, line: Line, stands: Standing) -> Listed:
    export = line.export
    return Listed(
        name=line.name,
        status=stands.status,
        attention=stands.attention,
        partner=home.destinations[export.destination].type,
        type=export.kind,
        format=export.format.type,
        frequency="once" if export.schedule.is_once else f"{line.cadence.hours}h",
        mode=export.schedule.mode,
        source=export.source,
        destination=export.destination,
        owner=export.owner,
    )


def _with_findings(shown: Sequence[Listed], lines: Sequence[Line], now: datetime) -> list[Listed]:
    named = {line.name: line for line in lines}
    return [replace(one, **_found(named[one.name], now)) for one in shown]


def _found(line: Line, now: datetime) -> _Found:
    outdated = tuple(found.partition for found in outdated_partitions(line, now))
    return _Found(outdated=outdated, refused=shown_refused(newest_refused(line)))


def _was_exported(line: Line, first: datetime | None, last: datetime | None) -> bool:
    """Whether a partition was delivered whose run was due on one of these days, in the export's time zone."""
    if first is None and last is None:
        return True
    start, end = first.date() if first else date.min, last.date() if last else date.max
    due = ((window, line.due.due(window).astimezone(line.cadence.zone)) for window in line.due.until(datetime.now(UTC)))
    return any(start <= when.date() <= end and line.is_delivered(window) for window, when in due)


def _print(shown: Sequence[Listed]) -> None:
    """What needs attention stands below the table, where it has room."""
    columns = [column for column in asdict(shown[0]) if column not in ("attention", "outdated", "refused")]
    rows = [{**asdict(one), "status": _marked(one)} for one in shown]
    print_table(columns, [[row[column] for column in columns] for row in rows])
    print_lines(*(f"! {one.name}: {one.attention}" for one in shown if one.attention))
    print_lines(
        *(f"~ {one.name}: {_outdated(one.outdated)}; ctexport show {one.name}" for one in shown if one.outdated)
    )
    print_lines(*(f"? {one.name}: {_refused(one.refused)}; ctexport show {one.name}" for one in shown if one.refused))


def _marked(one: Listed) -> str:
    return one.status + (" !" if one.attention else "") + (" ~" if one.outdated else "") + (" ?" if one.refused else "")


def _outdated(partitions: Sequence[str]) -> str:
    more = f" and {len(partitions) - 1} more" if len(partitions) > 1 else ""
    return f"the source was read anew since {partitions[-1]}{more} went out"


def _refused(refused: Sequence[ShownRefused]) -> str:
    rows = sum(one.rows for one in refused)
    folders = dict.fromkeys(str(Path(one.file).parent) for one in refused)
    why = told_counts(summed(count for one in refused for count in one.by)) or "their files were deleted"
    many = f"{counted(rows, 'row')} of its source {'was' if rows == 1 else 'were'} refused"
    return f"{many}: {why}; in {', '.join(folders)}"
