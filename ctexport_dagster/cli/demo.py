"""`ctexport demo`: every export of a demo source for its first three partitions, and what then lies where."""

import gzip
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq
import typer

from ctexport_dagster.cli.lines import latest_deliveries, line_of
from ctexport_dagster.cli.run import print_delivered, run_windows
from ctexport_dagster.cli.terminal import home_here, print_lines
from ctexport_dagster.core.counted import counted
from ctexport_dagster.core.events.format import EventFormat
from ctexport_dagster.core.export import Format
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.home import Home
from ctexport_dagster.line import Line

PARTITIONS = 3
_SHOWN_CHARACTERS = 700


def demo() -> None:
    """Run the declared exports of the demo source for three days and show what they delivered."""
    home = home_here()
    lines = [line_of(home, name) for name, export in home.exports.items() if _is_demo(home, export.source)]
    if not lines:
        raise typer.BadParameter("this home has no export of a source of type demo")
    print_lines(f"Running {counted(len(lines), 'export')} of {home.root} for {PARTITIONS} days, through Dagster.", "")
    delivered = [one for line in lines for one in run_windows(home, line, _first_windows(line), wants_full=False)]
    print_delivered(delivered)
    for line in lines:
        _print_first_record(line)
    print_lines("", "Open Dagit on the same home with `make dev`; run the next day there or with `ctexport run`.")


def _is_demo(home: Home, source: str) -> bool:
    return getattr(home.sources[source], "type", None) == "demo"


def _first_windows(line: Line) -> list[Interval]:
    return list(islice(_from_the_first(line), PARTITIONS))


def _from_the_first(line: Line) -> Iterator[Interval]:
    window: Interval | None = line.cadence.first
    while window:
        yield window
        window = line.cadence.after(window)


def _print_first_record(line: Line) -> None:
    """The beginning of the first file, as it stands in it; demo data is nobody's."""
    for delivery in latest_deliveries(line, line.cadence.first).values():
        files = delivery.plan.files
        if files and Path(files[0].address).is_file():
            path = Path(files[0].address)
            print_lines("", f"{path}", _beginning(path, line.export.format))


def _beginning(path: Path, declared: Format) -> str:
    """The first record of a file; of CSV the header too, of events the line with their name."""
    kind, has_name = declared.type, isinstance(declared, EventFormat) and declared.header_line
    if kind == "parquet":
        first = next(pq.ParquetFile(path).iter_batches(batch_size=1)).to_pylist()[0]
        text = json.dumps(first, ensure_ascii=False, default=str)
    else:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            text = "".join(islice(file, {"csv": 2, "json": 2 if has_name else 1, "xml": 3}[kind])).rstrip()
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]} …"
