"""The demo source: the same profiles each time, a plausible history, and changes that agree with the snapshots."""

from datetime import date, timedelta
from pathlib import Path
from typing import cast

import polars as pl
import pytest

from ctexport_dagster.core.normalise.normaliser import Normaliser
from ctexport_dagster.core.schema import SourceSchema, ValueType
from ctexport_dagster.core.source import RawBatch
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.demo.source import BAD_ROWS, DemoSource, step_of

NOWHERE = Surroundings(Path("/nowhere"))
START = date(2026, 10, 20)


def demo(**settings: object) -> DemoSource:
    return DemoSource.model_validate(
        {"name": "demo", "start": START, "profiles": 2_000, "daily_changes": 0.1, **settings}
    )


def batches(source: DemoSource, days: int = 0) -> list[RawBatch]:
    key = (START + timedelta(days=days)).isoformat()
    return list(source.open(NOWHERE).profiles(key, source.cadence.window_of(key)).batches())


def rows(source: DemoSource, days: int = 0) -> pl.DataFrame:
    """The good rows of a day."""
    return pl.concat([batch.frame for batch in batches(source, days)[:-1]])


def state(source: DemoSource, days: int) -> dict[str, dict[str, object]]:
    """clevertapId → everything that a change counts by."""
    frame = rows(source, days).drop("updatedAt").filter(~pl.col("Lifetime Value").is_nan().fill_null(value=False))
    return {row["clevertapId"]: {n: v for n, v in row.items() if v is not None} for row in frame.iter_rows(named=True)}


def listed_ids(profiles: dict[str, dict[str, object]]) -> set[object]:
    """Every id that some profile lists as its own."""
    return {i for row in profiles.values() for i in cast("list[str]", row["clevertapIds"])}


@pytest.mark.req("B9")
def test_a_day_comes_out_the_same_each_time():
    first, second = (rows(demo(), 3) for _ in range(2))
    assert first.equals(second)


def test_another_seed_gives_other_profiles():
    assert not set(rows(demo())["clevertapId"]) & set(rows(demo(seed=2))["clevertapId"])


def test_the_first_day_has_as_many_profiles_as_declared():
    assert rows(demo())["clevertapId"].n_unique() == rows(demo()).height == 2_000


def test_any_later_day_can_be_had_at_once():
    assert rows(demo(), 1_000).height > 2_000


def test_a_day_changes_its_share_of_the_profiles():
    before, after = state(demo(), 9), state(demo(), 10)
    changed = [i for i in before if i in after and before[i] != after[i]]
    assert 0.05 < len(changed) / len(before) < 0.15


def test_some_changes_are_taken_back_the_next_day():
    days = [state(demo(), day) for day in (9, 10, 11)]
    assert any(days[0][i] == days[2][i] != days[1][i] for i in days[0].keys() & days[1].keys() & days[2].keys())


def test_profiles_come_merge_and_go():
    before, after = state(demo(), 0), state(demo(), 40)
    listed = listed_ids(after)
    gone = before.keys() - after.keys()
    assert after.keys() - before.keys()
    assert gone & listed
    assert gone - listed


@pytest.mark.parametrize("day", [1, 2, 13, 20, 31])
def test_the_changes_of_a_day_hold_every_profile_that_differs_and_each_that_left(day: int):
    before, after = state(demo(), day - 1), state(demo(), day)
    given = rows(demo(mode="changes"), day)
    deleted = set(given.filter("deleted")["clevertapId"])
    listed = listed_ids(after)
    touched = {row["clevertapId"]: row for row in given.filter(~pl.col("deleted")).iter_rows(named=True)}
    assert {i for i in after if before.get(i) != after[i]} <= touched.keys()
    assert all(touched[i]["Plan"] == after[i]["Plan"] for i in touched.keys() & after.keys())
    assert before.keys() - after.keys() <= deleted | listed
    assert not deleted & after.keys()


def test_the_first_changes_are_everybody():
    assert rows(demo(mode="changes")).height == 2_000


@pytest.mark.req("P22")
def test_loyalty_tier_appears_on_the_second_day_for_those_who_change_from_then_on():
    assert "loyalty_tier" not in rows(demo(), 0).columns
    second = rows(demo(), 1)["loyalty_tier"]
    assert 0 < len(second) - second.null_count() < len(second) / 2


@pytest.mark.req("B6")
def test_a_handful_of_rows_is_refused_each_day_and_counted():
    source = demo(profiles=12_000)
    normaliser = Normaliser(source, SourceSchema())
    results = [normaliser.normalise(batch) for batch in batches(source)]
    reasons = pl.concat([result.quarantined for result in results])["reason"].to_list()
    assert sorted(reasons) == ["missing_id"] * BAD_ROWS + ["not_finite"]
    assert sum(result.frame.height for result in results) == 12_000 - 1


@pytest.mark.req("P31")
def test_there_are_properties_of_every_type_and_names_that_differ_by_case():
    normaliser = Normaliser(demo(), SourceSchema())
    for batch in batches(demo()):
        normaliser.normalise(batch)
    assert {field.type for field in normaliser.present} == set(ValueType) - {ValueType.UNKNOWN}
    assert {"Plan", "plan", "Customer Type", "crm_id", "Lat", "Long", "CT_Test_User"} <= {
        f.name for f in normaliser.present
    }


@pytest.mark.req("P16", "P32")
def test_names_are_of_many_scripts_and_a_few_phones_are_not_e_164():
    frame = rows(demo(profiles=5_000))
    names = " ".join(frame["Name"].drop_nulls())
    assert all(letter in names for letter in ("é", "П", "ד", "शर्मा", "美", "지", "محمد", "☀️", "🚀"))
    phones = frame["Phone"].drop_nulls()
    good = phones.str.contains(r"^\+1\d{10}$").sum()
    assert 0 < len(phones) - good < len(phones) / 100


def test_some_have_no_identifier_and_some_several_identities():
    frame = rows(demo())
    bare = frame.filter(pl.col("identity").is_null() & pl.col("Email").is_null() & pl.col("Phone").is_null())
    assert bare.height > 0
    assert frame.filter(pl.col("identity").list.len() > 1).height > 0
    assert frame.filter(pl.col("clevertapIds").list.len() > 1).height > 0


def test_updates_lie_within_the_window_of_their_change():
    source = demo(mode="changes", timezone="Europe/Berlin")
    for day in range(4, 8):
        key = (START + timedelta(days=day)).isoformat()
        window = source.cadence.window_of(key)
        assert all(instant in window for instant in rows(source, day)["updatedAt"])


@pytest.mark.parametrize("every", ["3h", "6h"])
def test_hourly_windows_differ_from_each_other_and_agree_with_their_changes(every: str):
    source = demo(every=every, timezone="Europe/Berlin")
    windows = [source.cadence.first]
    for _ in range(3):
        windows.append(source.cadence.window_from(windows[-1].end))
    assert [step_of(source.cadence, window) for window in windows] == [0, 1, 2, 3]
    prints = [source.open(NOWHERE).profiles(source.cadence.key_of(w), w).fingerprint for w in windows]
    assert len(set(prints)) == 4


def test_the_row_estimate_is_close():
    source = demo()
    key = START.isoformat()
    estimate = source.open(NOWHERE).profiles(key, source.cadence.window_of(key)).row_estimate
    assert abs(estimate - rows(source).height) < 100
