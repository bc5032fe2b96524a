"""`ctexport show EXPORT`: how it stands, its past, and what its declaration means: defaults, windows and keys."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time
from itertools import islice
from typing import Annotated

import typer
import yaml

from ctexport_dagster.cli.entitlement import share_line, usage_here, usage_json, usage_lines
from ctexport_dagster.cli.lines import line_of
from ctexport_dagster.cli.refused import printed_refused
from ctexport_dagster.cli.show_history import (
    MENDED_BY,
    ShownHistory,
    printed_outdated,
    printed_volume,
    reasons,
    shown_history,
)
from ctexport_dagster.cli.terminal import AsJson, home_here, print_json, print_lines, print_table
from ctexport_dagster.core.datasets.export import DatasetExport
from ctexport_dagster.core.datasets.naming import file_of
from ctexport_dagster.core.export import DeclaredExport
from ctexport_dagster.core.interval import Cadence, Interval, instant_of, run_instant
from ctexport_dagster.core.kinds import naming_of
from ctexport_dagster.core.run_names import FileOfEvent, run_names
from ctexport_dagster.home import Home

_MIDNIGHT = time(0)
_WINDOWS = 3
_MANIFEST = "manifest"
_EXAMPLE_RUN = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class ShownWindow:
    """One window, instants in UTC, and when its run is due."""

    partition: str
    start: str
    end: str
    runs_at: str


@dataclass(frozen=True)
class ShownExport:
    """Everything that follows from an export's declaration alone."""

    name: str
    declaration: Mapping[str, object]
    export_id: int
    content_version: str
    configuration_version: str
    destination: str
    every: str
    timezone: str
    windows: tuple[ShownWindow, ...]
    keys: Mapping[str, str]
    manifest: str
    """Empty for a flow: each of its datasets has one among the keys."""
    warnings: tuple[str, ...]


def show(name: Annotated[str, typer.Argument(metavar="EXPORT", show_default=False)], as_json: AsJson = False) -> None:
    """Show an export: how it stands, its runs and volume, its declaration with all defaults, windows and keys."""
    home, now = home_here(), datetime.now(UTC)
    line = line_of(home, name)
    shown, past, usage = shown_export(home, line.export), shown_history(home, line, now), usage_here(home, now)
    if as_json:
        print_json({**asdict(shown), **asdict(past), "usage": usage_json(usage)})
    else:
        _print_history(past)
        if usage:
            print_lines(share_line(usage, name), *usage_lines(usage), "")
        _print(shown)


def shown_export(home: Home, export: DeclaredExport) -> ShownExport:
    """What `ctexport show` says of an export."""
    cadence = export.cadence(home.sources[export.source].cadence)
    naming, keys = naming_of(export), _keys(home, export, cadence)
    manifest = keys.pop(_MANIFEST, "")
    return ShownExport(
        name=export.name,
        declaration=export.model_dump(mode="json", exclude={"name"}),
        export_id=export.effective_export_id,
        content_version=export.content_version,
        configuration_version=export.configuration_version,
        destination=home.destinations[export.destination].open(home.surroundings).address(""),
        every=f"{cadence.hours}h",
        timezone=cadence.zone.key,
        windows=tuple(_shown_window(export, cadence, window) for window in islice(_windows(cadence), _WINDOWS)),
        keys=keys,
        manifest=manifest,
        warnings=(*naming.warnings, *export.format.warnings),
    )


def _keys(home: Home, export: DeclaredExport, cadence: Cadence) -> dict[str, str]:
    """What files and manifests of the first partition are called; of a flow, those of each dataset."""
    naming, run = naming_of(export), run_names(export, cadence, cadence.first, _EXAMPLE_RUN)
    if isinstance(export, DatasetExport):
        declared, keys = home.sources[export.source].declared_datasets, dict[str, str]()
        for held in (file_of(dataset, declared[dataset]) for dataset in export.datasets):
            own = {f"{held.name}, chunk {index}": naming.key(run, 0, index, held) for index in (0, 1)}
            manifest = naming.manifest_key(list(own.values()), run, 1, held)
            keys |= {**own, f"{held.name}, manifest": manifest}
        return keys
    event = FileOfEvent("Charged", cadence.start) if export.kind == "events" else None
    places = {f"instance {i}, chunk {n}": naming.key(run, i, n, event) for i, n in ((0, 0), (0, 1), (1, 0))}
    return {**places, _MANIFEST: naming.manifest_key([places["instance 0, chunk 0"]], run, 1)}


def _windows(cadence: Cadence) -> Iterator[Interval]:
    end = instant_of(cadence.zone, cadence.end, _MIDNIGHT) if cadence.end else None
    window = cadence.first
    while end is None or window.start < end:
        yield window
        window = cadence.window_from(window.end)


def _shown_window(export: DeclaredExport, cadence: Cadence, window: Interval) -> ShownWindow:
    runs_at = run_instant(window, cadence.zone, export.schedule.at, is_daily=cadence.is_daily)
    instants = (f"{instant:%Y-%m-%dT%H:%MZ}" for instant in (window.start, window.end, runs_at))
    return ShownWindow(cadence.key_of(window), *instants)


def _print_history(past: ShownHistory) -> None:
    attention = [("needs attention", past.attention)] if past.attention else []
    print_table(("", ""), [("status", past.status), *attention, ("next run", past.next_run or "none")])
    if past.edits:
        print_lines("", "edited since the last run", *(f"  {edit}" for edit in past.edits))
    if past.runs:
        print_lines("")
        rows = [(r.partition, r.state, r.launched, r.ended, MENDED_BY.get(r.whose, ""), r.run_id) for r in past.runs]
        print_table(("partition", "run", "launched", "ended", "to be mended by", "id"), rows)
        print_lines(*reasons(past.runs))
    if past.volume:
        print_lines("")
        print_table(("delivered", "rows", "bytes", ""), printed_volume(past.volume))
    if past.outdated:
        print_lines("", "delivered, and read anew at the source since; nothing of it is sent anew by itself")
        print_table(("partition", "read anew", "to send it anew"), printed_outdated(past.outdated))
    if past.refused:
        print_lines("", "refused rows, in the quarantine", *(f"  {line}" for line in printed_refused(past.refused)))
    if past.misnamed:
        print_lines("", "declared names without an answer", *(f"  {told}" for told in past.misnamed))
    print_lines("")


def _print(shown: ShownExport) -> None:
    written = yaml.safe_dump(dict(shown.declaration), sort_keys=False, allow_unicode=True, default_flow_style=None)
    print_lines(f"# {shown.name}, with all defaults; what null comes to stands below", written)
    rows = [
        ("export id", str(shown.export_id)),
        ("content version", shown.content_version),
        ("configuration version", shown.configuration_version),
        ("destination", shown.destination),
        ("windows", f"every {shown.every} from midnight in {shown.timezone}"),
    ]
    print_table(("", ""), rows)
    print_lines("")
    print_table(
        ("partition", "start", "end", "runs at"),
        [(w.partition, w.start, w.end, w.runs_at) for w in shown.windows],
    )
    print_lines("")
    print_table(
        ("file", "key in the first partition"),
        [*shown.keys.items(), *([(_MANIFEST, shown.manifest)] if shown.manifest else [])],
    )
    print_lines(*(f"warning: {warning}" for warning in shown.warnings))
