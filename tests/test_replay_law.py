"""The laws of increments, under random histories: what full and incremental partitions say together is the truth."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Literal

import polars as pl
import pytest
from histories import ELSEWHERE, KEYS, START, History, State, changed, fields_of, history, living_rows, states
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from line_fakes import Given, MemoryDeclaration, Ran, TinyHome

from ctexport_dagster import reader
from ctexport_dagster.core.errors import PartitionStale
from ctexport_dagster.core.export import FormatType
from ctexport_dagster.core.source import SourceMode
from ctexport_dagster.lake import Tuning
from ctexport_dagster.line import Line

DAYS = 4
TINY = Tuning(
    slice_rows=2, spill_bytes=200, group_rows=2, small_group_rows=1, file_rows=3, base_after_logs=2, most_layers=3
)
DIFFERENCES = Path(tempfile.gettempdir()) / "ctexport-differences"
SEARCH = [Phase.explicit, Phase.generate]
"""Without shrinking: an example takes seconds, and shrinking one minutes. To study a failure, leave it out."""
SEEDS = st.integers(0, 2**64)
HOURS: tuple[Literal[12, 24], ...] = (24, 12)
MODES: tuple[SourceMode, ...] = ("snapshot", "changes")


@dataclass(frozen=True)
class Case:
    """A history, and how it is told and exported."""

    history: History
    hours: Literal[12, 24]
    instances: int
    formats: tuple[FormatType, ...]
    values: Literal["single", "all"]
    tuning: Tuning

    @property
    def per_day(self) -> int:
        return 24 // self.hours

    @property
    def days(self) -> list[str]:
        count = len(self.history.given) // self.per_day
        return [(START.date() + timedelta(days=day)).isoformat() for day in range(count)]

    @property
    def source_partitions(self) -> list[str]:
        if self.hours == 24:
            return self.days
        instants = (START + timedelta(hours=12 * number) for number in range(len(self.history.given)))
        return [f"{instant:%Y-%m-%dT%H%MZ}" for instant in instants]

    def states(self, told: History | None = None) -> list[State]:
        """The oracle's state at the end of each day."""
        return states(told or self.history)[self.per_day - 1 :: self.per_day]


