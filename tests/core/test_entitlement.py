"""The year's volume beside what is allowed: what adds up, what doesn't, and how often people are told."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ctexport_dagster.core.entitlement import (
    Application,
    Entitlement,
    Level,
    Usage,
    is_warning_due,
    readable_size,
    warned,
    year_of,
)
from ctexport_dagster.core.told import WarnedOfVolume

COUNTS = st.integers(1, 10**6)
NAMES = st.text("abcdef", min_size=1, max_size=4)
APPLICATIONS = st.dictionaries(NAMES, st.builds(Application, profiles=COUNTS, per_profile=COUNTS), max_size=4)
ADD_ONS = st.dictionaries(NAMES, st.integers(1, 10**15), max_size=4)


def used(amount: int, *, allowed: int = 1000, year: int = 2026) -> Usage:
    return Usage(year, allowed, {"daily": amount})


@pytest.mark.req("A11")
@pytest.mark.parametrize(
    ("declared", "allowed_bytes"),
    [
        ({"applications": {"prime": {"profiles": 1_000_000, "per_profile": "500 KB"}}}, 500 * 10**9),
        (
            {
                "applications": {
                    "prime": {"profiles": 1_000_000, "per_profile": "500 KB"},
                    "ultimate": {"profiles": 800_000, "per_profile": "700 KB"},
                }
            },
            560 * 10**9,
        ),
        (
            {
                "applications": {"prime": {"profiles": 1_000_000, "per_profile": "500 KB"}},
                "add_ons": {"distiller": "1 TB", "more": "250 GB"},
            },
            1750 * 10**9,
        ),
        ({"add_ons": {"distiller": "1.5 TB"}}, 1500 * 10**9),
    ],
)
def test_the_largest_application_counts_and_every_add_on(declared: Mapping[str, object], allowed_bytes: int) -> None:
    assert Entitlement.model_validate(declared).allowed_bytes == allowed_bytes


@pytest.mark.req("A11")
@given(APPLICATIONS.filter(bool), ADD_ONS, st.builds(Application, profiles=COUNTS, per_profile=COUNTS))
def test_another_application_counts_only_where_it_is_the_largest(
    applications: dict[str, Application], add_ons: dict[str, int], another: Application
) -> None:
    before = Entitlement(applications=applications, add_ons=add_ons)
    after = Entitlement(applications={**applications, "another": another}, add_ons=add_ons)
    largest = max(one.allowed_bytes for one in applications.values())
    assert after.allowed_bytes - before.allowed_bytes == max(0, another.allowed_bytes - largest)


@given(APPLICATIONS.filter(bool), ADD_ONS, st.integers(1, 10**15))
def test_another_add_on_is_added(applications: dict[str, Application], add_ons: dict[str, int], another: int) -> None:
    before = Entitlement(applications=applications, add_ons=add_ons)
    after = Entitlement(applications=applications, add_ons={**add_ons, "another": another})
    assert after.allowed_bytes - before.allowed_bytes == another


def test_an_entitlement_to_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="declare applications, add_ons or both"):
        Entitlement()


@pytest.mark.req("A11")
@pytest.mark.parametrize(
    ("amount", "level"), [(0, "usual"), (799, "usual"), (800, "near"), (1000, "near"), (1001, "over"), (9999, "over")]
)
def test_people_are_warned_from_80_percent_on_and_over_100(amount: int, level: Level) -> None:
    assert used(amount).level == level
    assert (used(amount).warning is None) == (level == "usual")


def test_a_warning_says_how_much_of_how_much() -> None:
    near, over = Usage(2026, 10**12, {"a": 8 * 10**11}), Usage(2026, 10**12, {"a": 10**12, "b": 5 * 10**10})
    assert near.warning == "800.00 GB of 1.00 TB exported in 2026 (80.0 %): 80 % or more of the year's entitlement"
    assert over.warning == "1.05 TB of 1.00 TB exported in 2026 (105.0 %): 50.00 GB more than the year's entitlement"


@given(st.dictionaries(NAMES, st.integers(0, 10**15), max_size=6), st.integers(1, 10**15))
def test_the_shares_of_all_exports_are_the_whole_but_for_rounding(by_export: dict[str, int], allowed: int) -> None:
    found = Usage(2026, allowed, by_export)
    parts = sum(found.percent_of(export) for export in by_export)
    assert parts <= found.percent + 1e-6 * max(parts, 1)
    assert found.percent - parts <= 0.1 * (len(by_export) + 1) + 1e-6 * found.percent
    assert found.percent_of("nobody") == 0


@given(st.integers(1, 10**15), st.data())
def test_a_share_below_80_percent_is_never_shown_as_80(allowed: int, data: st.DataObject) -> None:
    amount = data.draw(st.integers(0, 2 * allowed))
    assert (used(amount, allowed=allowed).percent >= 80) == (used(amount, allowed=allowed).level != "usual")


@pytest.mark.req("A11")
@given(st.lists(st.integers(0, 1500), max_size=30))
def test_operations_are_told_once_of_each_level_however_the_volume_grows(growth: list[int]) -> None:
    told: WarnedOfVolume | None = None
    levels: list[Level] = []
    for amount in sorted(growth):
        if is_warning_due(used(amount), told):
            told = warned(used(amount))
            levels.append(told.level)
    reached = [level for level in ("near", "over") if level in {used(amount).level for amount in growth}]
    assert levels == reached


@pytest.mark.req("A11")
def test_another_year_and_another_entitlement_are_told_of_anew() -> None:
    told = warned(used(1200))
    assert not is_warning_due(used(1300), told)
    assert is_warning_due(used(900, year=2027), told)
    assert is_warning_due(used(1300, allowed=1500), told)
    assert not is_warning_due(used(1300, allowed=5000), told)


@given(st.integers(0, 4 * 10**9), st.integers(-14, 14))
def test_the_year_is_that_of_utc(seconds: int, hours: int) -> None:
    instant = datetime.fromtimestamp(seconds, UTC)
    assert year_of(instant.astimezone(timezone(timedelta(hours=hours)))) == instant.year


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.50 KB"), (10**9, "1.00 GB"), (1_234_567_000_000_000, "1,234.57 TB")],
)
def test_sizes_are_shown_in_decimal_units(count: int, shown: str) -> None:
    assert readable_size(count) == shown
