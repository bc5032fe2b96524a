"""Two runs at once: one does the work, the other one says that it is busy; what is delivered is right either way."""

from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster_home import DagsterHome, assets_of, failed
from filelock import Timeout
from killing import delivered, run_to_the_end
from line_fakes import Given, TinyHome, tree
from run_child import start
from test_kill_run import VICTIM

from ctexport_dagster.resources.local import LocalDestination

DAY = "2026-11-18"
ONE = Given({"clevertapId": pl.String(), "plan": pl.String()}, ({"clevertapId": "a", "plan": "gold"},))


@pytest.fixture
def home(tiny_home: TinyHome, instance: dg.DagsterInstance) -> DagsterHome:
    tiny_home.tell(DAY, ONE)
    destination = LocalDestination(type="local", name="disk", folder="out")
    return DagsterHome(tiny_home, [tiny_home.line("daily")], destination, instance)


@pytest.mark.parametrize("stage", ["identity_resolved_profiles", "formatted_chunks", "delivery"])
def test_a_stage_of_an_export_that_another_run_holds_is_busy_and_changes_nothing(home: DagsterHome, stage: str) -> None:
    assert home.everything(DAY).success
    before = tree(home.tiny.root)
    with home.line.locked():
        failure = failed(home, home.materialize(DAY, f"daily/{stage}"))
    assert "another one holds export-daily.lock" in failure.said
    assert failure.next_step == "Wait until it has ended; nothing was changed by this one."
    assert failure.may_be_retried
    assert tree(home.tiny.root) == before


def test_a_source_that_another_run_holds_is_busy(home: DagsterHome) -> None:
    with home.tiny.folders.lock("source", "crm"):
        failure = failed(home, home.materialize(DAY, "crm/profiles"))
        with pytest.raises(Timeout):
            home.tiny.ingest(DAY)
    assert "another one holds source-crm.lock" in failure.said
    assert home.materialize(DAY, "crm/profiles", *assets_of(home.line)).success


def test_exports_of_one_source_do_not_wait_for_each_other(tiny_home: TinyHome, instance: dg.DagsterInstance) -> None:
    tiny_home.tell(DAY, ONE)
    tiny_home.ingest(DAY)
    lines = [tiny_home.line("daily", files={"name": "daily"}), tiny_home.line("other", files={"name": "other"})]
    home = DagsterHome(tiny_home, lines, LocalDestination(type="local", name="disk", folder="out"), instance)
    with lines[1].locked():
        assert home.materialize(DAY, *assets_of(lines[0])).success


@pytest.mark.req("B2")
def test_of_two_commands_at_once_each_ends_well_or_says_busy_and_the_files_are_right(
    tmp_path: Path, child_environment: Mapping[str, str]
) -> None:
    alone, both = VICTIM.make(tmp_path / "alone"), VICTIM.make(tmp_path / "both")
    run_to_the_end(VICTIM.command(alone, child_environment))
    one = VICTIM.command(both, child_environment)
    commands = [one, one.printing_to(tmp_path / "second")]
    processes = [start(one) for one in commands]
    for process in processes:
        process.join()
    for process, one in zip(processes, commands, strict=True):
        assert process.exitcode == 0 or "Wait until it has ended" in one.said.read_text()
    run_to_the_end(commands[0])
    assert delivered(both) == delivered(alone)
