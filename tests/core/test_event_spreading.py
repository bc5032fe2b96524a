"""Resolved events spread into the files of their buckets, with few files open and in the order they came."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.core.events.spreading import spread
from ctexport_dagster.core.resolved_file import read_resolved

COLUMNS = {"eventName": pl.String(), "day": pl.Date(), "ts": pl.Datetime("us", "UTC"), "eventProps": pl.String()}
DAY = date(2026, 11, 1)

groups_of_events = st.lists(st.integers(0, 40), max_size=120)
frame_sizes = st.integers(1, 50)


def frame(numbers: list[int], first: int) -> pl.DataFrame:
    """Events of the groups with these numbers; each event's time tells its place among all."""
    at = datetime(2026, 11, 1, tzinfo=UTC)
    rows = {
        "eventName": [f"event {number}" for number in numbers],
        "day": [DAY] * len(numbers),
        "ts": [at.replace(microsecond=first + place) for place in range(len(numbers))],
        "eventProps": [f'{{"n":{number}}}' for number in numbers],
    }
    return pl.DataFrame(rows, schema=COLUMNS)


def frames(numbers: list[int], size: int) -> list[pl.DataFrame]:
    return [frame(numbers[start : start + size], start) for start in range(0, len(numbers), size)]


def groups(count: int, per_bucket: int) -> pl.DataFrame:
    rows = {
        "eventName": [f"event {number}" for number in range(count)],
        "day": [DAY] * count,
        "bucket": [number // per_bucket for number in range(count)],
    }
    return pl.DataFrame(rows, schema={"eventName": pl.String, "day": pl.Date, "bucket": pl.UInt32})


def spread_into(folder: Path, numbers: list[int], size: int, places: pl.DataFrame, most_open: int) -> dict[str, bytes]:
    """The files that came of it."""
    spread(frames(numbers, size), places, COLUMNS, lambda bucket: folder / f"{bucket:05}.rows", most_open)
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@given(groups_of_events, frame_sizes, st.integers(1, 6), st.integers(1, 6))
@pytest.mark.req("B1", "L6")
def test_every_event_lies_in_its_buckets_file_in_order(
    numbers: list[int], size: int, per_bucket: int, most_open: int
) -> None:
    places = groups(41, per_bucket)
    with TemporaryDirectory() as folder:
        files = spread_into(Path(folder), numbers, size, places, max(most_open, 2))
        found = {name: pl.concat([pl.DataFrame(schema=COLUMNS), *read_resolved(Path(folder) / name)]) for name in files}
    everything = pl.concat([pl.DataFrame(schema=COLUMNS), *frames(numbers, size)])
    for bucket in range(-(-41 // per_bucket)):
        names = [f"event {number}" for number in range(41) if number // per_bucket == bucket]
        expected = everything.filter(pl.col("eventName").is_in(names))
        assert expected.equals(found.pop(f"{bucket:05}.rows"))
    assert found == {}


def test_no_more_files_are_written_at_once_than_may_be_open(tmp_path: Path) -> None:
    open_at_once: list[int] = []
    descriptors = Path("/proc/self/fd")

    def watched() -> Iterator[pl.DataFrame]:
        for part in frames(list(range(41)), 10):
            links = Counter(str(link.readlink().parent) for link in descriptors.iterdir() if link.is_symlink())
            open_at_once.append(links[str(tmp_path)])
            yield part

    spread(watched(), groups(41, 1), COLUMNS, lambda bucket: tmp_path / f"{bucket:05}.rows", most_open=5)
    assert open_at_once == [5] * 5
    assert len(list(tmp_path.iterdir())) == 41


def test_an_event_of_no_group_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not counted"):
        spread_into(tmp_path, [3], 1, groups(2, 1), 5)
