"""Tables in files: which rows a partition has, whichever way they're new, and that a second reading has the same."""

import gzip
import json
import os
import shutil
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pydantic import ValidationError

from ctexport_dagster.core.datasets.source import DatasetInput, DatasetSource, Span
from ctexport_dagster.core.errors import SourceMissing, SourceUnreadable
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.files.declaration import FilesSource

DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")


def declared(dataset: object, **settings: object) -> FilesSource:
    given = {"name": "shop", "start": date(2026, 11, 1), "datasets": {"orders": dataset}, **settings}
    return FilesSource.model_validate(given)


def opened(
    home: Path,
    source: FilesSource,
    day: str,
    since: str | None = None,
    upto: str | None = None,
    earlier: Sequence[str | None] = (),
) -> DatasetInput:
    files = source.open(Surroundings(home))
    assert isinstance(files, DatasetSource)
    return files.dataset(
        "orders", Span(day, source.cadence.window_of(day), since, upto, lambda: [one or "" for one in earlier])
    )


def ids(found: DatasetInput) -> list[int]:
    frames = [batch.frame for batch in found.batches()]
    return [value for frame in frames if "id" in frame.columns for value in frame["id"].cast(pl.String).cast(int)]


def place(home: Path, name: str, rows: Sequence[int]) -> Path:
    path = home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f'{{"id":{row}}}\n' for row in rows))
    return path


# Files of a partition's own, and whole tables


@pytest.mark.req("A1", "B9")
def test_with_the_partition_in_the_path_a_partition_has_its_own_files(tmp_path: Path) -> None:
    place(tmp_path, f"{DAYS[0]}/a.ndjson", [1, 2])
    place(tmp_path, f"{DAYS[1]}/a.ndjson", [3])
    source = declared("{{Partition}}/*.ndjson")
    assert not source.declared_datasets["orders"].is_chained
    found = [opened(tmp_path, source, day) for day in DAYS[:2]]
    assert [ids(one) for one in found] == [[1, 2], [3]]
    assert [one.upto for one in found] == [None, None]
    assert found[0].fingerprint != found[1].fingerprint
    with pytest.raises(SourceMissing, match=f"{DAYS[2]}/\\*.ndjson"):
        opened(tmp_path, source, DAYS[2])


def test_a_table_that_holds_all_is_the_files_as_they_are_now(tmp_path: Path) -> None:
    source = declared({"path": "*.ndjson", "holds": "all"})
    place(tmp_path, "a.ndjson", [1])
    assert ids(opened(tmp_path, source, DAYS[0])) == [1]
    place(tmp_path, "a.ndjson", [1, 2])
    assert ids(opened(tmp_path, source, DAYS[1])) == [1, 2]
    assert not source.declared_datasets["orders"].is_chained


def test_a_dataset_that_is_not_declared_is_missing(tmp_path: Path) -> None:
    source = declared("*.ndjson")
    span = Span(DAYS[0], source.cadence.window_of(DAYS[0]), None)
    with pytest.raises(SourceMissing, match="names no such dataset"):
        source.open(Surroundings(tmp_path)).dataset("order", span)


# By arrival

ARRIVING = declared("in/*.ndjson")


@pytest.mark.req("A3")
def test_the_first_partition_has_every_file_and_later_ones_those_that_came_since(tmp_path: Path) -> None:
    assert ARRIVING.declared_datasets["orders"].is_chained
    place(tmp_path, "in/b.ndjson", [1])
    place(tmp_path, "in/c.ndjson", [2])
    first = opened(tmp_path, ARRIVING, DAYS[0])
    place(tmp_path, "in/a.ndjson", [3])
    second = opened(tmp_path, ARRIVING, DAYS[1], first.upto)
    assert (ids(first), ids(second)) == ([1, 2], [3])
    assert second.places == ("in/a.ndjson",)


def test_without_a_new_file_a_partition_is_empty(tmp_path: Path) -> None:
    file = place(tmp_path, "in/a.ndjson", [1])
    first = opened(tmp_path, ARRIVING, DAYS[0])
    second = opened(tmp_path, ARRIVING, DAYS[1], first.upto)
    file.unlink()
    third = opened(tmp_path, ARRIVING, DAYS[2], second.upto, earlier=[first.upto])
    assert (ids(second), ids(third), third.upto) == ([], [], second.upto)


