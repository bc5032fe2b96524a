"""The lake at size: time, peak memory and growth of an ingest, a full read, and a day of 1 % changes.

    python bench/lake.py --rows 1000000 --properties 12 --mode changes --work /tmp/lake-bench

Every step runs in a child process of its own; its peak is the highest RssAnon seen (sampled each 10 ms), imports
included. A full day is the first ingest and a full read; a small one the second ingest and the read of what it touched.
"""

import argparse
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from shutil import rmtree

import polars as pl
import pyarrow.parquet as pq
from measuring import measured, tell

from ctexport_dagster.core.changes import classify
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.source import ProfileInput, RawBatch, SourceDeclaration
from ctexport_dagster.lake import Lake, ingest, maintain
from ctexport_dagster.resources.files.declaration import FilesSource

FIRST = date(2026, 11, 1)
BATCH_ROWS = 50_000
BATCH_BYTES = 8_000_000


def main() -> None:
    options = _options()
    if options.step:
        tell(lambda: STEPS[options.step](options))
        return
    rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    steps = [("generate", 1), ("ingest", 1), ("read", 1), ("generate", 2), ("ingest", 2), ("touched", 2), ("read", 2)]
    if options.days > 2:
        for day in range(3, options.days + 1):
            steps += [("generate", day), ("ingest", day)]
        steps += [("read", options.days), ("touched", options.days), ("base", options.days), ("read", options.days)]
    for step, day in steps:
        told = _child(options, step, day)
        if step != "generate" and (day < 3 or day == options.days):
            print(f"{step:9} day {day:3}  {json.dumps(told)}", flush=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--properties", type=int, default=12, help="beside the model's own 13 columns")
    parser.add_argument("--mode", choices=["changes", "snapshot"], default="changes")
    parser.add_argument("--instances", type=int, default=1)
    parser.add_argument("--days", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path("bench/.work/lake"))
    parser.add_argument("--step")
    parser.add_argument("--day", type=int, default=1)
    return parser.parse_args()


def _child(options: argparse.Namespace, step: str, day: int) -> dict[str, float]:
    arguments = [f"--{name}={value}" for name, value in vars(options).items() if name not in ("step", "day")]
    return measured(__file__, [*arguments, f"--step={step}", f"--day={day}"])


def _lake(options: argparse.Namespace) -> Lake:
    work = options.work
    return Lake("bench", work / "lake", work / "quarantine", work / "scratch")


def _declaration(options: argparse.Namespace) -> SourceDeclaration:
    return FilesSource(
        name="bench",
        profiles="input-{{Partition}}.parquet",
        mode=options.mode,
        start=FIRST,
        instances=options.instances,
    )


def _key(day: int) -> str:
    return (FIRST + timedelta(days=day - 1)).isoformat()


def _file(options: argparse.Namespace, day: int) -> Path:
    return options.work / f"input-{day}.parquet"


def generate(options: argparse.Namespace) -> dict[str, object]:
    """A day's input: everything, in no order; on later days 1 % of the rows differ, which are all of a changes day."""
    writer: pq.ParquetWriter | None = None
    for start in range(0, options.rows, BATCH_ROWS):
        rows = _rows(start, min(start + BATCH_ROWS, options.rows), options.day, options.properties)
        if options.mode == "changes" and options.day > 1:
            rows = rows.filter(pl.col("_changed"))
        table = rows.drop("_changed").to_arrow(compat_level=pl.CompatLevel.oldest())
        writer = writer or pq.ParquetWriter(_file(options, options.day), table.schema)
        writer.write_table(table, row_group_size=max(1, BATCH_BYTES * table.num_rows // max(table.nbytes, 1)))
    if writer:
        writer.close()
    return {}


def _rows(start: int, stop: int, day: int, properties: int) -> pl.DataFrame:
    number = pl.int_range(start, stop, eager=True).alias("n").to_frame()
    n = pl.col("n")
    text = n.cast(pl.String)
    changed = (day > 1) & (n.hash(day) % 100 == 0)
    version = pl.when(changed).then(day).otherwise(1)
    kinds = [
        lambda i: pl.concat_str(pl.lit(f"value {i} "), (n.hash(i) % 1000 + version).cast(pl.String)),
        lambda i: (n.hash(i) % 100_000).cast(pl.Int64) + version,
        lambda i: (n.hash(i) % 10_000).cast(pl.Float64) / 7,
        lambda i: n.hash(i) % 2 == 0,
    ]
    return number.select(
        pl.concat_str(pl.lit("__g"), n.hash(1).cast(pl.String), text.str.zfill(12)).alias("clevertapId"),
        pl.concat_list(
            pl.concat_str(pl.lit("__g"), n.hash(1).cast(pl.String), text.str.zfill(12)),
            pl.concat_str(pl.lit("old"), n.hash(2).cast(pl.String), text),
        ).alias("clevertapIds"),
        pl.concat_list(pl.concat_str(pl.lit("user_"), text)).alias("identity"),
        pl.concat_str(pl.lit("token"), n.hash(3).cast(pl.String), n.hash(4).cast(pl.String)).alias("deviceToken"),
        pl.when(n % 3 == 0).then(pl.lit('{"news":"Subscribed"}')).alias("subscriptionGroups"),
        pl.lit(datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=day)).alias("updatedAt"),
        (n % 2 == 0).alias("MSG-push"),
        (n % 5 == 0).alias("MSG-email"),
        pl.concat_str(pl.lit("user."), text, pl.lit("@example.com")).alias("Email"),
        pl.concat_str(pl.lit("+4917"), text.str.zfill(9)).alias("Phone"),
        pl.concat_str(pl.lit("Given "), (n % 5000).cast(pl.String), pl.lit(" Family "), text).alias("Name"),
        pl.when(n % 2 == 0).then(pl.lit("F")).otherwise(pl.lit("M")).alias("Gender"),
        (pl.lit(date(1960, 1, 1)) + pl.duration(days=n % 18_000)).alias("DOB"),
        *(kinds[i % 4](i + 10).alias(f"Property {i}") for i in range(properties)),
        changed.alias("_changed") if day > 1 else pl.lit(value=False).alias("_changed"),
    )


def ingest_day(options: argparse.Namespace) -> dict[str, object]:
    path, day = _file(options, options.day), options.day
    start = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC) + timedelta(days=day - 1)
    with pq.ParquetFile(path) as file:
        rows = file.metadata.num_rows
    lake = _lake(options)
    record = ingest(
        lake,
        declaration=_declaration(options),
        partition=_key(day),
        window=Interval(start, start + timedelta(days=1)),
        previous=_key(day - 1) if day > 1 else None,
        input=ProfileInput(hashlib.sha256(str(path).encode()).hexdigest(), (path.name,), lambda: _batches(path), rows),
        run_id="bench",
        scratch=lake.scratch,
    )
    size = sum(file.bytes for file in lake.view().listing.files)
    return {"logged": record.rows.log_rows, "row_bytes": record.row_bytes, "lake_mb": round(size / 1e6, 1)}


def _batches(path: Path) -> Iterator[RawBatch]:
    with pq.ParquetFile(path, memory_map=True) as file:
        first = next(file.iter_batches(1000))
        rows = BATCH_BYTES * first.num_rows // first.nbytes
        for batch in file.iter_batches(min(BATCH_ROWS, rows)):
            yield RawBatch(pl.DataFrame(batch), origin=path.name)


def read(options: argparse.Namespace) -> dict[str, object]:
    view = _lake(options).view()
    key = _key(options.day)
    sizes = [rows.height for instance in view.instances(key) for rows in view.slices(key, instance)]
    return {"rows": sum(sizes), "slices": len(sizes)}


def touched(options: argparse.Namespace) -> dict[str, object]:
    view = _lake(options).view()
    key = _key(options.day)
    exported = 0
    for instance in view.instances(key):
        for part in view.touched([key], instance):
            exported += classify(part.before, part.after, view.schema_as_of(key)).exported.height
    return {"exported": exported}


def base(options: argparse.Namespace) -> dict[str, object]:
    return {"written": maintain(_lake(options), _key(options.day))}


STEPS = {"generate": generate, "ingest": ingest_day, "read": read, "touched": touched, "base": base}

if __name__ == "__main__":
    main()
