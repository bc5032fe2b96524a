"""What the lake of events takes in, what it refuses, and what it gives back."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from event_days import EventDays, event, key
from hypothesis import given, settings
from hypothesis import strategies as st

from ctexport_dagster.core.errors import ConcurrentWrite, LakeError, PartitionMissing, TooManyQuarantined
from ctexport_dagster.core.events.model import EVENT_COLUMNS
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.lake.events import EventTally, NameCount

UTC_ZONE = ZoneInfo("UTC")


def at(day: int, hour: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=UTC)


@pytest.mark.req("B1")
def test_source_rows_are_the_kept_and_the_quarantined_ones(tmp_path: Path) -> None:
    days = EventDays(tmp_path)
    record = days.put(1, [event(), event(name=""), event(at="yesterday"), event(who="b")])
    assert record.rows == EventTally(source=4, quarantined=2, kept=2)


def test_an_event_frame_has_the_columns_of_the_model(tmp_path: Path) -> None:
    days = EventDays(tmp_path)
    days.put(1, [event(eventProps={"Price": 1.5}, identity="u1", controlGroupName="Holdout")])
    [frame] = days.slices(1)
    assert dict(frame.schema) == EVENT_COLUMNS
    assert frame.select("identity", "eventProps", "controlGroupName", "seq").row(0) == (
        ["u1"],
        '{"Price":1.5}',
        "Holdout",
        0,
    )


def test_an_input_that_is_there_already_is_not_written_again(tmp_path: Path) -> None:
    days = EventDays(tmp_path)
    first = days.put(1, [event()])
    version = days.view().version
    again = days.put(1, [event()])
    assert (first.is_new, again.is_new, again.generation) == (True, False, 1)
    assert days.view().version == version


def test_another_input_replaces_its_partition_alone(tmp_path: Path) -> None:
    days = EventDays(tmp_path)
    days.put(1, [event(who="a")])
    days.put(2, [event(who="b")])
    assert days.put(1, [event(who="c"), event(who=None)]).generation == 2
    assert days.events(1)["clevertapId"].to_list() == [None, "c"]
    assert days.events(2)["clevertapId"].to_list() == ["b"]


def test_partitions_may_come_in_any_order(tmp_path: Path) -> None:
    days = EventDays(tmp_path)
    days.put(3, [event(who="a")])
    days.put(1, [event(who="a")])
    assert [record.partition for record in days.view().records()] == [key(1), key(3)]
    assert days.events(1, 3).height == 2


def test_a_partition_that_is_not_there_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(PartitionMissing, match="Materialize app/events for 2026-11-01 first"):
        EventDays(tmp_path).view().record(key(1))


def test_a_day_without_events_is_in_the_lake(tmp_path: Path) -> None:
    days = EventDays(tmp_path)
    assert days.put(1, []).rows == EventTally()
    assert (days.view().instances([key(1)]), days.view().keys([key(1)]).height) == ((), 0)


def test_the_number_of_instances_is_fixed_once_there_is_data(tmp_path: Path) -> None:
    EventDays(tmp_path, instances=2).put(1, [event()])
    with pytest.raises(LakeError, match="2 instances, the declaration 3"):
        EventDays(tmp_path, instances=3).put(2, [event()])


@pytest.mark.parametrize(("limit", "is_refused"), [(0.25, True), (0.5, False), (1, True), (2, False)])
def test_more_refused_events_than_allowed_stop_the_partition(
    tmp_path: Path, limit: float | int, *, is_refused: bool
) -> None:
    days = EventDays(tmp_path, max_quarantined=limit)
    rows = [event(), event(), event(name=""), event(name="")]
    if not is_refused:
        assert days.put(1, rows).rows.quarantined == 2
        return
    with pytest.raises(TooManyQuarantined, match="2 of 4 rows were refused"):
        days.put(1, rows)
    assert days.view().records() == ()
    left = [path.name for path in tmp_path.rglob("*.parquet") if "_delta_log" not in str(path)]
    assert left == ["2026-11-01-failed.parquet"]


@pytest.mark.req("B6")
def test_a_refused_event_is_kept_whole_with_its_reason_and_place(tmp_path: Path) -> None:
    days = EventDays(tmp_path)
    days.put(1, [event(), {**event(), "eventProps": '{"a":1,"a":2}'}])
    [refused] = days.quarantined().to_dicts()
    assert (refused["reason"], refused["field"], refused["place"]) == ("duplicate_key", "eventProps", "app.ndjson:2")
    assert json.loads(refused["row"])["eventName"] == "Viewed"


def test_a_mended_partition_drops_its_older_quarantine(tmp_path: Path) -> None:
    days = EventDays(tmp_path)
    days.put(1, [event(name="")])
    days.put(1, [event()])
    assert list((tmp_path / "quarantine").iterdir()) == []


def test_events_of_several_partitions_come_in_one_order(tmp_path: Path) -> None:
    days = EventDays(tmp_path)
    days.put(1, [event(who=who, at=f"202611010{hour}0000") for hour in (3, 1, 2) for who in ("a", "b", "c", "d")])
    days.put(2, [event(who=who, at="20261101020000") for who in ("d", "a", "e")])
    slices = days.slices(1, 2)
    rows = pl.concat(slices)
    order = [(row["h"], row["clevertapId"], row["ts"]) for row in rows.iter_rows(named=True)]
    assert rows.height == 15
    assert order == sorted(order)
    assert all(before["h"][-1] <= after["h"][0] for before, after in pairwise(slices))


@given(st.lists(st.tuples(st.sampled_from("aaaaab"), st.integers(0, 20)), max_size=60), st.integers(1, 30))
@settings(max_examples=25)
def test_one_id_may_have_most_of_the_events(moments: list[tuple[str, int]], batch_rows: int) -> None:
    rows = [event(who=who, at=f"202611010{second // 10}000{second % 10}") for who, second in moments]
    with TemporaryDirectory() as folder:
        days = EventDays(Path(folder), batch_rows=batch_rows)
        days.put(1, rows)
        slices = days.slices(1)
    assert max([0, *(piece.height for piece in slices)]) <= 6
    read = [(one["h"], one["clevertapId"], one["ts"], one["seq"]) for piece in slices for one in piece.to_dicts()]
    assert read == sorted(read)
    assert sorted(seq for *_, seq in read) == list(range(len(rows)))


def test_at_one_instant_the_earlier_partition_comes_first_then_source_order(tmp_path: Path) -> None:
    days = EventDays(tmp_path)
    days.put(2, [event("third"), event("fourth")])
    days.put(1, [event("first"), event("second")])
    assert days.events(1, 2)["eventName"].to_list() == ["first", "second", "third", "fourth"]


def test_events_without_an_id_come_first_in_source_order_and_are_never_held_together(tmp_path: Path) -> None:
    days = EventDays(tmp_path)
    days.put(1, [event(f"n{number}", who=None if number % 4 else "a") for number in range(30)])
    slices = days.slices(1)
    names = pl.concat(slices).filter(pl.col("clevertapId").is_null())["eventName"].to_list()
    assert names == [f"n{number}" for number in range(30) if number % 4]
    assert max(rows.height for rows in slices if rows["clevertapId"].null_count()) <= 6


def test_slices_hold_the_chosen_names_and_span_alone(tmp_path: Path) -> None:
    days = EventDays(tmp_path)
    days.put(
        1, [event(name, who, f"202611{day:02}000000") for name in "xy" for who in ("a", None) for day in (1, 2, 3)]
    )
    rows = pl.concat(days.view().slices([key(1)], 0, names=["x"], span=Interval(at(1), at(3))))
    assert rows.select("eventName", pl.col("ts").dt.day()).unique().sort("ts").rows() == [("x", 1), ("x", 2)]
    assert rows.height == 4


def test_groups_count_names_and_days_in_the_zone(tmp_path: Path) -> None:
    days = EventDays(tmp_path)
    props = {"a": "0123456789"}
    days.put(1, [event("x", who, "20261101233000", eventProps=props) for who in ("a", "b", None)])
    days.put(2, [event("x", at="20261102003000"), event("y", at="20261102003000")])
    groups = days.view().groups([key(1), key(2)], 0, zone=ZoneInfo("Europe/Berlin"))
    assert groups.select("eventName", "day", "rows").rows() == [
        ("x", date(2026, 11, 2), 4),
        ("y", date(2026, 11, 2), 1),
    ]
    assert groups["bytes"][0] > 3 * len(json.dumps(props, separators=(",", ":")))


def test_groups_of_a_span_and_of_names(tmp_path: Path) -> None:
    days = EventDays(tmp_path)
    days.put(1, [event(name, at=f"2026110{day}000000") for name in "xy" for day in (1, 2)])
    groups = days.view().groups([key(1)], 0, zone=UTC_ZONE, names={"y"}, span=Interval(at(2), at(3)))
    assert groups.select("eventName", "day", "rows").rows() == [("y", date(2026, 11, 2), 1)]


@pytest.mark.req("L9")
def test_keys_come_in_the_order_of_their_first_appearance(tmp_path: Path) -> None:
    days = EventDays(tmp_path)
    days.put(2, [event("x", eventProps={"c": 1, "a": 1})])
    days.put(1, [event("y", eventProps={"z": 1}), event("x", eventProps={"b": 1, "a": 1}, deviceInfo={"make": "m"})])
    x = [("x", "deviceInfo", "make"), ("x", "eventProps", "b"), ("x", "eventProps", "a")]
    assert days.view().keys([key(1), key(2)]).rows() == [("y", "eventProps", "z"), *x, ("x", "eventProps", "c")]
    assert days.view().keys([key(2)], ["x"]).rows() == [("x", "eventProps", "c"), ("x", "eventProps", "a")]
    assert days.view().keys([key(1)], []).rows() == []


def test_the_record_counts_each_name(tmp_path: Path) -> None:
    record = EventDays(tmp_path).put(1, [event("x"), event("y"), event("x", eventProps={"a": 1})])
    assert record.names == (NameCount("x", 2, 11), NameCount("y", 1, 2))


def test_the_state_of_partitions_changes_with_their_input_alone(tmp_path: Path) -> None:
    days = EventDays(tmp_path)
    days.put(1, [event("x")])
    days.put(2, [event("y")])
    before = [days.view().state_of([key(1)]), days.view().state_of([key(1), key(2)])]
    days.put(2, [event("z")])
    after = [days.view().state_of([key(1)]), days.view().state_of([key(1), key(2)])]
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)


def test_events_lie_in_their_ids_instance(tmp_path: Path) -> None:
    days = EventDays(tmp_path, instances=3)
    days.put(1, [event(who=f"id{number}") for number in range(20)])
    view = days.view()
    for instance in view.instances([key(1)]):
        for rows in view.slices([key(1)], instance):
            assert rows.select((pl.col("h") % 3 == instance) & (pl.col("instance") == instance)).to_series().all()
    assert days.events(1).height == 20


def test_an_ingest_killed_before_its_commit_leaves_nothing_to_be_seen(tmp_path: Path) -> None:
    child = Path(__file__).with_name("event_killed_child.py")
    killed = subprocess.run([sys.executable, child, tmp_path], check=False, cwd=child.parent)
    assert killed.returncode == -9
    days = EventDays(tmp_path)
    assert days.view().records() == ()
    days.put(1, [event(who="a")])
    assert days.events(1)["clevertapId"].to_list() == ["a"]
    assert days.lake.sweep(min_age_hours=0) > 0
    assert list((tmp_path / "scratch").glob("*")) == []
    assert days.events(1)["clevertapId"].to_list() == ["a"]


def test_of_two_writers_of_one_partition_the_second_keeps_nothing(tmp_path: Path) -> None:
    days = EventDays(tmp_path)

    with pytest.raises(ConcurrentWrite):
        days.put(1, [_Acting(lambda: days.put(1, [event(who="theirs")]))])
    assert days.events(1)["clevertapId"].to_list() == ["theirs"]
    assert len(list((tmp_path / "lake").rglob("log-*.parquet"))) == 1


class _Acting(dict[str, object]):
    """A row that does something else when it is read."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__(event(who="mine"))
        self._act = act

    def get(self, name: str, default: object = None) -> object:
        if name == "eventName":
            self._act()
        return super().get(name, default)


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
SCALARS = st.none() | st.booleans() | st.integers(-(10**25), 10**25) | st.floats(allow_nan=False) | TEXTS
SCALARS = SCALARS.filter(lambda value: not isinstance(value, float) or abs(value) != float("inf"))
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))
EVENTS = st.lists(
    st.tuples(
        st.sampled_from("xyz"), st.sampled_from(["a", "b", "c", None]), st.dictionaries(TEXTS, VALUES, max_size=4)
    ),
    max_size=12,
)