def case_of(seed: int, mode: SourceMode, hours: Literal[12, 24], extra: tuple[FormatType, ...] = ()) -> Case:
    chance = Random(seed)
    return Case(
        history=history(mode, DAYS * 24 // hours, seed),
        hours=hours,
        instances=chance.choice([1, 1, 3]),
        formats=("json", "csv", *extra),
        values=chance.choice(["single", "all"]),
        tuning=chance.choice([Tuning(), TINY]),
    )


def cases(*, extra: tuple[FormatType, ...] = ()) -> st.SearchStrategy[Case]:
    return st.builds(case_of, SEEDS, st.sampled_from(MODES), st.sampled_from(HOURS), st.just(extra))


@contextmanager
def home_of(case: Case) -> Iterator[TinyHome]:
    """A home whose source has told the whole history; the lake has none of it yet."""
    declaration = MemoryDeclaration(
        name="crm",
        mode=case.history.mode,
        every=case.hours,
        start=START.date(),
        instances=case.instances,
        max_deleted=1,
    )
    with tempfile.TemporaryDirectory(prefix="ctexport-law-") as folder:
        home = TinyHome(Path(folder), declaration, case.tuning)
        for partition, told in zip(case.source_partitions, case.history.given, strict=True):
            home.tell(partition, told)
        yield home


def increments_of(home: TinyHome, case: Case) -> list[Line]:
    schedule = {"every": 24}
    identity = {"values": case.values, "order": ["Identity", "Email", "visits"], "all_identities": True}
    columns = {"communication": "all"}
    return [
        home.line(f"changed_{kind}", format=kind, schedule=schedule, identity=identity, columns=columns)
        for kind in case.formats
    ]


def full_of(home: TinyHome, line: Line) -> Line:
    """The same export, as a full one."""
    declared = line.export.model_dump(exclude={"name", "schedule"})
    return home.line(f"full_{line.name}", **declared, schedule={"every": 24, "mode": "full"})


def comparable(row: reader.Row) -> reader.Row:
    """A row less what doesn't count as a change: the device, and the order of ids."""
    kept = {key: value for key, value in row.items() if key != "device"}
    ids = kept.get("clevertapIds", ())
    assert isinstance(ids, tuple)
    return {**kept, "clevertapIds": tuple(sorted(set(ids)))}


def replayed(home: TinyHome, line: Line, day: str, living: State) -> dict[str, reader.Row]:
    """The state that full and increments tell, less the profiles that are gone: nothing delivered tells of those."""
    delivery = reader.open_delivery(home.delivered_to(line))
    return {key: comparable(row) for key, row in delivery.state(day) if key in living}


def delivered(home: TinyHome, line: Line, day: str) -> dict[str, reader.Row]:
    rows = [*reader.open_delivery(home.delivered_to(line)).partition(day).rows()]
    found = {str(row["clevertapId"]): comparable(row) for row in rows}
    assert len(found) == len(rows)
    return found


def assert_right(home: TinyHome, case: Case, lines: Sequence[Line], truth: Sequence[State]) -> None:
    """Everything that was delivered, against the oracle and against full states resolved freshly."""
    full = full_of(home, lines[0])
    for state, day in zip(truth, case.days, strict=True):
        home.run(full, day)
        fresh = delivered(home, full, day)
        assert {key: fields_of(dict(row)) for key, row in fresh.items()} == {k: fields_of(p) for k, p in state.items()}
        for line in lines:
            assert replayed(home, line, day, state) == fresh


def assert_increments(home: TinyHome, case: Case, line: Line, runs: Mapping[str, Ran], truth: Sequence[State]) -> None:
    """Each partition has exactly the created and updated profiles, and its row sum holds."""
    per_day = case.per_day
    for number, day in enumerate(case.days):
        manifest = runs[day].outcome.manifest
        wanted = set(truth[0]) if number == 0 else changed(truth[number - 1], truth[number])
        assert set(delivered(home, line, day)) == wanted
        assert manifest.rows.exported == len(wanted) == sum(file.rows for file in manifest.files)
        assert manifest.rows.adds_up
        if number:
            assert manifest.mode == "incremental"
            assert manifest.rows.tombstones == len(truth[number - 1].keys() - truth[number].keys())
            told = case.history.given[number * per_day : (number + 1) * per_day]
            assert manifest.rows.source == sum(living_rows(given) for given in told)


def assert_same(first: Ran, second: Ran) -> None:
    """Same names, same bytes; else both outputs are kept to be studied."""
    if first.contents != second.contents:
        for name, run in (("first", first), ("second", second)):
            folder = DIFFERENCES / first.chunks.attempt / name
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            for file, content in run.contents.items():
                (folder / file).write_bytes(content)
    assert list(first.contents) == list(second.contents)
    assert first.contents == second.contents, f"both outputs are kept in {DIFFERENCES / first.chunks.attempt}"


def run_everything(home: TinyHome, case: Case, lines: Sequence[Line]) -> dict[str, dict[str, Ran]]:
    for partition in case.source_partitions:
        home.ingest(partition)
    return {line.name: {day: home.run(line, day) for day in case.days} for line in lines}


def check_the_law(case: Case) -> None:
    with home_of(case) as home:
        truth, lines = case.states(), increments_of(home, case)
        runs = run_everything(home, case, lines)
        assert_right(home, case, lines, truth)
        for line in lines:
            assert_increments(home, case, line, runs[line.name], truth)
        for partition in case.source_partitions:
            assert not home.ingest(partition, run_id="again").is_new
        for line in lines:
            for day in reversed(case.days):
                again = home.run(line, day, run_id="again")
                assert_same(runs[line.name][day], again)
                assert again.outcome.status == "unchanged"


@pytest.mark.req("P22", "P25", "P26", "B1", "B2", "B10")
@given(cases())
@settings(max_examples=18, phases=SEARCH)
def test_full_and_increments_replay_to_the_state_of_every_day(case: Case) -> None:
    check_the_law(case)


@pytest.mark.req("P26", "P28", "P30")
@given(cases(extra=("xml", "parquet")))
@settings(max_examples=5, phases=SEARCH)
def test_the_same_holds_in_every_format(case: Case) -> None:
    check_the_law(case)


@pytest.mark.req("P22")
@pytest.mark.parametrize("mode", MODES)
def test_a_profile_that_comes_back_has_no_value_of_a_column_that_is_gone_by_then(mode: SourceMode) -> None:
    """Its old value died with it, though that of the others lives on."""
    with_plan, without = {**KEYS, "plan": pl.String()}, {**KEYS, "vip": pl.Boolean()}
    a, b = {"clevertapId": "a", "plan": "one"}, {"clevertapId": "b", "plan": "two"}
    if mode == "snapshot":
        told = (Given(with_plan, (a, b)), Given(with_plan, (b,)))
        told += (Given(without, ({"clevertapId": "a"}, {"clevertapId": "b"})),)
    else:
        columns = {"deleted": pl.Boolean()}
        told = (Given(with_plan, (a, b)), Given(with_plan | columns, ({"clevertapId": "a", "deleted": True},)))
        told += (Given(without, ({"clevertapId": "a", "vip": True}, {"clevertapId": "b", "vip": True})),)
    case = Case(History(mode, told), 24, 1, ("json",), "single", Tuning())
    assert case.states()[-1]["a"].get("plan") is None
    assert case.states()[-1]["b"]["plan"] == "two"
    check_the_law(case)


@pytest.mark.req("B10", "P25")
def test_a_profile_that_moved_lives_though_another_one_lists_its_id() -> None:
    """Its row is a tombstone in the instance that it left, and of nobody's death."""
    a, d = {"clevertapId": "a", "plan": "one"}, {"clevertapId": "d", "plan": "two"}
    first = Given({**KEYS, "plan": pl.String()}, (a, {**d, "instanceId": 5}))
    second = Given({**KEYS, "plan": pl.String()}, (d, {**a, "clevertapIds": ["a", "d"]}))
    check_the_law(Case(History("snapshot", (first, second)), 24, 1, ("json",), "single", Tuning()))


@pytest.mark.req("B10", "B6")
@pytest.mark.parametrize("mode", MODES)
def test_a_profile_given_in_two_instances_at_once_is_never_sent_twice(mode: SourceMode) -> None:
    """Of changes the last word counts; a snapshot contradicts itself, and both rows are refused."""
    rows = ({"clevertapId": "b", "instanceId": ELSEWHERE}, {"clevertapId": "b"}, {"clevertapId": "c"})
    told = Given({**KEYS, "plan": pl.String()}, rows)
    case = Case(History(mode, (told,)), 24, 1, ("json",), "single", Tuning())
    assert [*case.states()[0]] == (["b", "c"] if mode == "changes" else ["c"])
    check_the_law(case)


def retold(case: Case, number: int, seed: int) -> tuple[Case, int, Given]:
    """A case, the number of one of its partitions, and what the source says of that one the second time."""
    number %= len(case.history.given)
    return case, number, history(case.history.mode, number + 1, seed).given[number]


@pytest.mark.req("P26", "B10")
@given(st.builds(retold, cases(), st.integers(0, 7), SEEDS))
@settings(max_examples=10, phases=SEARCH)
def test_a_retold_old_partition_makes_stale_ones_refused_and_then_every_later_state_right(
    told: tuple[Case, int, Given],
) -> None:
    case, number, anew = told
    given_now = (*case.history.given[:number], anew, *case.history.given[number + 1 :])
    with home_of(case) as home:
        lines = increments_of(home, case)[:1]
        run_everything(home, case, lines)
        home.tell(case.source_partitions[number], anew)
        home.ingest(case.source_partitions[number])
        mend(home, case, lines[0])
        for day in case.days:
            home.run(lines[0], day)
        assert_right(home, case, lines, case.states(History(case.history.mode, given_now)))


def mend(home: TinyHome, case: Case, line: Line) -> None:
    """Ingests stale partitions until none is left; on the way, exports that would read one are refused."""
    for _ in case.source_partitions:
        stale = line.lake.view().stale()
        if not stale:
            return
        affected = case.days[case.source_partitions.index(stale[0]) // case.per_day]
        with pytest.raises(PartitionStale, match=f"{stale[0]} again"):
            home.run(line, affected)
        home.ingest(stale[0])
    assert line.lake.view().stale() == ()
