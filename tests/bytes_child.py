"""Runs two days of a larger source in all formats and prints the checksum of every file: the same, however it is run.

`python bytes_child.py FOLDER` keeps what it delivered in the folder.
"""

import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from random import Random

import polars as pl
from line_fakes import Given, MemoryDeclaration, Row, TinyHome

from ctexport_dagster.lake import Tuning

DAYS = ("2026-11-18", "2026-11-19")
PROFILES = 3000
COLUMNS: dict[str, pl.DataType] = {
    "clevertapId": pl.String(),
    "clevertapIds": pl.List(pl.String),
    "identity": pl.List(pl.String),
    "subscriptionGroups": pl.String(),
    "Email": pl.String(),
    "plan": pl.String(),
    "visits": pl.Int64(),
    "score": pl.Float64(),
    "tags": pl.List(pl.String),
    "MSG-email": pl.Boolean(),
}
TUNING = Tuning(slice_rows=700, spill_bytes=200_000, group_rows=300, small_group_rows=100, file_rows=2000)


def rows(day: int) -> Iterator[Row]:
    """Profiles in no order, of which some change, merge, vanish, stand twice or can't be used."""
    numbers = [n for n in range(PROFILES) if not (day and n % 50 == 7)]
    Random(day).shuffle(numbers)
    for n in numbers:
        chance = Random(n * 2 + (day if n % 10 == 0 else 0))
        row = {
            "clevertapId": f"id{n}",
            "clevertapIds": [f"id{n}", *([f"id{n - 1}"] if n % 50 == 8 else [])],
            "identity": [f"user{n}"] if n % 3 else None,
            "subscriptionGroups": '{"b":"Subscribed","a":"Unsubscribed"}' if n % 5 == 0 else None,
            "Email": f"user{n}@example.com" if n % 4 else None,
            "plan": chance.choice(["gold", "iron", "ü", 'q"uote', None]),
            "visits": chance.randrange(10**6),
            "score": chance.random() if n % 97 else float("nan"),
            "tags": chance.sample(["x", "y", "z"], 2) if n % 7 else None,
            "MSG-email": chance.choice([True, False, None]),
        }
        yield row
        if n % 101 == 0:
            yield row
        if n % 103 == 0:
            yield {**row, "plan": "contradicts"}


def main(folder: Path) -> None:
    declaration = MemoryDeclaration(name="crm", start=date.fromisoformat(DAYS[0]), instances=2, max_deleted=1)
    home = TinyHome(folder, declaration, TUNING)
    for number, day in enumerate(DAYS):
        home.tell(day, Given(COLUMNS, tuple(rows(number)), batch_rows=900))
        home.ingest(day)
        for kind in ("csv", "json", "xml", "parquet"):
            line = home.line(kind, format=kind, files={"chunk_size": "40 KB"}, columns={"communication": "all"})
            for file in home.run(line, day).outcome.manifest.files:
                print(file.key, file.rows, file.bytes, file.sha256)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
