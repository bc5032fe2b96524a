"""Events at size: time and peak memory of each stage of a day, from the source's file to delivered ones.

    python bench/events.py --rows 5000000 [--format json]    300 names, one with 90 %; NDJSON.gz, nested as usual
    python bench/events.py --rows 2000 --profiles 1000000    few events of many persons, 25 columns each

Every step runs in a process of its own; its peak is the highest RssAnon seen (sampled each 10 ms), imports included.
"""

import argparse
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from shutil import rmtree

import polars as pl
from measuring import measured, tell
from pyarrow import parquet
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
from ctexport_dagster.stages.profiles import ingest_partition
from ctexport_dagster.state import StateFolders

KEY = "2026-11-01"
_BATCH_ROWS = 50_000


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
    given = {"rows": options.rows, "work": options.work, "format": options.format, "profiles": options.profiles}
    if options.profiles:
        _write_profiles(options.work / f"profiles-{KEY}.parquet", options.profiles)
    for step in STEPS:
        if step == "profiles" and not options.profiles:
            continue
        told = measured(__file__, [*(f"--{name}={value}" for name, value in given.items()), f"--step={step}"])
        print(f"{step:8} {json.dumps(told)}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--work", type=Path, default=Path("bench/.work/events"))
    parser.add_argument("--format", default="json")
    parser.add_argument("--profiles", type=int, default=0)
    parser.add_argument("--step")
    return parser.parse_args()


def _line(options: argparse.Namespace) -> EventLine:
    profiles = {"profiles": "profiles-{{Partition}}.parquet"} if options.profiles else {}
    source = FilesSource.model_validate(
        {
            "name": "bench",
            "type": "files",
            "start": date(2026, 11, 1),
            "events": f"{{{{Partition}}}}-{options.rows}.ndjson.gz",
            **profiles,
        }
    )
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


def _write_profiles(path: Path, rows: int) -> None:
    """The persons of the events, and as many more as there need be."""
    writer = None
    for first in range(0, rows, _BATCH_ROWS):
        number = pl.int_range(first, min(first + _BATCH_ROWS, rows), eager=True).alias("n").to_frame()
        text = pl.col("n").cast(pl.String)
        fields = (pl.concat_str(pl.lit(f"value {place} of "), text).alias(f"Field {place}") for place in range(23))
        identifiers = (
            pl.concat_str(pl.lit("__g"), text.str.zfill(12)).alias("clevertapId"),
            pl.concat_str(pl.lit("user_"), text).alias("identity"),
        )
        table = number.select(*identifiers, *fields).to_arrow(compat_level=pl.CompatLevel.oldest())
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)
    assert writer
    writer.close()


def profiles(options: argparse.Namespace) -> dict[str, float]:
    line = _line(options)
    source = line.source.open(Surroundings(options.work.resolve()))
    record = ingest_partition(line.source, source, KEY, folders=line.folders, run_id="bench")
    return {"rows": record.rows.source}


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
    "profiles": profiles,
    "ingest": ingest,
    "identity": identity,
    "chunks": chunks,
    "delivery": delivery,
}

if __name__ == "__main__":
    main()
