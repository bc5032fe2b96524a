"""The status of an export, from what was tried, what is delivered, its switch, and its end."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ctexport_dagster.core.history import Attempt, AttemptState
from ctexport_dagster.core.status import STATUSES, Standing, standing

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
KEYS = ("2026-03-01", "2026-03-02", "2026-03-03")


def attempt(number: int, partition: str, state: AttemptState) -> Attempt:
    launched = BEGAN + timedelta(minutes=number)
    is_open = state in ("waiting", "running")
    return Attempt(f"run{number}", partition, state, launched, None if is_open else launched + timedelta(seconds=1))


def stands(
    *attempts: Attempt,
    undelivered: tuple[str, ...] = (),
    is_over: bool = False,
    is_on: bool = True,
    is_running: bool = False,
    refusal: str | None = None,
) -> Standing:
    return standing(
        attempts,
        undelivered=frozenset(undelivered),
        is_over=is_over,
        is_on=is_on,
        is_running=is_running,
        refusal=refusal,
    )


@pytest.mark.req("P33")
def test_an_export_that_waits_for_its_next_run_is_pending() -> None:
    assert stands() == Standing("Pending")
    assert stands(attempt(1, KEYS[0], "succeeded")) == Standing("Pending")


@pytest.mark.req("P33")
def test_an_export_at_work_is_running_even_when_it_was_stopped_meanwhile() -> None:
    assert stands(undelivered=KEYS[:1], is_running=True).status == "Running"
    assert stands(undelivered=KEYS[:1], is_running=True, is_on=False).status == "Running"


@pytest.mark.req("P33", "P34")
def test_an_export_that_is_off_is_stopped() -> None:
    assert stands(undelivered=KEYS[:1], is_on=False) == Standing("Stopped")


@pytest.mark.req("P24", "P33", "A5")
def test_an_export_is_done_once_no_window_is_to_come_and_all_are_delivered() -> None:
    assert stands(is_over=True) == Standing("Done")
    assert stands(is_over=True, undelivered=KEYS[:1]) == Standing("Pending")
    assert stands(is_over=True, is_on=False) == Standing("Done")


@pytest.mark.req("P33")
def test_a_failed_partition_needs_attention_until_it_is_delivered() -> None:
    failed = (attempt(1, KEYS[0], "failed"), attempt(2, KEYS[1], "failed"))
    assert stands(*failed, undelivered=KEYS[:2]).attention == "partition 2026-03-01 and 1 more failed"
    assert stands(*failed, undelivered=KEYS[1:2]).attention == "partition 2026-03-02 failed"
    assert not stands(*failed).needs_attention


def test_a_failed_partition_that_is_tried_again_needs_none_meanwhile() -> None:
    again = (attempt(1, KEYS[0], "failed"), attempt(2, KEYS[0], "waiting"))
    assert not stands(*again, undelivered=KEYS[:1]).needs_attention


@pytest.mark.req("S8")
def test_a_disabled_export_is_stopped_and_says_why_and_a_done_one_stays_done() -> None:
    assert stands(refusal="its kind changed") == Standing("Stopped", "its kind changed")
    assert stands(refusal="it was edited", is_over=True) == Standing("Done", "it was edited")


STATES = st.sampled_from(["waiting", "running", "succeeded", "failed", "canceled"])
ATTEMPTS = st.lists(st.tuples(st.sampled_from(KEYS), STATES), max_size=8)


@pytest.mark.req("P33")
@given(ATTEMPTS, st.sets(st.sampled_from(KEYS)), st.booleans(), st.booleans(), st.randoms())
def test_the_status_depends_on_the_order_of_launches_alone_and_is_one_of_four(
    given_attempts: list[tuple[str, AttemptState]], undelivered: set[str], is_over: bool, is_on: bool, random
) -> None:
    attempts = [attempt(number, *one) for number, one in enumerate(given_attempts)]
    in_order = stands(*attempts, undelivered=tuple(undelivered), is_over=is_over, is_on=is_on)
    shuffled = random.sample(attempts, len(attempts))
    assert stands(*shuffled, undelivered=tuple(undelivered), is_over=is_over, is_on=is_on) == in_order
    assert in_order.status in STATUSES
    assert (in_order.status == "Done") == (is_over and not undelivered)
    assert not (in_order.needs_attention and not undelivered)
