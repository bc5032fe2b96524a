"""Events at size: time and peak memory of each stage of a day, from the source's file to delivered ones.

    python bench/events.py --rows 5000000 [--format json]    300 names, one with 90 %; NDJSON.gz, nested as usual

Every step runs in a process of its own; its peak is the highest RssAnon seen (sampled each 10 ms), imports included.
"""

import argparse
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from shutil import rmtree

from measuring import measured, tell
from synthetic_events import write_ndjson

from ctexport_dagster.core.events.export import EventExport
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.engine import InProcess
from ctexport_dagster.event_line import EventLine
from ctexport_dagster.resources.files.declaration import FilesSource
from ctexport_dagster.resources.local import LocalDestination
from ctexport_dagster.stages.delivery import deliver_partition
from ctexport_dagster.stages.event_identity import resolve_event_partition
from ctexport_dagster.stages.event_staging import stage_event_chunks
from ctexport_dagster.stages.events import ingest_event_partition
from ctexport_dagster.state import StateFolders

KEY = "2026-11-01"


def main() -> None:
    options = _options()
    if options.step:
        tell(lambda: STEPS[options.step](options))
        return
    for folder in ("state", "exports"):
        rmtree(options.work / folder, ignore_errors=True)
    options.work.mkdir(parents=True, exist_ok=True)
    source = options.work / f"{KEY}-{options.rows}.ndjson.gz"
    if not source.exists():
        write_ndjson(source, options.rows)
    given = {"rows": options.rows, "work": options.work, "format": options.format}
    for step in STEPS:
        told = measured(__file__, [*(f"--{name}={value}" for name, value in given.items()), f"--step={step}"])
        print(f"{step:8} {json.dumps(told)}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--work", type=Path, default=Path("bench/.work/events"))
    parser.add_argument("--format", default="json")
    parser.add_argument("--step")
    return parser.parse_args()


def _line(options: argparse.Namespace) -> EventLine:
    source = FilesSource(name="bench", start=date(2026, 11, 1), events=f"{{{{Partition}}}}-{options.rows}.ndjson.gz")
    export = EventExport.model_validate(
        {
            "name": "bench_events",
            "owner": "bench@example.com",
            "source": "bench",
            "destination": "disk",
            "account_id": 1,
            "format": options.format,
        }
    )
    return EventLine(export, source, StateFolders(options.work.resolve() / "state"))


def ingest(options: argparse.Namespace) -> dict[str, float]:
    line = _line(options)
    source = line.source.open(Surroundings(options.work.resolve()))
    record = ingest_event_partition(line.source, source, KEY, folders=line.folders, run_id="bench")
    size = sum(file.bytes for file in line.event_lake.view().listing.files)
    return {"kept": record.rows.kept, "names": len(record.names), "lake_mb": round(size / 1e6, 1)}


def identity(options: argparse.Namespace) -> dict[str, float]:
    staged = resolve_event_partition(_line(options), KEY, engine=InProcess(), run_id="bench")
    return {"rows": staged.resolved.rows.exported, "buckets": len(staged.resolved.buckets)}


def chunks(options: argparse.Namespace) -> dict[str, float]:
    staged = stage_event_chunks(_line(options), KEY, engine=InProcess(), run_id="bench").chunks
    return {"files": len(staged), "bytes": sum(chunk.bytes for chunk in staged)}


def delivery(options: argparse.Namespace) -> dict[str, float]:
    disk = LocalDestination(type="local", name="disk", folder="exports").open(Surroundings(options.work.resolve()))
    outcome = deliver_partition(_line(options), KEY, disk, run_id="bench")
    return {"files": outcome.sent_files, "bytes": outcome.sent_bytes}


STEPS: dict[str, Callable[[argparse.Namespace], dict[str, float]]] = {
    "ingest": ingest,
    "identity": identity,
    "chunks": chunks,
    "delivery": delivery,
}

if __name__ == "__main__":
    main()
