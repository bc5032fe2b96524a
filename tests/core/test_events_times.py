"""When an event happened, in each of the spellings that sources use."""

from datetime import UTC, date, datetime
from typing import Literal
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.core.events.normalise_times import event_instants

BERLIN = ZoneInfo("Europe/Berlin")
UTC_ZONE = ZoneInfo("UTC")
INSTANT = datetime(2017, 11, 9, 0, 0, 15, tzinfo=UTC)


def instant(value: object, zone: ZoneInfo = BERLIN) -> datetime | None:
    return event_instants(pl.Series([value]), zone)[0]


@pytest.mark.req("L8")
@pytest.mark.parametrize("value", [20171109010015, "20171109010015", " 20171109010015 "])
def test_fourteen_digits_are_a_wall_clock_of_the_zone(value: object) -> None:
    assert instant(value) == INSTANT


@pytest.mark.parametrize("value", [1510185615, "1510185615", 1510185615.0, 1510185615000, "1510185615000"])
def test_epochs_are_seconds_or_milliseconds_by_their_digits(value: object) -> None:
    assert instant(value) == INSTANT


@pytest.mark.parametrize(
    "value",
    [
        "2017-11-09T00:00:15Z",
        "2017-11-09 01:00:15+01:00",
        "2017-11-09T01:00:15",
        INSTANT,
        datetime(2017, 11, 9, 1, 0, 15),  # noqa: DTZ001
    ],
)
def test_iso_8601_and_timestamps(value: object) -> None:
    assert instant(value) == INSTANT


def test_fractions_of_a_second_stay() -> None:
    expected = INSTANT.replace(microsecond=123_000)
    assert [instant(value) for value in ("1510185615123", "2017-11-09T00:00:15.123Z", 1510185615.123)] == [expected] * 3


def test_a_day_is_its_midnight_in_the_zone() -> None:
    assert instant(date(2017, 11, 9)) == datetime(2017, 11, 8, 23, tzinfo=UTC)


def test_of_two_moments_that_a_clock_change_gives_one_reading_the_first_counts() -> None:
    assert instant(20261025023000) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_reading_that_a_clock_change_skips_moves_forward() -> None:
    assert instant(20260329023000) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


@pytest.mark.parametrize("value", ["yesterday", "20171309000015", "20170230000000", "1e9", True, 0.5e300])
def test_what_is_no_instant_is_null(value: object) -> None:
    assert instant(value) is None


@pytest.mark.parametrize(
    "value", ["00000101000000", "0000-01-01T00:00:00Z", "9999-12-30T00:00:00Z", "0999-12-31T00:00:00Z", "1000-01-01"]
)
def test_what_some_zone_has_in_a_year_without_four_digits_is_null(value: str) -> None:
    assert instant(value) is None


@pytest.mark.parametrize("value", ["1000-01-02T00:00:00Z", "9999-12-29T23:59:59.999999Z"])
@pytest.mark.parametrize("zone", ["Asia/Kolkata", "America/New_York", "Pacific/Kiritimati"])
def test_the_first_and_the_last_instant_have_a_day_in_every_zone(value: str, zone: str) -> None:
    assert instant(value) == datetime.fromisoformat(value)
    assert len(event_instants(pl.Series([value]), UTC_ZONE).dt.convert_time_zone(zone).dt.strftime("%Y")[0]) == 4


@pytest.mark.parametrize("unit", ["ms", "us"])
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_timestamps_beyond_are_null_however_far(unit: Literal["ms", "us"], zone: str | None) -> None:
    far = pl.Series([-(2**62), -(10**17), 10**18, 2**62], dtype=pl.Int64).cast(pl.Datetime(unit, zone))
    assert event_instants(far, BERLIN).to_list() == [None] * 4


def test_spellings_may_change_from_row_to_row() -> None:
    given_texts = pl.Series(["20171109010015", "1510185615", None, "x", "2017-11-09T00:00:15Z", "1510185615000"])
    assert event_instants(given_texts, BERLIN).to_list() == [INSTANT, INSTANT, None, None, INSTANT, INSTANT]


@given(st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_each_spelling_of_a_moment_gives_it_back(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)
    digits = moment.strftime("%Y%m%d%H%M%S")
    spellings = [digits, int(digits), moment.isoformat(), moment]
    assert [instant(value, ZoneInfo("UTC")) for value in spellings] == [moment] * 4
