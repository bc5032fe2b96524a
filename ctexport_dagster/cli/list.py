"""`ctexport list`: the declared exports, filtered and by pages. Source: REQUIREMENTS S9."""

from dataclasses import asdict, dataclass
from typing import Annotated, Literal

import typer

from ctexport_dagster.cli.terminal import AsJson, home_here, print_json, print_lines, print_table
from ctexport_dagster.core.export import FormatType
from ctexport_dagster.home import Home

Frequency = Literal["3h", "4h", "6h", "8h", "12h", "24h", "daily"]


@dataclass(frozen=True)
class Listed:
    """One export as the list shows it: `partner` is the kind of its destination."""

    name: str
    partner: str
    type: str
    format: str
    frequency: str
    mode: str
    source: str
    destination: str
    owner: str


@dataclass(frozen=True)
class Filters:
    """What an export must be to be listed; None for anything."""

    partner: str | None = None
    type: str | None = None
    format: str | None = None
    frequency: str | None = None

    def let_through(self, listed: Listed) -> bool:
        wanted = (self.partner, self.type, self.format, self.frequency)
        found = (listed.partner, listed.type, listed.format, listed.frequency)
        return all(want in (None, have) for want, have in zip(wanted, found, strict=True))


def list_exports(
    partner: Annotated[str | None, typer.Option(help="The kind of destination, as local.")] = None,
    type_: Annotated[Literal["profiles"] | None, typer.Option("--type", help="What is exported.")] = None,
    format_: Annotated[FormatType | None, typer.Option("--format")] = None,
    frequency: Annotated[Frequency | None, typer.Option(help="daily is 24h.")] = None,
    page: Annotated[int, typer.Option(min=1)] = 1,
    per_page: Annotated[Literal["10", "20", "30", "40"], typer.Option()] = "20",
    as_json: AsJson = False,
) -> None:
    """List the declared exports."""
    filters = Filters(partner, type_, format_, "24h" if frequency == "daily" else frequency)
    found = [listed for listed in listed_exports(home_here()) if filters.let_through(listed)]
    size = int(per_page)
    shown, pages = found[(page - 1) * size : page * size], max(1, -(-len(found) // size))
    if as_json:
        print_json({"page": page, "pages": pages, "total": len(found), "exports": [asdict(one) for one in shown]})
        return
    if shown:
        print_table(tuple(asdict(shown[0])), [tuple(asdict(one).values()) for one in shown])
    print_lines(f"page {page} of {pages}, {len(found)} export{'' if len(found) == 1 else 's'}")


def listed_exports(home: Home) -> list[Listed]:
    """All exports of a home, by name."""
    return [
        Listed(
            name=name,
            partner=home.destinations[export.destination].type,
            type=export.kind,
            format=export.format.type,
            frequency=f"{export.cadence(home.sources[export.source].cadence).hours}h",
            mode=export.schedule.mode,
            source=export.source,
            destination=export.destination,
            owner=export.owner,
        )
        for name, export in sorted(home.exports.items())
    ]
