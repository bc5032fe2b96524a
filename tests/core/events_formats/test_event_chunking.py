"""Events become chunks: each name and day of an instance in files of its own, whatever bucket they shared."""

import gzip
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest
from golden_events import IDENTITY_ALONE, keys_of

from ctexport_dagster.core.columns import staged_columns
from ctexport_dagster.core.events.format import EventFormat
from ctexport_dagster.core.events.resolve import resolved_event_schema
from ctexport_dagster.core.events.staged import KEYS_FILE, KEYS_SCHEMA, EventBucket, EventGroup, ResolvedEvents
from ctexport_dagster.core.resolved_file import ResolvedWriter
from ctexport_dagster.core.staging import StagedChunk, StagedCounts
from ctexport_dagster.engine import InProcess
from ctexport_dagster.stages.event_chunks import format_event_partition

START = datetime(2026, 11, 1, tzinfo=UTC)
SCHEMA = resolved_event_schema(IDENTITY_ALONE)


def events(instance: int, name: str, days: int, rows: int) -> pl.DataFrame:
    """Events of one name, spread over some days, in the order in which a bucket has them."""
    numbers = range(rows)
    return (
        pl.DataFrame(
            {
                "identity": [f"user_{instance}_{number}" for number in numbers],
                "eventName": [name] * rows,
                "day": [(START + timedelta(days=number % days)).date() for number in numbers],
                "ts": [START + timedelta(days=number % days, seconds=number) for number in numbers],
                "eventProps": [
                    json.dumps(
                        {"n": number, f"of {name}": hashlib.sha256(b"%d" % number).hexdigest()}, separators=(",", ":")
                    )
                    for number in numbers
                ],
            }
        )
        .with_columns(pl.lit(None, SCHEMA[key]).alias(key) for key in SCHEMA if key not in _FILLED)
        .select(list(SCHEMA))
    )


_FILLED = ("identity", "eventName", "day", "ts", "eventProps")
ALONE, SHARED = (events(0, "Hot", 1, 4_000),), (events(0, "B", 3, 30), events(0, "A b", 2, 20), events(0, "A", 1, 1))
OTHER = (events(1, "Hot", 2, 7), events(1, "A", 1, 2))
EVERYTHING = pl.concat([*ALONE, *SHARED, *OTHER])


def bucket(folder: Path, instance: int, file: str, frames: Sequence[pl.DataFrame]) -> EventBucket:
    """A staged bucket; the groups' rows stand mixed."""
    mixed = pl.concat(frames).sort("ts", maintain_order=True)
    with ResolvedWriter(folder / file, SCHEMA) as writer:
        writer.write(mixed)
    groups = mixed.group_by("eventName", "day", maintain_order=True).len()
    found = tuple(EventGroup(event=event, day=day, rows=rows) for event, day, rows in groups.iter_rows())
    return EventBucket(instance=instance, file=file, groups=found)


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ResolvedEvents]:
    folder = tmp_path_factory.mktemp("resolved")
    buckets = (
        bucket(folder, 0, "000-0.rows", ALONE),
        bucket(folder, 0, "000-1.rows", SHARED),
        bucket(folder, 1, "001-0.rows", OTHER),
    )
    by_event = EVERYTHING.partition_by("eventName", as_dict=True, maintain_order=True)
    keys = [
        (event, name, key)
        for (event,), rows in by_event.items()
        for name, of_map in keys_of(rows).items()
        for key in of_map
    ]
    pl.DataFrame(keys, schema=KEYS_SCHEMA, orient="row").write_parquet(folder / KEYS_FILE)
    rows = EVERYTHING.height
    counts = StagedCounts(source=rows, unchanged=0, superseded=0, quarantined=0, exported=rows, tombstones=0)
    return folder, ResolvedEvents(
        attempt="a", mode="incremental", content_version="", configuration_version="", warnings=(), zone="UTC",
        columns=staged_columns(IDENTITY_ALONE), buckets=buckets, late=0, rows=counts, lake_version=0, lake_state="",
        upstream_runs=(), run_id="",
    )  # fmt: skip


def chunks_of(
    staged: tuple[Path, ResolvedEvents], out: Path, type_: str, chunk_bytes: int = 10**8, **options: object
) -> list[StagedChunk]:
    folder, resolved = staged
    declared = EventFormat.model_validate({"type": type_, **options})
    return format_event_partition(resolved, folder, out, declared, chunk_bytes=chunk_bytes, engine=InProcess())


def expected_groups() -> list[tuple[int, str, date, int]]:
    """Instance, event, day and rows of each group, in the order of delivery."""
    of_instances = [
        pl.concat(frames).with_columns(instance=place) for place, frames in enumerate([ALONE + SHARED, OTHER])
    ]
    counts = pl.concat(of_instances).group_by("instance", "eventName", "day").len().sort("instance", "eventName", "day")
    return list(counts.iter_rows())


