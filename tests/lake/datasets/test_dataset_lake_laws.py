"""The laws of the lake of a dataset, over random histories of a table whose types, columns and rows go wrong."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from dataset_days import DatasetDays, batch, column, key
from hypothesis import given, settings
from hypothesis import strategies as st

from ctexport_dagster.core.source import RawBatch

NAMES = ("a", "b", "c")
KINDS: dict[str, tuple[pl.DataType, st.SearchStrategy[object]]] = {
    "small": (pl.Int8(), st.integers(-5, 5)),
    "whole": (pl.Int64(), st.sampled_from([1, -7, 2**53 + 1, 2**63 - 1])),
    "unsigned": (pl.UInt64(), st.sampled_from([1, 2**64 - 1])),
    "float": (pl.Float64(), st.sampled_from([0.5, -2.0, 1e300, float("inf")])),
    "flag": (pl.Boolean(), st.booleans()),
    "text": (pl.String(), st.sampled_from(["", "x", "é\0", "1"])),
    "bytes": (pl.Binary(), st.sampled_from([b"\xff", b"x"])),
    "list": (pl.List(pl.Int64), st.lists(st.sampled_from([1, 2**53 + 1]), max_size=2)),
    "object": (pl.Struct({"x": pl.Int64}), st.fixed_dictionaries({"x": st.integers(0, 3)})),
    "other object": (pl.Struct({"y": pl.String}), st.fixed_dictionaries({"y": st.sampled_from(["1", "2"])})),
}
"""What a column of a batch may hold."""
VARIANT = "\0further"


@dataclass(frozen=True)
class Told:
    """The rows of one batch: by column its kind, and the values of it and of a second kind, if it has one."""

    columns: dict[str, tuple[str, list[object]]]
    further: dict[str, tuple[str, list[object]]]
    rows: int

    def as_batch(self, first: int) -> RawBatch:
        """With the column `n`, in which each row has its number."""
        series = {name: pl.Series(values, dtype=KINDS[kind][0]) for name, (kind, values) in self.columns.items()}
        variants = {
            name + VARIANT: pl.Series(values, dtype=KINDS[kind][0]) for name, (kind, values) in self.further.items()
        }
        numbers = pl.Series(range(first, first + self.rows))
        named = {name: (name + VARIANT,) for name in self.further}
        return batch(first, named, n=numbers, **series, **variants)

    def value(self, name: str, row: int) -> object:
        values = [held[name][1][row] for held in (self.columns, self.further) if name in held]
        return next((value for value in values if value is not None), None)


@st.composite
def batches(draw: st.DrawFn) -> Told:
    rows = draw(st.integers(0, 4))
    columns: dict[str, tuple[str, list[object]]] = {}
    further: dict[str, tuple[str, list[object]]] = {}
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True)):
        kind, other = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=2, max_size=2, unique=True))
        values = draw(st.lists(st.none() | KINDS[kind][1], min_size=rows, max_size=rows))
        columns[name] = (kind, values)
        if draw(st.booleans()):
            more = draw(st.lists(st.none() | KINDS[other][1], min_size=rows, max_size=rows))
            pairs = zip(values, more, strict=True)
            further[name] = (other, [None if value is not None else two for value, two in pairs])
    return Told(columns, further, rows)


HISTORIES = st.lists(st.lists(batches(), max_size=4), min_size=1, max_size=4)


def written(root: Path, history: Sequence[Sequence[Told]], order: Sequence[int] | None = None) -> DatasetDays:
    """The history's days in the lake, in their order or another one; rows are numbered over the days."""
    days = DatasetDays(root)
    for place in order or range(len(history)):
        days.put(place + 1, *raw(history, place))
    return days


def raw(history: Sequence[Sequence[Told]], place: int) -> list[RawBatch]:
    first = sum(told.rows for day in history[:place] for told in day)
    found: list[RawBatch] = []
    for told in history[place]:
        found.append(told.as_batch(first))
        first += told.rows
    return found


def numbers(days: DatasetDays, place: int) -> tuple[list[int], list[int]]:
    """Those of the kept rows of a day, and of the quarantined ones."""
    record = days.view().record(key(place + 1))
    kept = days.rows(place + 1)["n"].to_list() if record.rows.kept else []
    if record.quarantine is None:
        return kept, []
    refused = pl.read_parquet(days.root / "quarantine" / record.quarantine)["row"].to_list()
    return kept, [json.loads(row)["n"] for row in refused]


