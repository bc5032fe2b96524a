"""Events read from hand-written lines, and the plan of an export that chooses everything."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import polars as pl

from ctexport_dagster.core.chunking import ChunkLayout, blocks_here, write_files
from ctexport_dagster.core.columns import ColumnPlan, ColumnRole, OutputColumn
from ctexport_dagster.core.events.format import EventFormat
from ctexport_dagster.core.events.formats import EventFormats
from ctexport_dagster.core.events.maps import MapKeys
from ctexport_dagster.core.events.model import MAPS
from ctexport_dagster.core.events.resolve import resolved_event_schema
from ctexport_dagster.core.events.types import key_types, seen_types
from ctexport_dagster.core.formats.gzip import open_packing
from ctexport_dagster.core.schema import ValueType
from ctexport_dagster.core.staging import StagedChunk

GOLDENS = Path(__file__).parents[2] / "goldens" / "events"
ZONE = ZoneInfo("Asia/Kolkata")


def _column(role: ColumnRole, name: str, type_: ValueType) -> OutputColumn:
    return OutputColumn(role, name, name, type_)


IDENTITY = _column("identity", "identity", ValueType.STRING)
PLAN = ColumnPlan(
    (
        IDENTITY,
        _column("all_identities", "all_identities", ValueType.STRINGS),
        _column("clevertapId", "clevertapId", ValueType.STRING),
        _column("preference", "MSG-push", ValueType.BOOLEAN),
        _column("preference", "MSG-email", ValueType.STRING),
        _column("groups", "subscriptionGroups", ValueType.STRING),
    )
)
IDENTITY_ALONE = ColumnPlan((IDENTITY,))
EVERY_IDENTITY = ColumnPlan((_column("identity", "identity", ValueType.STRINGS), *PLAN.columns[1:3]))


def resolved_events(lines: Sequence[str], plan: ColumnPlan) -> pl.DataFrame:
    """A resolved event frame from lines of JSON: a key per column, the maps as objects (kept as they are spelt)."""
    rows = [json.loads(line) for line in lines]
    for row, line in zip(rows, lines, strict=True):
        row |= {name: _spelt(line, row[name]) for name in MAPS if row.get(name)}
        row["ts"] = datetime.fromisoformat(row["ts"]).astimezone(UTC)
        row["day"] = row["ts"].astimezone(ZONE).date()
        row["subscriptionGroups"] = json.dumps(row["groups"], separators=(",", ":")) if row.get("groups") else None
    schema = resolved_event_schema(plan)
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema, orient="row")


def keys_of(frame: pl.DataFrame) -> MapKeys:
    """The keys of each map, in order of appearance, read by the standard library."""
    return {
        name: tuple(dict.fromkeys(key for text in frame[name].drop_nulls() for key in json.loads(text)))
        for name in MAPS
    }


def formats_of(declared: EventFormat, plan: ColumnPlan, frame: pl.DataFrame) -> EventFormats:
    """The formats of events that are all in one frame."""
    by_event = frame.partition_by("eventName", as_dict=True)
    keys = {str(event): keys_of(rows) for (event,), rows in by_event.items()}
    return EventFormats(declared, plan, ZONE, keys, key_types([seen_types([frame])]))


def written(declared: EventFormat, plan: ColumnPlan, frame: pl.DataFrame) -> bytes:
    """The one file that the rows of one event come to, before any gzip."""
    layout = ChunkLayout(formats_of(declared, plan, frame).of(frame["eventName"][0]), open_packing(declared), 10**8)
    pattern = StagedChunk(file="", instance=0, index=0, rows=0, bytes=0, sha256="")
    with TemporaryDirectory() as folder:
        (chunk,) = write_files(blocks_here([frame], layout), layout, lambda _: Path(folder) / "file", pattern)
        return (Path(folder) / chunk.file).read_bytes()


def event_format(type_: str, **options: object) -> EventFormat:
    """A declared format without compression of its text."""
    plain = {} if type_ == "parquet" else {"compression": "none"}
    return EventFormat.model_validate({"type": type_, **plain, **options})


def _spelt(line: str, value: object) -> str:
    """The map as its line spells it, white space apart: numbers keep their digits."""
    found: list[str] = []
    decoder = json.JSONDecoder(object_pairs_hook=lambda pairs: dict(pairs))
    for at, character in enumerate(line):
        if character == "{":
            read, end = decoder.raw_decode(line, at)
            if read == value:
                found.append(line[at:end])
    return found[0]
