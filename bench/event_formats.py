"""The formats of events against DuckDB's partitioned COPY: 5 M events of 300 names, from staged rows to files.

    python bench/event_formats.py [--rows N] [--repeats N] [--only NAME …] [--folder DIR]

DuckDB reads the same events from a Parquet file with the maps as JSON text, and writes one folder per name and day. Its
JSON nests the maps as ours does; its CSV has them as one field each, where ours parses them into a column per key; its
Parquet leaves them as text, where ours has typed unions. Each measurement is a process of its own; the contestants of
a repeat run one after the other, and the figures are medians. Seconds are without imports, memory is with them.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import ctexport_dagster  # noqa: F401  (first of all: it chooses how Arrow keeps memory)

sys.path.insert(0, str(Path(__file__).parent))

from measuring import measured

if TYPE_CHECKING:
    import polars as pl

PEERS = {
    "json": "duckdb json",
    "csv": "duckdb csv",
    "xml": "",
    "parquet": "duckdb parquet",
    "parquet typed": "",
    "duckdb json": "",
    "duckdb csv": "",
    "duckdb parquet": "",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--hot", default="Product Viewed", help="the name that 90 % of the events have")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=list(PEERS))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "ctexport-bench-events")
    parser.add_argument("--measure", help="one contestant, in this process (what the others are run with)")
    arguments = parser.parse_args()
    folder = arguments.folder / f"{arguments.rows}-{arguments.hot}"
    folder.mkdir(parents=True, exist_ok=True)
    if arguments.measure:
        print(json.dumps(_timed(_work(arguments.measure, folder, arguments.rows, arguments.hot))))
    else:
        _compare(arguments)


def _compare(arguments: argparse.Namespace) -> None:
    common = ["--rows", str(arguments.rows), "--hot", arguments.hot, "--folder", str(arguments.folder)]
    measured(__file__, [*common, "--measure", "prepare"])
    results: dict[str, list[dict[str, float]]] = {name: [] for name in arguments.only}
    for _ in range(arguments.repeats):
        for name in arguments.only:
            results[name].append(measured(__file__, [*common, "--measure", name]))
    medians = {
        name: {key: statistics.median(run[key] for run in runs) for key in runs[0]} for name, runs in results.items()
    }
    print(f"{arguments.rows:,} events, 300 names, 90 % {arguments.hot}, medians of {arguments.repeats}")
    print(f"{'':16}{'wall s':>9}{'cpu s':>9}{'MB':>9}{'files':>9}{'peak MB':>9}   wall, cpu, size against")
    for name, median in medians.items():
        figures = f"{median['seconds']:9.2f}{median['cpu_seconds']:9.2f}{median['mb']:9.1f}{median['files']:9.0f}"
        print(f"{name:16}{figures}{median['peak_mb']:9.0f}   {_against(name, medians)}")


def _against(name: str, medians: dict[str, dict[str, float]]) -> str:
    peer = PEERS[name]
    if peer not in medians:
        return ""
    ratios = (medians[name][key] / medians[peer][key] for key in ("seconds", "cpu_seconds", "mb"))
    return f"{peer}: " + " ".join(f"{ratio:.3f} ×" for ratio in ratios)


def _timed(work: Callable[[], Path]) -> dict[str, float]:
    start, cpu_start = time.perf_counter(), time.process_time()
    output = work()
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_start
    files = [path for path in output.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    return {"seconds": seconds, "cpu_seconds": cpu_seconds, "mb": size / 1e6, "files": len(files)}


def _work(name: str, folder: Path, rows: int, hot: str) -> Callable[[], Path]:
    if name == "prepare":
        return lambda: _prepare(folder, rows, hot)
    output = folder / "output"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir()
    if name.startswith("duckdb"):
        return _duckdb(name.split()[1], folder, output)
    return _ours(name, folder, output)


def _ours(name: str, folder: Path, output: Path) -> Callable[[], Path]:
    from ctexport_dagster.core.events.format import EventFormat
    from ctexport_dagster.core.events.staged import ResolvedEvents
    from ctexport_dagster.engine import InProcess
    from ctexport_dagster.stages.event_chunks import format_event_partition

    type_, _, style = name.partition(" ")
    declared = EventFormat.model_validate({"type": type_, "style": style or "clevertap"})
    resolved = ResolvedEvents.model_validate_json((folder / "resolved.json").read_text())

    def work() -> Path:
        format_event_partition(resolved, folder, output, declared, chunk_bytes=100_000_000, engine=InProcess())
        return output

    return work


def _duckdb(type_: str, folder: Path, output: Path) -> Callable[[], Path]:
    import duckdb

    maps = "profile, deviceInfo, eventProps, sessionProps"
    parsed = ", ".join(f"{name}::JSON AS {name}" for name in maps.split(", "))
    stamp = "strftime(ts, '%Y%m%d%H%M%S') AS ts"
    selected = f"SELECT {parsed if type_ == 'json' else maps}, {stamp}, identity, controlGroupName, eventName, day"
    options = "FORMAT parquet, COMPRESSION zstd" if type_ == "parquet" else f"FORMAT {type_}, COMPRESSION gzip"
    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false")
    connection.execute("LOAD json")

    def work() -> Path:
        connection.execute(
            f"COPY ({selected} FROM '{folder / 'events.parquet'}') TO '{output}'"
            f" ({options}, PARTITION_BY (eventName, day), OVERWRITE_OR_IGNORE)"
        )
        return output

    return work


def _prepare(folder: Path, rows: int, hot: str) -> Path:
    """Stages the events as the identity stage does, and for DuckDB as one Parquet file."""
    import polars as pl
    from pyarrow import parquet
    from synthetic_events import TEXT_COLUMNS, event_frames

    from ctexport_dagster.core.events.buckets import packed

    if (folder / "resolved.json").exists():
        return folder
    writer = None
    sizes: list[pl.DataFrame] = []
    for frame in event_frames(rows, hot=hot):
        table = frame.with_columns(day=pl.col("ts").dt.date()).to_arrow(compat_level=pl.CompatLevel.oldest())
        writer = writer or parquet.ParquetWriter(folder / "events.parquet", table.schema, compression="lz4")
        writer.write_table(table)
        text = pl.sum_horizontal(pl.col(name).str.len_bytes().fill_null(0) for name in TEXT_COLUMNS)
        day = pl.col("ts").dt.date().alias("day")
        sizes.append(frame.group_by("eventName", day).agg(rows=pl.len(), bytes=text.sum().cast(pl.UInt64)))
    assert writer
    writer.close()
    _stage(folder, packed(pl.concat(sizes).group_by("eventName", "day").sum()), rows, hot)
    return folder


def _stage(folder: Path, groups: "pl.DataFrame", rows: int, hot: str) -> None:
    import polars as pl
    from synthetic_events import event_frames

    from ctexport_dagster.core.columns import ColumnPlan, OutputColumn, staged_columns
    from ctexport_dagster.core.events.resolve import resolved_event_schema
    from ctexport_dagster.core.events.staged import KEYS_FILE, EventBucket, EventGroup, ResolvedEvents
    from ctexport_dagster.core.resolved_file import ResolvedWriter
    from ctexport_dagster.core.schema import ValueType
    from ctexport_dagster.core.staging import StagedCounts

    roles = ("identity", "clevertapId")
    plan = ColumnPlan(tuple(OutputColumn(role, role, role, ValueType.STRING) for role in roles))
    schema = resolved_event_schema(plan)
    buckets = [
        EventBucket(
            instance=0,
            file=f"{bucket:05}.rows",
            groups=tuple(EventGroup(event=event, day=day, rows=count) for event, day, count, *_ in part.iter_rows()),
        )
        for (bucket,), part in groups.partition_by("bucket", as_dict=True, maintain_order=True).items()
    ]
    keys: dict[tuple[str, str, str], None] = {}
    with ExitStack() as stack:
        writers = [stack.enter_context(ResolvedWriter(folder / bucket.file, schema)) for bucket in buckets]
        for frame in event_frames(rows, hot=hot):
            days = frame.with_columns(day=pl.col("ts").dt.date()).select(list(schema))
            placed = days.join(
                groups.select("eventName", "day", "bucket"), on=["eventName", "day"], maintain_order="left"
            )
            for (bucket,), part in placed.partition_by("bucket", as_dict=True, maintain_order=True).items():
                writers[bucket].write(part.drop("bucket"))
            keys |= _keys(frame)
    pl.DataFrame(list(keys), schema=["eventName", "map", "key"], orient="row").write_parquet(folder / KEYS_FILE)
    counts = StagedCounts(source=rows, unchanged=0, superseded=0, quarantined=0, exported=rows, tombstones=0)
    resolved = ResolvedEvents(
        attempt="", mode="incremental", content_version="", configuration_version="", columns=staged_columns(plan),
        warnings=(), zone="UTC", buckets=tuple(buckets), late=0, rows=counts, lake_version=0, lake_state="",
        upstream_runs=(), run_id="",
    )  # fmt: skip
    (folder / "resolved.json").write_text(resolved.model_dump_json())


def _keys(frame: "pl.DataFrame") -> dict[tuple[str, str, str], None]:
    """The keys of each event's maps: all events of a name have the same ones."""
    from ctexport_dagster.core.events.maps import read_map
    from ctexport_dagster.core.events.model import MAPS

    found: dict[tuple[str, str, str], None] = {}
    for (event,), part in frame.partition_by("eventName", as_dict=True, maintain_order=True).items():
        for name in MAPS:
            found |= {(event, name, key): None for key in read_map(part[name]).names}
    return found


if __name__ == "__main__":
    main()
