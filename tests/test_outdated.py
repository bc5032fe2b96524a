"""Delivered partitions whose source was read anew since: told exactly while they differ from what was delivered."""

import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from dataset_home import DatasetHome, numbered
from event_home import EventHome, Row
from hypothesis import given, settings
from hypothesis import strategies as st
from line_fakes import Given, MemoryDeclaration, TinyHome

from ctexport_dagster.core.delivery.basis import read_basis
from ctexport_dagster.core.source import SourceMode
from ctexport_dagster.findings.outdated import LOOK_BACK, outdated_partitions
from ctexport_dagster.line import Line

DAYS = [f"2026-11-{day:02}" for day in range(1, 5)]
NOW = datetime(2026, 11, 20, tzinfo=UTC)
COLUMNS: dict[str, pl.DataType] = {"clevertapId": pl.String(), "score": pl.Int64()}


def told(line: Line, **bound: int) -> dict[str, tuple[str, ...]]:
    """The outdated partitions, with what was read anew of each."""
    return {one.partition: one.inputs for one in outdated_partitions(line, NOW, **bound)}


def commands(line: Line) -> list[str]:
    return [one.command for one in outdated_partitions(line, NOW)]


@given(
    st.lists(
        st.tuples(st.sampled_from(["read", "send"]), st.sampled_from(DAYS[:3]), st.integers(1, 3)),
        max_size=12,
    )
)
@settings(max_examples=10)
def test_those_partitions_of_a_flow_are_told_whose_rows_differ_from_the_delivered_ones(
    steps: Sequence[tuple[str, str, int]],
) -> None:
    with tempfile.TemporaryDirectory() as root:
        home = DatasetHome.at(Path(root), orders={"holds": "added"})
        line, lake, sent = home.line("orders"), dict.fromkeys(DAYS[:3], 1), dict[str, int]()
        for day in DAYS[:3]:
            home.take_in("orders", day, numbered(0, 1))
        for what, day, rows in steps:
            if what == "read":
                home.take_in("orders", day, numbered(0, rows))
                lake[day] = rows
            else:
                home.run(line, day)
                sent[day] = lake[day]
            assert told(line) == {key: ("orders",) for key in sorted(sent) if sent[key] != lake[key]}


def test_a_table_that_is_given_whole_is_told_of_by_its_own_name(tmp_path: Path) -> None:
    home = DatasetHome.at(tmp_path, orders={"holds": "added"}, products={"holds": "all"})
    line = home.line("orders", "products")
    for day in DAYS[:2]:
        home.take_in("orders", day, numbered(0, 2))
        home.take_in("products", day, numbered(0, 3))
        home.run(line, day)
    assert told(line) == {}
    home.take_in("products", DAYS[0], numbered(0, 4))
    assert told(line) == {DAYS[0]: ("products",)}
    assert commands(line) == [f"ctexport run flow --partition {DAYS[0]}"]


def test_a_whole_delivery_that_was_asked_for_is_outdated_by_any_day_before_and_asked_for_again(tmp_path: Path) -> None:
    home = DatasetHome.at(tmp_path, orders={"holds": "added"})
    line = home.line("orders")
    for day in DAYS[:3]:
        home.take_in("orders", day, numbered(0, 2))
        home.run(line, day, wants_full=day == DAYS[2])
    home.take_in("orders", DAYS[1], numbered(0, 5))
    assert told(line) == {DAYS[1]: ("orders",), DAYS[2]: ("orders",)}
    assert commands(line) == [
        f"ctexport run flow --partition {DAYS[1]}",
        f"ctexport run flow --partition {DAYS[2]} --full",
    ]
    home.run(line, DAYS[1])
    home.run(line, DAYS[2], wants_full=True)
    assert told(line) == {}


def test_no_more_partitions_are_looked_at_than_asked_for_the_newest_ones(tmp_path: Path) -> None:
    home = DatasetHome.at(tmp_path, end=DAYS[3], orders={"holds": "added"})
    line = home.line("orders")
    for rows in (1, 2):
        for day in DAYS[:3]:
            home.take_in("orders", day, numbered(0, rows))
            if rows == 1:
                home.run(line, day)
    assert list(told(line)) == DAYS[:3]
    assert list(told(line, most=2)) == DAYS[1:3]
    assert LOOK_BACK == 30


def test_what_was_delivered_by_a_version_that_noted_no_basis_is_not_told_of(tmp_path: Path) -> None:
    home = DatasetHome.at(tmp_path, orders={"holds": "added"})
    line = home.line("orders")
    home.take_in("orders", DAYS[0], numbered(0, 1))
    home.run(line, DAYS[0])
    home.take_in("orders", DAYS[0], numbered(0, 2))
    (record,) = line.records(DAYS[0]).values()
    (record / "basis.json").unlink()
    assert (read_basis(record), told(line)) == (None, {})


def event(number: int, who: str = "a") -> Row:
    return {"eventName": "Viewed", "ts": 20261101120000, "clevertapId": who, "eventProps": {"number": number}}