@pytest.mark.req("B1", "B6")
@settings(max_examples=30, deadline=None)
@given(history=HISTORIES, data=st.data())
def test_every_row_is_kept_or_refused_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, history: list[list[Told]], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(len(history))))
    days = written(tmp_path_factory.mktemp("law"), history, order)
    first = 0
    for place, day in enumerate(history):
        rows = sum(told.rows for told in day)
        kept, refused = numbers(days, place)
        tally = days.view().record(key(place + 1)).rows
        assert (tally.source, tally.kept, tally.quarantined) == (rows, len(kept), len(refused))
        assert sorted([*kept, *refused]) == list(range(first, first + rows))
        assert (kept, refused) == (sorted(kept), sorted(refused))
        first += rows


@pytest.mark.req("A1")
@settings(max_examples=30, deadline=None)
@given(history=HISTORIES)
def test_a_kept_row_has_the_values_that_it_was_given(
    tmp_path_factory: pytest.TempPathFactory, history: list[list[Told]]
) -> None:
    days = written(tmp_path_factory.mktemp("law"), history)
    rows = [(told, row) for day in history for told in day for row in range(told.rows)]
    held = days.rows(*range(1, len(history) + 1))
    for kept in held.iter_rows(named=True):
        told, row = rows[kept["n"]]
        for name in NAMES:
            assert alike(told.value(name, row), kept.get(name)), name


def alike(given_value: object, held: object) -> bool:
    """Whether a value is held as it was given: as another type's number, spelt out, or with new fields."""
    if isinstance(given_value, dict) and isinstance(held, dict):
        return all(alike(given_value.get(name), value) for name, value in held.items())
    if isinstance(held, str) and not isinstance(given_value, str):
        return held == spelt(given_value)
    return given_value == held and isinstance(given_value, bool) == isinstance(held, bool)


def spelt(value: object) -> str:
    if isinstance(value, float) and value == float("inf"):
        return "inf"
    if value == 1e300:
        return "1e+300"
    return json.dumps(value, separators=(",", ":"))


@pytest.mark.req("A3")
@settings(max_examples=20, deadline=None)
@given(history=HISTORIES)
def test_the_rows_of_all_partitions_are_those_of_each_one_after_the_other(
    tmp_path_factory: pytest.TempPathFactory, history: list[list[Told]]
) -> None:
    days = written(tmp_path_factory.mktemp("law"), history)
    every = [key(place + 1) for place in range(len(history))]
    schema = days.view().schema_of(every)
    apart = [frame for one in every for frame in days.view().frames([one], schema=schema)]
    together = list(days.view().frames(every[::-1]))
    assert len(apart) == len(together)
    assert all(one.schema == schema and one.equals(two) for one, two in zip(apart, together, strict=True))


@pytest.mark.req("B2")
@settings(max_examples=12, deadline=None)
@given(history=HISTORIES)
def test_the_same_history_gives_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, history: list[list[Told]]
) -> None:
    lakes = [written(tmp_path_factory.mktemp("law"), history) for _ in range(2)]
    assert contents(lakes[0]) == contents(lakes[1])


def contents(days: DatasetDays) -> list[tuple[str, bytes]]:
    """Every file of rows, kept or quarantined, by its name without the attempt's."""
    found = [path for path in days.files() if path.suffix == ".parquet"]
    return sorted((re.sub("[0-9a-f]{16}", "", str(path.relative_to(days.root))), path.read_bytes()) for path in found)


@pytest.mark.req("B2")
@settings(max_examples=12, deadline=None)
@given(history=HISTORIES, place=st.integers(0, 3))
def test_an_ingest_that_fails_at_any_batch_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, history: list[list[Told]], place: int
) -> None:
    days = written(tmp_path_factory.mktemp("law"), history)
    before = [(path, path.read_bytes()) for path in days.files()]
    given_batches = [batch(n=column(0), a=column("new")), *raw(history, 0)][:place]

    def failing() -> object:
        yield from given_batches
        raise Failed

    with pytest.raises(Failed):
        days.put_input(1, failing, "other")  # pyright: ignore[reportArgumentType]
    assert [(path, path.read_bytes()) for path in days.files()] == before


class Failed(Exception):
    """What a source may raise that nobody expects."""
