"""Versions of a declaration: what an edit does to the partitions after it, and never to those before."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from line_fakes import Given, Ran, TinyHome

from ctexport_dagster import reader
from ctexport_dagster.core.export import Export
from ctexport_dagster.core.manifest import Mode
from ctexport_dagster.core.versions import Versions, mode_of
from ctexport_dagster.line import Line

DAYS = tuple((date(2026, 11, 18) + timedelta(days=n)).isoformat() for n in range(6))
CONTENTS = ("identity", "columns", "format")
RUNS = st.lists(st.tuples(st.sampled_from(CONTENTS), st.integers(0, len(DAYS) - 2)), max_size=12)


def after(versions: Versions, content: str, day: int) -> Versions:
    newest = max(day, DAYS.index(versions.newest)) if versions.newest else day
    following = DAYS[(DAYS.index(versions.newest) if versions.newest else newest) + 1]
    return versions.after_run(content, DAYS[day], following)


@pytest.mark.req("P26")
@given(RUNS)
def test_no_run_ever_moves_or_drops_an_anchor(runs: list[tuple[str, int]]) -> None:
    versions = Versions()
    for content, day in runs:
        known = versions.versions
        versions = after(versions, content, day)
        assert versions.versions[: len(known)] == known


@pytest.mark.req("P26")
@given(RUNS)
def test_every_version_begins_after_all_partitions_that_ran_before_it(runs: list[tuple[str, int]]) -> None:
    versions, newest = Versions(), -1
    for content, day in runs:
        known = len(versions.versions)
        versions = after(versions, content, day)
        for version in versions.versions[known:]:
            assert DAYS.index(version.anchor) > newest
        newest = max(newest, day)
        assert versions.newest == DAYS[newest]


@pytest.mark.req("P26")
@given(RUNS, st.integers(0, len(DAYS) - 2))
def test_a_run_again_under_the_same_declaration_changes_nothing(runs: list[tuple[str, int]], day: int) -> None:
    versions = Versions()
    for content, ran in runs:
        versions = after(versions, content, ran)
    once = after(versions, "identity", day)
    assert after(once, "identity", day) == once


def test_a_declaration_edited_back_begins_anew() -> None:
    versions = Versions()
    for content, day in (("identity", 0), ("columns", 1), ("identity", 2)):
        versions = after(versions, content, day)
    assert [version.anchor for version in versions.versions] == list(DAYS[:3])


def test_the_first_version_makes_no_partition_full_but_the_first() -> None:
    export = Export(
        name="daily",
        owner="a@b.co",
        source="crm",
        destination="disk",
        account_id=1,
        format="csv",  # pyright: ignore[reportArgumentType]
    )
    versions = after(Versions(), export.content_version, 2)
    modes = [mode_of(export, day, first=DAYS[0], versions=versions, wants_full=False) for day in DAYS[:3]]
    assert modes == ["full", "incremental", "incremental"]


def tell(home: TinyHome, *, appears: int = len(DAYS)) -> None:
    """Four profiles, of which one changes each day; the property `tier` appears on the day of that number."""
    for number, day in enumerate(DAYS):
        columns: dict[str, pl.DataType] = {"clevertapId": pl.String(), "plan": pl.String(), "Email": pl.String()}
        if number >= appears:
            columns["tier"] = pl.String()
        rows = tuple(
            {"clevertapId": f"id{n}", "plan": f"p{number if n == number % 4 else 0}", "Email": f"{n}@example.com"}
            | ({"tier": "gold"} if number >= appears else {})
            for n in range(4)
        )
        home.tell(day, Given(columns, rows))
        home.ingest(day)


def edited(home: TinyHome, **declared: object) -> Line:
    """The same export, edited: its columns now have another order."""
    return home.line("daily", columns={"order": ["plan"]}, **declared)


def modes(ran: list[Ran]) -> list[Mode]:
    return [one.resolved.mode for one in ran]


def headers(ran: Ran) -> list[str]:
    return [column.header for column in ran.resolved.columns]


@pytest.mark.req("P26", "S8")
def test_an_edit_makes_the_next_partition_full_and_that_one_alone(tiny_home: TinyHome) -> None:
    tell(tiny_home)
    before = [tiny_home.run(tiny_home.line("daily"), day) for day in DAYS[:2]]
    since = [tiny_home.run(edited(tiny_home), day) for day in DAYS[2:4]]
    assert modes([*before, *since]) == ["full", "incremental", "full", "incremental"]


@pytest.mark.req("P26")
def test_with_on_edit_increment_an_edit_changes_the_shape_alone(tiny_home: TinyHome) -> None:
    tell(tiny_home)
    tiny_home.run(tiny_home.line("daily"), DAYS[0])
    since = [tiny_home.run(edited(tiny_home, on_edit="increment"), day) for day in DAYS[1:3]]
    assert modes(since) == ["incremental", "incremental"]


@pytest.mark.req("P26", "S8")
def test_an_edit_of_the_schedule_or_the_owner_makes_nothing_full(tiny_home: TinyHome) -> None:
    tell(tiny_home)
    tiny_home.run(tiny_home.line("daily"), DAYS[0])
    elsewhere = tiny_home.line(
        "daily", owner="other@example.com", schedule={"at": "02:00"}, files={"folder": "run_date"}
    )
    assert modes([tiny_home.run(elsewhere, DAYS[1])]) == ["incremental"]


@pytest.mark.req("P26")
def test_old_partitions_run_again_after_an_edit_leave_the_full_one_where_it_is(tiny_home: TinyHome) -> None:
    tell(tiny_home)
    for day in DAYS[:2]:
        tiny_home.run(tiny_home.line("daily"), day)
    line = edited(tiny_home)
    again = [tiny_home.run(line, day) for day in (DAYS[1], DAYS[0], DAYS[1])]
    assert modes(again) == ["incremental", "full", "incremental"]
    since = [tiny_home.run(line, day) for day in (DAYS[2], DAYS[3], DAYS[2], DAYS[3])]
    assert modes(since) == ["full", "incremental", "full", "incremental"]


@pytest.mark.req("P26", "B1")
def test_the_state_replays_over_an_edit(tiny_home: TinyHome) -> None:
    tell(tiny_home)
    for day in DAYS[:2]:
        tiny_home.run(tiny_home.line("daily"), day)
    line = edited(tiny_home)
    for day in (DAYS[0], *DAYS[2:4]):
        tiny_home.run(line, day)
    state = dict(reader.open_delivery(tiny_home.delivered_to(line)).state(DAYS[3]))
    assert {key: row["plan"] for key, row in state.items()} == {"id0": "p0", "id1": "p0", "id2": "p0", "id3": "p3"}


@pytest.mark.req("P22")
def test_a_locked_export_takes_up_a_new_property_with_its_next_edit_alone(tiny_home: TinyHome) -> None:
    tell(tiny_home, appears=2)
    locked = tiny_home.line("daily", columns={"on_new_property": "lock"})
    shapes = [headers(tiny_home.run(locked, day)) for day in DAYS[:4]]
    assert ["tier" in shape for shape in shapes] == [False, False, False, False]
    reopened = tiny_home.line("daily", columns={"on_new_property": "lock", "device": False})
    assert "tier" in headers(tiny_home.run(reopened, DAYS[4]))


@pytest.mark.req("P22", "B2")
def test_a_locked_partition_run_again_later_has_the_bytes_of_its_first_run(tiny_home: TinyHome) -> None:
    tell(tiny_home, appears=1)
    locked = tiny_home.line("daily", columns={"on_new_property": "lock"})
    first = [tiny_home.run(locked, day) for day in DAYS[:4]]
    again = [tiny_home.run(locked, day) for day in reversed(DAYS[:4])]
    assert [ran.contents for ran in reversed(again)] == [ran.contents for ran in first]
    assert {ran.outcome.status for ran in again} == {"unchanged"}


@pytest.mark.req("P22")
def test_an_appending_export_takes_up_a_new_property_where_it_appears(tiny_home: TinyHome) -> None:
    tell(tiny_home, appears=2)
    shapes = [headers(tiny_home.run(tiny_home.line("daily"), day)) for day in DAYS[:3]]
    assert ["tier" in shape for shape in shapes] == [False, False, True]
    assert shapes[2] == [*shapes[1], "tier"]
