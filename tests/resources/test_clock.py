"""This machine's clock against a service's: told by any answer's Date, and silence is no verdict."""

from datetime import UTC, datetime, timedelta

import pytest
from answering import answering

from ctexport_dagster.resources.clock import MOST_BEARABLE, ahead_of, wrong_clock

TOLD = "Sun, 22 Nov 2026 12:00:00 GMT"
THEIRS = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize("status", [200, 307, 400, 403, 404, 503])
def test_an_answer_of_any_status_tells_the_time(status: int) -> None:
    with answering(status, Date=TOLD, Location="http://127.0.0.1:9/elsewhere") as url:
        assert ahead_of(url, lambda: THEIRS + timedelta(hours=1)) == timedelta(hours=1)


@pytest.mark.parametrize("headers", [{}, {"Date": "yesterday"}, {"Date": "Sun, 22 Nov 2026 99:00:00 GMT"}])
def test_an_answer_without_a_date_tells_nothing(headers: dict[str, str]) -> None:
    with answering(200, **headers) as url:
        assert ahead_of(url, lambda: THEIRS) is None


def test_a_service_that_cannot_be_reached_tells_nothing() -> None:
    assert ahead_of("http://127.0.0.1:9", lambda: THEIRS) is None


@pytest.mark.parametrize("ahead", [MOST_BEARABLE, -MOST_BEARABLE, timedelta(0)])
def test_a_clock_that_is_near_enough_is_right(ahead: timedelta) -> None:
    assert wrong_clock(ahead) is None


@pytest.mark.req("P37")
@pytest.mark.parametrize(("ahead", "told"), [(20, "20 minutes ahead of the service's"), (-7, "7 minutes behind")])
def test_a_wrong_clock_is_ours_to_set(ahead: int, told: str) -> None:
    failure = wrong_clock(timedelta(minutes=ahead))
    assert failure is not None
    assert (failure.whose, told in failure.happened, "NTP" in failure.fix) == ("ours", True, True)
