"""Delta tables for tests, each commit at an instant of our own: the log says when it was made."""

import json
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import DeltaTable, write_deltalake

from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.source import RawBatch
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.delta.declaration import DeltaSource
from ctexport_dagster.resources.delta.source import DeltaTables

FEED = {"delta.enableChangeDataFeed": "true"}
_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
Action = dict[str, Any]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def window(day: str) -> Interval:
    start = instant(day)
    return Interval(start, start.replace(day=start.day + 1))


def log_file(table: Path, version: int) -> Path:
    return table / "_delta_log" / f"{version:020}.json"


def edit_commit(table: Path, version: int, edit: Callable[[list[Action]], object]) -> None:
    path = log_file(table, version)
    actions = [json.loads(line) for line in path.read_text().splitlines()]
    edit(actions)
    path.write_text("\n".join(json.dumps(action) for action in actions))


def at(table: Path, when: str) -> None:
    """Says of the newest commit that it was made at an instant."""

    def dated(actions: list[Action]) -> None:
        for action in actions:
            if "commitInfo" in action:
                action["commitInfo"]["timestamp"] = int(instant(when).timestamp() * 1000)

    edit_commit(table, DeltaTable(table).version(), dated)


def append(table: Path, rows: pl.DataFrame, when: str, **options: Any) -> None:
    write_deltalake(table, rows.to_arrow(compat_level=pl.CompatLevel.oldest()), mode="append", **options)
    at(table, when)


def opened(home: Path, environment: Mapping[str, str] | None = None, **declared: object) -> DeltaTables:
    declaration = DeltaSource.model_validate({"name": "lakehouse", "start": date(2026, 11, 18), **declared})
    return declaration.open(Surroundings(home, environment or {}))


def rows_of(batches: list[RawBatch]) -> list[dict[str, object]]:
    return [row for batch in batches for row in batch.frame.to_dicts()]


def mark_deleted(table: Path, rows: list[int]) -> None:
    """Deletes rows (below 65,536) of the table's only file by a deletion vector, as Databricks does.

    Source: the Delta protocol, Deletion Vector Format; the RoaringBitmap format specification.
    """
    version = DeltaTable(table).version()
    actions = [json.loads(line) for line in log_file(table, version).read_text().splitlines()]
    add = next(action["add"] for action in actions if "add" in action)
    metadata = next(
        json.loads(line)["metaData"] for line in log_file(table, 0).read_text().splitlines() if "metaData" in line
    )
    vector = {"storageType": "i", "pathOrInlineDv": _z85(_bitmap(rows)), "cardinality": len(rows)}
    features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
    removed = {"path": add["path"], "deletionTimestamp": 1, "dataChange": True, "size": add["size"]}
    commit: list[Action] = [
        {"commitInfo": {"timestamp": 0, "operation": "DELETE"}},
        {"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}},
        {"metaData": {**metadata, "configuration": {"delta.enableDeletionVectors": "true"}}},
        {"remove": {**removed, "partitionValues": add["partitionValues"]}},
        {"add": {**add, "deletionVector": {**vector, "sizeInBytes": len(_bitmap(rows))}}},
    ]
    log_file(table, version + 1).write_text("\n".join(json.dumps(action) for action in commit))


def _bitmap(rows: list[int]) -> bytes:
    container = b"".join(struct.pack("<H", row) for row in rows)
    bitmap = struct.pack("<IIHHI", 12346, 1, 0, len(rows) - 1, 16) + container
    whole = struct.pack("<iQI", 1681511377, 1, 0) + bitmap
    return whole + b"\0" * (-len(whole) % 4)


def _z85(content: bytes) -> str:
    words = (int.from_bytes(content[place : place + 4], "big") for place in range(0, len(content), 4))
    return "".join(_Z85[word // 85**power % 85] for word in words for power in (4, 3, 2, 1, 0))
