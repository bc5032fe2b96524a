"""The days that a one-time export covers."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ctexport_dagster.core.ranges import DateRange, Days, days_of, reaches_too_far

DAYS = st.dates(date(2020, 1, 1), date(2035, 12, 31))


@pytest.mark.req("L3")
@pytest.mark.parametrize(
    ("declared", "first", "end"),
    [
        (None, date(2026, 11, 15), date(2026, 11, 16)),
        ("previous_month", date(2026, 10, 1), date(2026, 11, 1)),
        ("current_month", date(2026, 11, 1), date(2026, 11, 16)),
        (DateRange.model_validate({"from": "2026-11-01", "to": "2026-11-07"}), date(2026, 11, 1), date(2026, 11, 8)),
    ],
)
def test_a_range_is_resolved_as_seen_from_start(declared, first: date, end: date) -> None:
    assert days_of(declared, date(2026, 11, 15)) == Days(first, end)


@pytest.mark.req("L3")
@given(DAYS)
def test_the_previous_month_ends_where_the_current_one_begins_and_that_one_with_start(start: date) -> None:
    previous, current = days_of("previous_month", start), days_of("current_month", start)
    assert previous.end == current.first
    assert current.end == start + timedelta(days=1)
    assert previous.first.day == current.first.day == 1
    assert 28 <= previous.count <= 31
    assert start in current
    assert start not in previous


@given(DAYS, st.integers(0, 400))
def test_a_range_of_dates_holds_both_of_its_ends_and_nothing_beyond(first: date, more: int) -> None:
    last = first + timedelta(days=more)
    days = days_of(DateRange.model_validate({"from": first, "to": last}), first)
    assert (first in days, last in days, days.count) == (True, True, more + 1)
    assert last + timedelta(days=1) not in days


def test_a_range_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValidationError, match="to must not lie before from"):
        DateRange.model_validate({"from": "2026-11-07", "to": "2026-11-01"})


@pytest.mark.req("L3")
@given(DAYS, st.integers(0, 200), st.integers(1, 90))
def test_the_look_back_counts_from_start_to_the_first_day(start: date, back: int, bound: int) -> None:
    days = Days(start - timedelta(days=back), start + timedelta(days=1))
    assert reaches_too_far(days, start, look_back_days=bound) == (back > bound)
