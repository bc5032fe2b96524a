"""The lake against a model of plain dictionaries: whatever happens, in whichever order days are run again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lake_days import Days, Row, key, profiles

from ctexport_dagster.core.changes import classify
from ctexport_dagster.lake import LakeView, maintain

State = dict[str, dict[str, object]]
IDS = ("a", "b", "c", "d", "e")
FIELDS = ("Plan", "plan", "tags")
TYPES = {"Plan": pl.String, "tags": pl.List(pl.String)}
DAYS = 3


@dataclass(frozen=True)
class Day:
    """What a source gives for one day."""

    columns: tuple[str, ...]
    number_type: pl.DataType
    rows: tuple[Row, ...]


@st.composite
def days(draw: st.DrawFn, *, with_time: bool) -> Day:
    present = [name for name in FIELDS if draw(st.integers(0, 3))]
    is_float = draw(st.booleans())
    keys = ["clevertapId", "clevertapIds", "identity"] + (["updatedAt", "deleted"] if with_time else [])
    rows = draw(st.lists(_rows(is_float=is_float), max_size=7))
    return Day((*keys, *present), pl.Float64() if is_float else pl.Int64(), tuple(rows))


@st.composite
def _rows(draw: st.DrawFn, *, is_float: bool) -> Row:
    instants = st.integers(0, 3).map(lambda hour: datetime(2026, 11, 1, hour, tzinfo=UTC))
    return {
        "clevertapId": draw(st.sampled_from((*IDS, *IDS, *IDS, None))),
        "clevertapIds": draw(st.none() | st.lists(st.sampled_from(IDS), max_size=2)),
        "identity": draw(st.none() | st.just(["u1"]) | st.just(["u1", "u2"])),
        "updatedAt": draw(st.none() | instants),
        "deleted": draw(st.sampled_from([False, False, False, True])),
        "Plan": draw(st.none() | st.sampled_from(["x", "y", ""])),
        "plan": draw(st.none() | st.sampled_from([1.0, 1.5] if is_float else [1, 2])),
        "tags": draw(st.none() | st.just(["t"])),
    }


def _values(row: Row, day: Day, before: Mapping[str, object] | None, known: set[str]) -> dict[str, object]:
    """A row's values; a field that the day's source had no column for keeps its last value."""
    kept = {name: (before or {}).get(name) for name in known - set(day.columns)}
    own = {name: row[name] for name in FIELDS if name in day.columns}
    ids = frozenset(row["clevertapIds"] or ())  # type: ignore[arg-type]
    return {"identity": row["identity"], "clevertapIds": ids, **own, **kept}


def snapshot_after(before: State, day: Day, known: set[str]) -> State:
    after: State = {}
    told = {str(row["clevertapId"]) for row in day.rows if row["clevertapId"]}
    if any(row["clevertapId"] is None for row in day.rows):
        after = {identifier: values for identifier, values in before.items() if identifier not in told}
    for identifier in told:
        copies = [_values(r, day, before.get(identifier), known) for r in day.rows if r["clevertapId"] == identifier]
        if all(copy == copies[0] for copy in copies):
            after[identifier] = copies[0]
        elif identifier in before:
            after[identifier] = before[identifier]
    return after


def changes_after(before: State, day: Day, known: set[str]) -> State:
    words: list[tuple[tuple[datetime, int], str, Row | None]] = []
    for number, row in enumerate(day.rows):
        if row["clevertapId"] is None:
            continue
        moment = (row["updatedAt"] or datetime(1, 1, 1, tzinfo=UTC), number)
        words.append((moment, str(row["clevertapId"]), None if row["deleted"] else row))  # type: ignore[arg-type]
        if not row["deleted"]:
            others = [i for i in row["clevertapIds"] or () if i != row["clevertapId"]]  # type: ignore[union-attr]
            words.extend((moment, other, None) for other in others)  # type: ignore[misc]
    after = dict(before)
    for identifier in {word[1] for word in words}:
        _, _, last = max((word for word in words if word[1] == identifier), key=lambda word: word[0])
        after.pop(identifier, None)
        if last is not None:
            after[identifier] = _values(last, day, before.get(identifier), known)
    return after


def states_of(history: list[Day], mode: str) -> list[State]:
    """The state before the first day, and after each."""
    states: list[State] = [{}]
    known: set[str] = set()
    for day in history:
        step = snapshot_after if mode == "snapshot" else changes_after
        after = step(states[-1], day, known)
        known |= set(day.columns) & set(FIELDS)
        states.append({i: {**dict.fromkeys(known), **values} for i, values in after.items()})
    return states


def put(lake: Days, number: int, day: Day) -> None:
    lake.types = {**TYPES, "plan": day.number_type}
    lake.put(number, day.rows, day.columns)


def mend(lake: Days, history: list[Day]) -> None:
    """Writes stale days again, oldest first, as the catch-up does."""
    while stale := lake.view().stale():
        number = next(n for n in range(1, len(history) + 1) if key(n) == stale[0])
        put(lake, number, history[number - 1])


def check(lake: Days, history: list[Day]) -> None:
    states, view = states_of(history, lake.mode), lake.view()
    for number in range(1, len(history) + 1):
        assert states[number] == lake.state(number, view)
        check_touched(lake, view, states, number, number)
    check_touched(lake, view, states, max(1, len(history) - 1), len(history))


def check_touched(lake: Days, view: LakeView, states: list[State], first: int, last: int) -> None:
    """What some days touched gives exactly the difference between two states, and the counts add up."""
    before, after = states[first - 1], states[last]
    schema = view.schema_as_of(key(last))
    parts = lake.touched(*range(first, last + 1), view=view)
    changes = [classify(part.before, part.after, schema) for part in parts]
    exported = profiles([change.exported for change in changes], schema)
    missing: dict[str, object] = {field.name: None for field in schema.fields}
    earlier = {i: {**missing, **values} for i, values in before.items()}
    assert {i: v for i, v in after.items() if earlier.get(i) != v} == exported
    gone = sorted(i for change in changes for i in change.tombstones["clevertapId"])
    assert sorted(set(before) - set(after)) == gone
    tallies = [view.listing.history.record(key(n)).rows for n in range(first, last + 1)]
    accounted = sum(t.unchanged + t.superseded + t.quarantined for t in tallies)
    accounted += sum(part.superseded for part in parts) + sum(change.unchanged.height for change in changes)
    assert sum(tally.source for tally in tallies) == accounted + len(exported)


@st.composite
def histories(draw: st.DrawFn, *, with_time: bool) -> tuple[list[Day], list[tuple[int, Day]]]:
    first = [draw(days(with_time=with_time)) for _ in range(DAYS)]
    reruns = draw(st.lists(st.tuples(st.integers(1, DAYS), days(with_time=with_time)), max_size=2))
    return first, reruns


def run(mode: str, instances: int, plan: tuple[list[Day], list[tuple[int, Day]]], bases: set[int]) -> None:
    history, reruns = plan
    with TemporaryDirectory() as folder:
        lake = Days(Path(folder), mode=mode, instances=instances)  # type: ignore[arg-type]
        for number, day in enumerate(history, start=1):
            put(lake, number, day)
            if number in bases:
                maintain(lake.lake, key(number))
        check(lake, history)
        for number, day in reruns:
            history = [*history[: number - 1], day, *history[number:]]
            put(lake, number, day)
            mend(lake, history)
            check(lake, history)


@pytest.mark.req("P22", "P25", "P26", "B4")
@settings(max_examples=7, deadline=None)
@given(histories(with_time=False), st.sampled_from([1, 3]), st.sets(st.integers(1, DAYS)))
def test_any_history_of_snapshots_reads_as_the_model_says_after_any_reruns(plan, instances, bases) -> None:
    run("snapshot", instances, plan, bases)


@pytest.mark.req("P22", "P25", "P26", "B4")
@settings(max_examples=7, deadline=None)
@given(histories(with_time=True), st.sampled_from([1, 3]), st.sets(st.integers(1, DAYS)))
def test_any_history_of_changes_reads_as_the_model_says_after_any_reruns(plan, instances, bases) -> None:
    run("changes", instances, plan, bases)
