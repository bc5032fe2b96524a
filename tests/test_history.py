"""What was attempted for an export, read back from Dagster's runs."""

import dagster as dg
import pytest
from dagster_home import DagsterHome, assets_of
from line_fakes import TinyHome
from test_dagster_assets import refusing

from ctexport_dagster.core.errors import Busy, ConcurrentWrite, DeliveryError, ExportError, NamingError, SourceMissing
from ctexport_dagster.core.history import Whose, last_success, latest_by_partition, whose_is
from ctexport_dagster.resources.local import LocalDestination
from ctexport_dagster.running.history import attempts_at, problem_of

DAY = "2026-11-18"


@pytest.fixture
def home(tiny_home: TinyHome, instance: dg.DagsterInstance) -> DagsterHome:
    from test_dagster_assets import day

    tiny_home.tell(DAY, day(0))
    return DagsterHome(
        tiny_home, [tiny_home.line("daily")], LocalDestination(type="local", name="disk", folder="out"), instance
    )


def test_a_delivered_partition_is_one_attempt_that_succeeded(home: DagsterHome) -> None:
    run = home.everything(DAY)
    (attempt,) = attempts_at(home.instance, "daily", home.line.cadence)
    assert (attempt.run_id, attempt.partition, attempt.state, attempt.whose) == (run.run_id, DAY, "succeeded", None)
    assert attempt.ended
    assert attempt.launched <= attempt.ended
    assert problem_of(home.instance, run.run_id) is None


def test_a_failed_delivery_is_somebodys_and_says_what_to_do(home: DagsterHome) -> None:
    shut = DagsterHome(home.tiny, home.lines, refusing("customer"), home.instance)
    run = shut.everything(DAY)
    (attempt,) = attempts_at(home.instance, "daily", home.line.cadence)
    assert (attempt.state, attempt.whose) == ("failed", "customer")
    problem = problem_of(home.instance, run.run_id)
    assert problem
    assert (problem.cause, problem.fix) == ("it is night", "Knock.")


def test_a_source_that_gives_nothing_fails_the_attempt_as_input(home: DagsterHome) -> None:
    home.everything("2026-11-19")
    (attempt,) = attempts_at(home.instance, "daily", home.line.cadence)
    assert (attempt.partition, attempt.state, attempt.whose) == ("2026-11-19", "failed", "input")


def test_a_run_that_delivers_nothing_is_no_attempt(home: DagsterHome) -> None:
    home.materialize(DAY, "crm/profiles", *assets_of(home.line)[:2])
    assert attempts_at(home.instance, "daily", home.line.cadence) == []


def test_the_latest_attempt_at_a_partition_and_the_last_success_are_told_apart(home: DagsterHome) -> None:
    delivered = home.everything(DAY)
    shut = DagsterHome(home.tiny, home.lines, refusing("customer"), home.instance)
    refused = shut.everything(DAY)
    attempts = attempts_at(home.instance, "daily", home.line.cadence)
    success = last_success(attempts)
    assert success
    assert success.run_id == delivered.run_id
    assert latest_by_partition(attempts)[DAY].run_id == refused.run_id


@pytest.mark.parametrize(
    ("problem", "whose"),
    [
        (DeliveryError("Writing", refusing("customer").failure), "customer"),
        (DeliveryError("Writing", refusing("transient").failure), "transient"),
        (Busy("Starting", "another run is at work", "Wait."), "transient"),
        (ConcurrentWrite("Writing", "another wrote it", "Run it again."), "transient"),
        (SourceMissing("Reading", "no file", "Put it there."), "input"),
        (NamingError("Planning", "two files, one key", "Rename."), "input"),
        (ExportError("Doing", "something else", "Report it."), "ours"),
        (ZeroDivisionError(), "ours"),
    ],
)
def test_every_error_is_somebodys_to_mend(problem: BaseException, whose: Whose) -> None:
    assert whose_is(problem) == whose