def test_no_file_at_all_is_missing_at_first(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match=r"no file matches .*/in/\*\.ndjson"):
        opened(tmp_path, ARRIVING, DAYS[0])


def test_a_file_that_comes_back_is_not_read_twice(tmp_path: Path) -> None:
    file = place(tmp_path, "in/a.ndjson", [1])
    first = opened(tmp_path, ARRIVING, DAYS[0])
    file.unlink()
    second = opened(tmp_path, ARRIVING, DAYS[1], first.upto)
    place(tmp_path, "in/a.ndjson", [1])
    assert ids(opened(tmp_path, ARRIVING, DAYS[2], second.upto, earlier=[first.upto])) == []


def test_a_file_that_was_only_touched_is_not_new(tmp_path: Path) -> None:
    file = place(tmp_path, "in/a.ndjson", [1])
    first = opened(tmp_path, ARRIVING, DAYS[0])
    os.utime(file, (1, 1))
    assert ids(opened(tmp_path, ARRIVING, DAYS[1], first.upto)) == []


@pytest.mark.parametrize("rows", [[9], [9, 2]])
def test_a_file_that_changed_since_it_was_read_is_told(tmp_path: Path, rows: list[int]) -> None:
    file = place(tmp_path, "in/a.ndjson", [1])
    first = opened(tmp_path, ARRIVING, DAYS[0])
    place(tmp_path, "in/a.ndjson", rows)
    os.utime(file, (1, 1))
    with pytest.raises(SourceUnreadable, match=r"in/a\.ndjson has changed since it was read.*`cursor`"):
        opened(tmp_path, ARRIVING, DAYS[1], first.upto)
    with pytest.raises(SourceUnreadable, match=r"in/a\.ndjson has changed since it was read"):
        opened(tmp_path, ARRIVING, DAYS[0], None, first.upto)