@pytest.mark.parametrize("type_", ["json", "csv", "xml", "parquet"])
@pytest.mark.req("L6")
def test_each_name_and_day_of_an_instance_is_a_file(
    staged: tuple[Path, ResolvedEvents], tmp_path: Path, type_: str
) -> None:
    chunks = chunks_of(staged, tmp_path, type_)
    assert expected_groups() == [(chunk.instance, chunk.event, chunk.day, chunk.rows) for chunk in chunks]
    assert {chunk.index for chunk in chunks} == {0}
    for chunk in chunks:
        content = (tmp_path / chunk.file).read_bytes()
        assert (chunk.bytes, chunk.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert sorted(chunk.file for chunk in chunks) == sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.req("L6", "L8")
def test_the_events_of_a_file_stand_in_the_buckets_order(staged: tuple[Path, ResolvedEvents], tmp_path: Path) -> None:
    for chunk in chunks_of(staged, tmp_path, "json"):
        header, *lines = gzip.decompress((tmp_path / chunk.file).read_bytes()).decode().split("\n")[:-1]
        of_instance = pl.col("identity").str.starts_with(f"user_{chunk.instance}_")
        rows = EVERYTHING.filter(of_instance, eventName=chunk.event, day=chunk.day).sort("ts", maintain_order=True)
        assert header == chunk.event
        assert rows["eventProps"].to_list() == [
            json.dumps(json.loads(line)["eventProps"], separators=(",", ":")) for line in lines
        ]


@pytest.mark.parametrize("type_", ["json", "csv", "xml", "parquet"])
@pytest.mark.req("L6", "P10")
def test_a_group_larger_than_a_chunk_is_several_of_its_own(
    staged: tuple[Path, ResolvedEvents], tmp_path: Path, type_: str
) -> None:
    chunks = [
        chunk for chunk in chunks_of(staged, tmp_path, type_, 60_000) if (chunk.instance, chunk.event) == (0, "Hot")
    ]
    assert len(chunks) > 2
    assert list(range(len(chunks))) == [chunk.index for chunk in chunks]
    assert sum(chunk.rows for chunk in chunks) == 4_000
    assert max(chunk.bytes for chunk in chunks) <= 60_000


@pytest.mark.req("P10", "L8", "L9")
def test_chunks_one_after_the_other_are_the_whole(staged: tuple[Path, ResolvedEvents], tmp_path: Path) -> None:
    for type_ in ("json", "csv"):
        whole, parts = tmp_path / f"{type_} whole", tmp_path / f"{type_} parts"
        whole.mkdir()
        parts.mkdir()
        (one,) = (c for c in chunks_of(staged, whole, type_) if (c.instance, c.event) == (0, "Hot"))
        several = [c for c in chunks_of(staged, parts, type_, 60_000) if (c.instance, c.event) == (0, "Hot")]
        head, _, rest = gzip.decompress((whole / one.file).read_bytes()).partition(b"\n")
        contents = [gzip.decompress((parts / chunk.file).read_bytes()).partition(b"\n") for chunk in several]
        assert {head} == {first for first, _, _ in contents}
        assert rest == b"".join(lines for _, _, lines in contents)


@pytest.mark.parametrize("style", ["clevertap", "typed"])
@pytest.mark.req("L11")
def test_every_event_of_parquet_chunks_reads_back(
    staged: tuple[Path, ResolvedEvents], tmp_path: Path, style: str
) -> None:
    chunks = chunks_of(staged, tmp_path, "parquet", 60_000, style=style)
    column = "eventProps['n'].member1" if style == "clevertap" else '"eventProps.n"'
    for event in ("Hot", "A b"):
        files = [str(tmp_path / chunk.file) for chunk in chunks if chunk.event == event]
        expected = EVERYTHING.filter(eventName=event).height
        numbers = EVERYTHING.filter(eventName=event)["eventProps"].map_elements(lambda t: json.loads(t)["n"], pl.Int64)
        assert (expected, numbers.sum()) == duckdb.execute(
            f"SELECT count(*), sum({column}) FROM read_parquet($1)", [files]
        ).fetchone()


@pytest.mark.req("L6")
def test_text_without_compression_is_the_same_text_without_gz(
    staged: tuple[Path, ResolvedEvents], tmp_path: Path
) -> None:
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    plain.mkdir()
    packed.mkdir()
    texts = [(plain / chunk.file).read_bytes() for chunk in chunks_of(staged, plain, "xml", compression="none")]
    zipped = [gzip.decompress((packed / chunk.file).read_bytes()) for chunk in chunks_of(staged, packed, "xml")]
    assert texts == zipped
    assert {path.suffix for path in plain.iterdir()} == {".xml"}


@pytest.mark.req("B2")
def test_the_same_events_give_the_same_chunks(staged: tuple[Path, ResolvedEvents], tmp_path: Path) -> None:
    for type_ in ("csv", "parquet"):
        first, again = tmp_path / f"{type_} first", tmp_path / f"{type_} again"
        first.mkdir()
        again.mkdir()
        assert chunks_of(staged, first, type_, 60_000) == chunks_of(staged, again, type_, 60_000)


@pytest.mark.req("L6")
def test_a_bucket_that_lacks_events_is_refused(staged: tuple[Path, ResolvedEvents], tmp_path: Path) -> None:
    folder, resolved = staged
    alone, shared, other = resolved.buckets
    first, *rest = shared.groups
    fewer = shared.model_copy(update={"groups": (first.model_copy(update={"rows": first.rows + 1}), *rest)})
    changed = resolved.model_copy(update={"buckets": (alone, fewer, other)})
    with pytest.raises(ValueError, match="a bucket of 6 groups of events doesn't hold them as it was staged"):
        chunks_of((folder, changed), tmp_path, "json")