@settings(max_examples=12, deadline=None)
@given(events=EVENTS, batch_rows=st.integers(1, 5), is_spaced=st.booleans())
def test_what_goes_in_comes_out_each_event_once_and_every_value_equal(
    tmp_path_factory: pytest.TempPathFactory,
    events: list[tuple[str, str | None, dict[str, object]]],
    batch_rows: int,
    *,
    is_spaced: bool,
) -> None:
    days = EventDays(tmp_path_factory.mktemp("law"), batch_rows=batch_rows)
    separators = (", ", ": ") if is_spaced else (",", ":")
    rows = [
        event(name, who, eventProps=json.dumps(props, ensure_ascii=False, separators=separators))
        for name, who, props in events
    ]
    assert days.put(1, rows).rows.kept == len(events)
    found = days.events(1).sort("seq") if events else pl.DataFrame(schema=EVENT_COLUMNS)
    told = [json.loads(text) if text else {} for text in found["eventProps"]]
    assert [
        (*pair, json.dumps(props))
        for pair, props in zip(found.select("eventName", "clevertapId").rows(), told, strict=True)
    ] == [(name, who, json.dumps(props)) for name, who, props in events]


def test_a_rerun_writes_the_same_bytes_however_the_batches_are_cut(tmp_path: Path) -> None:
    rows = [event(f"n{i % 3}", f"id{i % 7}" if i % 5 else None, eventProps={f"k{i % 4}": i}) for i in range(60)]
    for name, batch_rows in (("one", 60), ("two", 60), ("three", 60)):
        EventDays(tmp_path / name, batch_rows=batch_rows).put(1, rows)
    contents = [
        [
            path.read_bytes()
            for path in sorted((tmp_path / name / "lake").rglob("*.parquet"), key=_without_attempt)
            if path.parent.parent.name in ("kind=log", "kind=anonymous", "kind=keys")
        ]
        for name in ("one", "two", "three")
    ]
    assert len(contents[0]) > 2
    assert contents[0] == contents[1] == contents[2]


def _without_attempt(path: Path) -> tuple[str, str]:
    return (str(path.parent.name) + str(path.parent.parent.name), path.name[-9:])


def test_how_the_batches_are_cut_changes_no_event_and_no_key(tmp_path: Path) -> None:
    rows = [event(f"n{i % 3}", f"id{i % 7}" if i % 5 else None, eventProps={f"k{i % 4}": i}) for i in range(60)]
    found = []
    for batch_rows in (1, 7, 60):
        days = EventDays(tmp_path / str(batch_rows), batch_rows=batch_rows)
        days.put(1, rows)
        found.append((days.events(1).rows(), days.view().keys([key(1)]).rows()))
    assert found[0] == found[1] == found[2]