@pytest.mark.req("A3")
def test_a_file_that_was_read_while_it_was_written_is_told_and_read_as_a_whole_by_its_own_partition(
    tmp_path: Path,
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.csv").write_text("id\n1000\n25")
    source = declared("in/*.csv")
    first = opened(tmp_path, source, DAYS[0])
    assert ids(first) == [1000, 25]
    (tmp_path / "in/a.csv").write_text("id\n1000\n2500\n3\n")
    (tmp_path / "in/b.csv").write_text("id\n4\n")
    with pytest.raises(
        SourceUnreadable, match=r"in/a\.csv has grown since it was read.*partition that read it once more"
    ):
        opened(tmp_path, source, DAYS[1], first.upto)
    again = opened(tmp_path, source, DAYS[0], None, first.upto)
    second = opened(tmp_path, source, DAYS[1], again.upto)
    assert (ids(again), ids(second)) == ([1000, 2500, 3], [4])
    assert first.fingerprint != again.fingerprint


@pytest.mark.req("A3")
def test_a_file_that_got_another_name_is_not_new_and_neither_once_its_old_name_comes_back(tmp_path: Path) -> None:
    file = place(tmp_path, "in/a.ndjson", [1])
    first = opened(tmp_path, ARRIVING, DAYS[0])
    file.rename(tmp_path / "in/moved.ndjson")
    second = opened(tmp_path, ARRIVING, DAYS[1], first.upto)
    again = opened(tmp_path, ARRIVING, DAYS[1], first.upto, second.upto)
    place(tmp_path, "in/a.ndjson", [1])
    third = opened(tmp_path, ARRIVING, DAYS[2], second.upto, earlier=[first.upto])
    assert [ids(one) for one in (second, again, third)] == [[], [], []]
    assert again.upto == second.upto


def test_an_empty_file_is_new_once_something_is_written_into_it(tmp_path: Path) -> None:
    place(tmp_path, "in/a.ndjson", [])
    place(tmp_path, "in/b.ndjson", [1])
    first = opened(tmp_path, ARRIVING, DAYS[0])
    assert ids(first) == [1]
    place(tmp_path, "in/a.ndjson", [2])
    again = opened(tmp_path, ARRIVING, DAYS[0], None, first.upto)
    second = opened(tmp_path, ARRIVING, DAYS[1], first.upto)
    assert (ids(again), again.fingerprint, ids(second)) == ([1], first.fingerprint, [2])


def test_a_new_file_that_says_the_same_as_one_that_is_gone_is_new(tmp_path: Path) -> None:
    file = place(tmp_path, "in/a.ndjson", [1])
    os.utime(file, (1, 1))
    first = opened(tmp_path, ARRIVING, DAYS[0])
    file.unlink()
    place(tmp_path, "in/b.ndjson", [1])
    assert ids(opened(tmp_path, ARRIVING, DAYS[1], first.upto)) == [1]


def test_a_copy_beside_the_file_is_new(tmp_path: Path) -> None:
    file = place(tmp_path, "in/a.ndjson", [1])
    first = opened(tmp_path, ARRIVING, DAYS[0])
    shutil.copy2(file, tmp_path / "in/b.ndjson")
    assert ids(opened(tmp_path, ARRIVING, DAYS[1], first.upto)) == [1]


def test_a_file_whose_time_was_set_back_has_changed_all_the_same(tmp_path: Path) -> None:
    file = place(tmp_path, "in/a.ndjson", [1])
    told = file.stat()
    first = opened(tmp_path, ARRIVING, DAYS[0])
    place(tmp_path, "in/a.ndjson", [9])
    os.utime(file, ns=(told.st_atime_ns, told.st_mtime_ns))
    with pytest.raises(SourceUnreadable, match=r"in/a\.ndjson has changed"):
        opened(tmp_path, ARRIVING, DAYS[1], first.upto)


def test_a_second_reading_takes_in_the_same_files(tmp_path: Path) -> None:
    place(tmp_path, "in/a.ndjson", [1])
    first = opened(tmp_path, ARRIVING, DAYS[0])
    place(tmp_path, "in/b.ndjson", [2])
    second = opened(tmp_path, ARRIVING, DAYS[1], first.upto)
    place(tmp_path, "in/c.ndjson", [3])
    again = opened(tmp_path, ARRIVING, DAYS[1], first.upto, second.upto)
    assert (ids(again), again.fingerprint, again.upto) == ([2], second.fingerprint, second.upto)


def test_a_second_reading_names_the_file_that_is_gone(tmp_path: Path) -> None:
    file = place(tmp_path, "in/a.ndjson", [1])
    first = opened(tmp_path, ARRIVING, DAYS[0])
    file.unlink()
    with pytest.raises(SourceMissing, match=r"in/a\.ndjson is gone"):
        opened(tmp_path, ARRIVING, DAYS[0], None, first.upto)


def test_a_partition_remembers_its_own_files_alone(tmp_path: Path) -> None:
    place(tmp_path, "in/a.ndjson", [1])
    first = opened(tmp_path, ARRIVING, DAYS[0])
    place(tmp_path, "in/b.ndjson", [2])
    second = opened(tmp_path, ARRIVING, DAYS[1], first.upto)
    place(tmp_path, "in/c.ndjson", [3])
    third = opened(tmp_path, ARRIVING, DAYS[2], second.upto, earlier=[first.upto])
    assert [json.loads(one.upto or "")["files"] for one in (first, second, third)] == [1, 1, 1]
    assert ids(third) == [3]


@pytest.mark.parametrize(("since", "upto"), [('{"version":3}', None), (None, '{"version":3}')])
def test_what_was_read_from_something_else_is_told(tmp_path: Path, since: str | None, upto: str | None) -> None:
    place(tmp_path, "in/a.ndjson", [1])
    with pytest.raises(SourceUnreadable, match="read from something else than files"):
        opened(tmp_path, ARRIVING, DAYS[1], since, upto)


def test_what_was_seen_is_kept_in_little_room(tmp_path: Path) -> None:
    for number in range(100):
        place(tmp_path, f"in/part={number // 10}/orders-of-the-shop-{number:05}.ndjson", [number])
    upto = opened(tmp_path, declared("in/**/*.ndjson"), DAYS[0]).upto
    assert upto is not None
    assert json.loads(upto)["files"] == 100
    assert len(upto) < 6_000


# By a cursor


def by_cursor(name: str = "id", **settings: object) -> FilesSource:
    return declared({"path": "*.*", "cursor": name, **settings})


@pytest.mark.req("A3")
def test_a_number_that_grows_tells_the_rows_that_are_new(tmp_path: Path) -> None:
    place(tmp_path, "a.ndjson", [1, 3])
    place(tmp_path, "b.ndjson", [2])
    first = opened(tmp_path, by_cursor(), DAYS[0])
    place(tmp_path, "b.ndjson", [2, 5])
    place(tmp_path, "c.ndjson", [4, 3])
    second = opened(tmp_path, by_cursor(), DAYS[1], first.upto)
    place(tmp_path, "c.ndjson", [4, 3, 6])
    again = opened(tmp_path, by_cursor(), DAYS[1], first.upto, second.upto)
    assert (ids(first), ids(second), ids(again)) == ([1, 3, 2], [5, 4], [5, 4])
    assert (again.upto, again.row_estimate) == (second.upto, 2)
    third = opened(tmp_path, by_cursor(), DAYS[2], second.upto)
    assert ids(third) == [6]
    assert ids(opened(tmp_path, by_cursor(), DAYS[2], third.upto)) == []


def test_the_fingerprint_is_that_of_the_rows_of_the_span(tmp_path: Path) -> None:
    place(tmp_path, "a.ndjson", [1])
    first = opened(tmp_path, by_cursor(), DAYS[0])
    place(tmp_path, "a.ndjson", [1, 2])
    (tmp_path / "b.ndjson").write_text('{"id":3,"new":{"x":1}}\n')
    again = opened(tmp_path, by_cursor(), DAYS[0], None, first.upto)
    assert again.fingerprint == first.fingerprint
    place(tmp_path, "a.ndjson", [0, 2])
    assert opened(tmp_path, by_cursor(), DAYS[0], None, first.upto).fingerprint != first.fingerprint


def test_a_text_that_grows_is_a_cursor_too(tmp_path: Path) -> None:
    source = by_cursor("key", types={"key": "string"})
    (tmp_path / "a.csv").write_text("id,key\n1,a\n2,b\n")
    first = opened(tmp_path, source, DAYS[0])
    (tmp_path / "a.csv").write_text("id,key\n1,a\n2,b\n3,c\n")
    assert ids(opened(tmp_path, source, DAYS[1], first.upto)) == [3]


def stamped(path: Path, instants: Sequence[datetime | None], zone: str | None = "UTC") -> None:
    kind = pa.timestamp("us", zone)
    pq.write_table(pa.table({"id": list(range(len(instants))), "at": pa.array(instants, kind)}), path)


@pytest.mark.req("A3", "P24")
def test_a_timestamp_follows_the_windows(tmp_path: Path) -> None:
    source = by_cursor("at")
    days = [datetime(2026, 10, 30, tzinfo=UTC), *(datetime(2026, 11, day, tzinfo=UTC) for day in (1, 2, 3))]
    stamped(tmp_path / "a.parquet", days)
    first = opened(tmp_path, source, DAYS[0])
    second = opened(tmp_path, source, DAYS[1], first.upto)
    assert (ids(first), ids(second)) == ([0, 1], [2])


def test_a_timestamp_without_a_zone_is_in_the_sources(tmp_path: Path) -> None:
    wall_clock = [datetime.fromisoformat(text) for text in ("2026-11-01T23:00", "2026-11-02T01:00")]
    stamped(tmp_path / "a.parquet", wall_clock, None)
    source = declared({"path": "*.parquet", "cursor": "at"}, timezone="Asia/Kolkata")
    assert ids(opened(tmp_path, source, DAYS[0])) == [0]


def test_a_text_declared_as_a_timestamp_follows_the_windows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,at\n1,2026-11-01T10:00:00Z\n2,2026-11-02T10:00:00Z\n")
    assert ids(opened(tmp_path, by_cursor("at", types={"at": "timestamp"}), DAYS[0])) == [1]


def test_rows_without_a_cursor_are_given_to_every_partition_to_be_refused(tmp_path: Path) -> None:
    stamped(tmp_path / "a.parquet", [None, datetime(2026, 11, 1, tzinfo=UTC)])
    first = opened(tmp_path, by_cursor("at"), DAYS[0])
    assert ids(first) == [0, 1]
    assert ids(opened(tmp_path, by_cursor("at"), DAYS[1], first.upto)) == [0]


def test_an_empty_table_leaves_the_cursor_where_it_was(tmp_path: Path) -> None:
    place(tmp_path, "a.ndjson", [])
    first = opened(tmp_path, by_cursor(), DAYS[0])
    assert ids(first) == []
    place(tmp_path, "a.ndjson", [7])
    second = opened(tmp_path, by_cursor(), DAYS[1], first.upto)
    (tmp_path / "a.ndjson").unlink()
    assert ids(second) == [7]
    assert opened(tmp_path, by_cursor(), DAYS[2], second.upto).upto == second.upto


def test_a_cursor_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text('{"id":1,"x":1.5}\n')
    with pytest.raises(SourceUnreadable, match=r"a\.ndjson has no column 'at'"):
        opened(tmp_path, by_cursor("at"), DAYS[0])
    with pytest.raises(SourceUnreadable, match=r"'x' is of the type Float64"):
        opened(tmp_path, by_cursor("x"), DAYS[0])


def test_a_cursor_whose_type_changed_is_told(tmp_path: Path) -> None:
    place(tmp_path, "a.ndjson", [1])
    first = opened(tmp_path, by_cursor(), DAYS[0])
    (tmp_path / "a.ndjson").write_text('{"id":"2"}\n')
    with pytest.raises(SourceUnreadable, match="'id' is a text now, and was a whole number before"):
        opened(tmp_path, by_cursor(), DAYS[1], first.upto)


def test_a_column_named_like_a_pattern_is_a_cursor_as_any(tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text('{"id":1,"^.*$":5}\n{"id":2,"^.*$":6}\n')
    first = opened(tmp_path, by_cursor("^.*$"), DAYS[0])
    assert ids(opened(tmp_path, by_cursor("^.*$"), DAYS[1], first.upto)) == []


histories = st.lists(st.lists(st.integers(0, 5), max_size=4), min_size=1, max_size=4)


@pytest.mark.req("A3")
@examples(max_examples=15)
@given(steps=histories, arrives=st.booleans())
def test_over_any_history_every_row_is_in_one_partition(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[int]], arrives: bool
) -> None:
    """Each step adds rows, to new files or to one that grows; the first has one row at least."""
    home = tmp_path_factory.mktemp("shop")
    source = declared("*.ndjson") if arrives else by_cursor()
    uptos = list[str | None]()
    added, read, number = list[int](), list[int](), 0
    for place_of_step, sizes in enumerate([[1], *steps]):
        for count in sizes:
            rows = list(range(number, number + count))
            number += count
            added += rows
            name = f"{number}-{place_of_step}-{len(added)}-{len(list(home.iterdir()))}" if arrives else "all"
            place(home, f"{name}.ndjson", rows if arrives else added)
        since, earlier = uptos[-1] if uptos else None, uptos[:-1]
        found = opened(home, source, DAYS[0], since, earlier=earlier)
        again = opened(home, source, DAYS[0], since, found.upto, earlier)
        assert (ids(found), found.fingerprint) == (ids(again), again.fingerprint)
        read += ids(found)
        uptos.append(found.upto)
    assert sorted(read) == added


# Declarations


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("{{Partition}}/{{Event-name}}.csv", "{{Event-name}} is no variable"),
        ({"path": "{{Day}}.csv"}, "{{Day}} is no variable"),
        ({"path": "{{Partition}}.csv", "cursor": "id"}, "both say which rows are new"),
        ({"path": "a.csv", "format": "xml"}, "parquet"),
    ],
)
def test_datasets_are_checked_when_declared(dataset: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        declared(dataset)


def test_a_source_of_tables_alone_has_neither_profiles_nor_events() -> None:
    source = declared("*.csv")
    assert (source.has_profiles, source.has_events, list(source.declared_datasets)) == (False, False, ["orders"])


def test_the_check_names_the_folder_that_is_not_there(tmp_path: Path) -> None:
    assert declared("in/{{Partition}}.csv").check(tmp_path) == (
        f"datasets.orders.path: {tmp_path}/in is no folder that can be read; make it, or mend the path",
    )


@pytest.mark.parametrize("name", ["a.ndjson", "a.csv", "a.json.gz"])
def test_an_empty_file_is_an_empty_partition(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"") if name.endswith("gz") else b"")
    assert sum(b.frame.height for b in opened(tmp_path, declared("a.*"), DAYS[0]).batches()) == 0


def test_a_file_that_changes_while_it_is_read_is_told(tmp_path: Path) -> None:
    place(tmp_path, "a.ndjson", [1])
    found = opened(tmp_path, declared("a.*"), DAYS[0])
    place(tmp_path, "a.ndjson", [1, 2])
    with pytest.raises(SourceUnreadable, match="it changed while it was read"):
        ids(found)