def test_events_that_were_read_anew_are_told_of_until_they_are_sent_anew(tmp_path: Path) -> None:
    home = EventHome.at(tmp_path)
    line = home.line()
    for number, day in enumerate(DAYS[:2]):
        home.tell(day, [event(number)])
        home.run(line, day)
    assert told(line) == {}
    assert not home.tell(DAYS[0], [event(0)]).is_new
    assert told(line) == {}
    home.tell(DAYS[0], [event(0), event(7)])
    assert told(line) == {DAYS[0]: ("events",)}
    assert commands(line) == [f"ctexport run events --partition {DAYS[0]}"]
    assert home.run(line, DAYS[0]).manifest.generation == 2
    assert told(line) == {}


def test_files_that_come_out_the_same_settle_it_and_nothing_is_sent(tmp_path: Path) -> None:
    home = EventHome.at(tmp_path)
    line = home.line(events=["Viewed"])
    home.tell(DAYS[0], [event(0)])
    home.run(line, DAYS[0])
    home.tell(DAYS[0], [event(0), {**event(1), "eventName": "Charged"}])
    assert told(line) == {DAYS[0]: ("events",)}
    assert home.run(line, DAYS[0]).status == "unchanged"
    assert told(line) == {}


def test_profiles_that_were_read_anew_are_told_of_where_they_say_whose_the_events_are(tmp_path: Path) -> None:
    home = EventHome.at(tmp_path, has_profiles=True)
    line = home.line()
    for number, day in enumerate(DAYS[:2]):
        home.tell(day, [event(number)], [{"clevertapId": "a", "identity": "first"}])
        home.run(line, day)
    home.tell(DAYS[0], [event(0)], [{"clevertapId": "a", "identity": "other"}])
    assert told(line) == {DAYS[0]: ("profiles",)}
    home.run(line, DAYS[0])
    assert told(line) == {}


@pytest.mark.parametrize(("first", "expected"), [(DAYS[0], {DAYS[1]: ("events",)}), (DAYS[1], {})])
def test_a_one_time_export_is_outdated_by_days_that_may_hold_its_range(
    tmp_path: Path, first: str, expected: dict[str, tuple[str, ...]]
) -> None:
    home = EventHome.at(tmp_path)
    line = home.line(schedule={"every": "once", "start": DAYS[1], "range": {"from": first, "to": DAYS[1]}})
    for number, day in enumerate(DAYS[:2]):
        home.tell(day, [event(number)])
    home.run(line, DAYS[1])
    home.tell(DAYS[0], [event(0), event(7)])
    assert told(line) == expected


def profiles_of(root: Path, mode: SourceMode) -> TinyHome:
    return TinyHome(root, MemoryDeclaration(name="crm", start=date(2026, 11, 1), max_deleted=1, mode=mode))


def scores(**by_id: int) -> Given:
    return Given(COLUMNS, tuple({"clevertapId": who, "score": score} for who, score in by_id.items()))


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("snapshot", [DAYS[1], DAYS[2]]), ("changes", [DAYS[1]])],
)
def test_an_increment_of_profiles_is_told_of_where_its_window_or_the_snapshot_before_differs(
    tmp_path: Path, mode: SourceMode, expected: list[str]
) -> None:
    home = profiles_of(tmp_path, mode)
    line = home.line("daily")
    for number, day in enumerate(DAYS):
        home.tell(day, scores(a=number, b=0))
        home.ingest(day)
        home.run(line, day)
    assert told(line) == {}
    home.tell(DAYS[1], scores(a=1, b=5))
    home.ingest(DAYS[1])
    assert list(told(line)) == expected
    for stale in line.lake.view().stale():
        home.ingest(stale)
    for one in expected:
        home.run(line, one)
    assert told(line) == {}


@pytest.mark.parametrize("mode", ["snapshot", "changes"])
def test_a_full_partition_of_profiles_is_told_of_where_the_state_at_its_end_differs(
    tmp_path: Path, mode: SourceMode
) -> None:
    home = profiles_of(tmp_path, mode)
    line = home.line("daily")
    for number, day in enumerate(DAYS):
        home.tell(day, scores(a=number))
        home.ingest(day)
        home.run(line, day, wants_full=day == DAYS[3])
    home.tell(DAYS[2], scores(a=2, b=5))
    home.ingest(DAYS[2])
    assert (DAYS[3] in told(line)) == (mode == "changes")
    if mode == "changes":
        assert commands(line)[-1] == f"ctexport run daily --partition {DAYS[3]} --full"


@given(st.data())
@settings(max_examples=6)
def test_every_increment_that_a_mended_snapshot_would_make_otherwise_is_told_of(data: st.DataObject) -> None:
    """Nothing that differs goes untold: what isn't told comes out the same when it is run again."""
    states = st.fixed_dictionaries({}, optional={who: st.integers(0, 1) for who in "abc"})
    with tempfile.TemporaryDirectory() as root:
        home = profiles_of(Path(root), "snapshot")
        line, sent = home.line("daily"), dict[str, list[bytes]]()
        for day in DAYS:
            home.tell(day, scores(**data.draw(states)))
            home.ingest(day)
            sent[day] = list(home.run(line, day).contents.values())
        mended = data.draw(st.sampled_from(DAYS))
        home.tell(mended, scores(**data.draw(states)))
        home.ingest(mended)
        for stale in line.lake.view().stale():
            home.ingest(stale)
        outdated = set(told(line))
        differing = {day for day in DAYS if list(home.run(line, day).contents.values()) != sent[day]}
        assert differing <= outdated <= {mended, *DAYS[DAYS.index(mended) + 1 :][:1]}
        assert told(line) == {}
