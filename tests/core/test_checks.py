"""What is usual: bounds from the partitions before, and what they find."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.core.checks import FEWEST, Drift, drift, unusual_shares, usual_rows, usual_share
from ctexport_dagster.core.figures import Figures
from ctexport_dagster.core.manifest import Mode

STEADY = [1000, 1040, 980, 1010, 990, 1020]


@pytest.mark.parametrize(
    ("rows", "mode", "usual"),
    [
        (1000, "incremental", True),
        (1450, "incremental", True),
        (1600, "incremental", False),
        (400, "incremental", False),
        (0, "incremental", False),
        (1150, "full", True),
        (1350, "full", False),
        (650, "full", False),
    ],
)
def test_a_volume_is_usual_within_half_of_an_increments_median_and_a_fifth_of_a_full_ones(
    rows: int, mode: Mode, usual: bool
) -> None:
    bounds = usual_rows(STEADY, mode)
    assert bounds is not None
    assert bounds.hold(rows) == usual


def test_volumes_that_swing_are_given_more_room():
    swinging = usual_rows([1000, 2000, 500, 1500, 1000, 2500, 700], "incremental")
    assert swinging is not None
    assert swinging.hold(3000)
    assert not swinging.hold(0)


@given(st.lists(st.integers(0, 10_000_000), min_size=FEWEST, max_size=14), st.sampled_from(["full", "incremental"]))
def test_one_wild_day_among_steady_ones_moves_nothing_and_the_median_is_always_usual(rows: list[int], mode: Mode):
    bounds = usual_rows(rows, mode)
    assert bounds is not None
    assert bounds.hold(sorted(rows)[len(rows) // 2]) or len(rows) % 2 == 0
    assert bounds.low >= 0
    steady = [1000] * (2 * len(rows))
    assert usual_rows([*steady, max(rows)], mode) == usual_rows([*steady, 1000], mode)


@pytest.mark.parametrize("past", [[], STEADY[: FEWEST - 1]])
def test_too_few_partitions_call_nothing_usual(past: list[int]):
    assert usual_rows(past, "full") is None
    assert usual_share([0.5 for _ in past], 1000) is None


def figures(rows: int, **blanks: int) -> Figures:
    return Figures(rows, blanks)


PAST = [figures(10_000, Email=1000 + 10 * day, Phone=0) for day in range(8)]


def test_a_column_that_is_blank_far_more_often_is_found_with_what_was_usual():
    (found,) = unusual_shares(figures(10_000, Email=9000, Phone=3), PAST)
    assert (found.header, found.share) == ("Email", 0.9)
    assert found.usual.low < 0.1035 < found.usual.high < 0.2


def test_a_column_that_is_suddenly_never_blank_is_found():
    assert [one.header for one in unusual_shares(figures(10_000, Email=0, Phone=0), PAST)] == ["Email"]


def test_few_rows_may_stray_by_chance():
    assert unusual_shares(figures(10, Email=6, Phone=0), PAST) == []


def test_a_column_that_few_partitions_had_is_not_judged():
    past = [*PAST, *(figures(10_000, Email=1000, Phone=0, tier=0) for _ in range(FEWEST - 1))]
    assert unusual_shares(figures(10_000, Email=1000, Phone=0, tier=10_000), past) == []
    assert [one.header for one in unusual_shares(figures(10_000, tier=10_000), [*past, figures(9_000, tier=0)])] == [
        "tier"
    ]


def test_partitions_without_rows_neither_judge_nor_are_judged():
    assert unusual_shares(figures(0, Email=0), PAST) == []
    assert unusual_shares(figures(10_000, Email=10_000), [figures(0, Email=0)] * FEWEST) == []


@pytest.mark.req("P22")
def test_a_drift_names_what_came_went_and_changed_its_type():
    before = {"Email": "string", "age": "integer", "plan": "string", "blank": "unknown"}
    now = {"Email": "string", "age": "float64", "tier": "string", "blank": "date"}
    assert drift(before, now) == Drift(added=("tier",), removed=("plan",), retyped=("age: integer → float64",))


@given(st.dictionaries(st.text(max_size=3), st.sampled_from(["string", "unknown", "date"]), max_size=6))
def test_columns_that_stay_are_no_drift(columns: dict[str, str]):
    assert drift(columns, columns).is_none
