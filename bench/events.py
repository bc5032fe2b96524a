"""Events at size: CPU, time and peak memory of taking a day in, of counting its groups, and of reading it in order.

    python bench/events.py --rows 5000000          300 names, one of them with 90 %; NDJSON.gz as the original writes it

Every step runs in a process of its own; its peak is the highest RssAnon seen (sampled each 10 ms), imports included.
"""

import argparse
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from shutil import rmtree
from zoneinfo import ZoneInfo

from measuring import measured, tell
from synthetic_events import write_ndjson

from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.lake.events import EventLake, ingest_events
from ctexport_dagster.resources.files.declaration import FilesSource

KEY = "2026-11-01"


def main() -> None:
    options = _options()
    if options.step:
        tell(lambda: STEPS[options.step](options))
        return
    rmtree(options.work / "state", ignore_errors=True)
    options.work.mkdir(parents=True, exist_ok=True)
    source = options.work / f"{KEY}-{options.rows}.ndjson.gz"
    if not source.exists():
        write_ndjson(source, options.rows)
    for step in STEPS:
        told = measured(__file__, [f"--rows={options.rows}", f"--work={options.work}", f"--step={step}"])
        print(f"{step:8} {json.dumps(told)}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--work", type=Path, default=Path("bench/.work/events"))
    parser.add_argument("--step")
    return parser.parse_args()


def _lake(options: argparse.Namespace) -> EventLake:
    state = options.work / "state"
    return EventLake("bench", state / "lake", state / "quarantine", state / "scratch")


def ingest(options: argparse.Namespace) -> dict[str, float]:
    declaration = FilesSource(
        name="bench", start=date(2026, 11, 1), events=f"{{{{Partition}}}}-{options.rows}.ndjson.gz"
    )
    window = declaration.cadence.window_of(KEY)
    lake = _lake(options)
    record = ingest_events(
        lake,
        declaration=declaration,
        partition=KEY,
        window=window,
        input=declaration.open(Surroundings(options.work.resolve())).events(KEY, window),
        run_id="bench",
        scratch=lake.scratch,
    )
    size = sum(file.bytes for file in lake.view().listing.files)
    return {"kept": record.rows.kept, "row_bytes": record.row_bytes, "lake_mb": round(size / 1e6, 1)}


def groups(options: argparse.Namespace) -> dict[str, float]:
    return {"groups": _lake(options).view().groups([KEY], 0, zone=ZoneInfo("UTC")).height}


def slices(options: argparse.Namespace) -> dict[str, float]:
    sizes = [rows.height for rows in _lake(options).view().slices([KEY], 0)]
    return {"rows": sum(sizes), "slices": len(sizes)}


STEPS: dict[str, Callable[[argparse.Namespace], dict[str, float]]] = {
    "ingest": ingest,
    "groups": groups,
    "slices": slices,
}

if __name__ == "__main__":
    main()
