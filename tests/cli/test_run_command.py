"""`ctexport run` of several partitions, of which one fails: those before it are delivered, and said to be."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ctexport_dagster.cli.app import app
from ctexport_dagster.running.launcher import RunFailed

DAYS = ("2026-11-18", "2026-11-19", "2026-11-20")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose source has the first day, and no other."""
    for folder in ("assets", "resources", "data"):
        (tmp_path / folder).mkdir()
    (tmp_path / "resources/crm.yaml").write_text(
        f"type: files\nprofiles: data/{{{{Partition}}}}.ndjson\nstart: {DAYS[0]}\n"
    )
    (tmp_path / "resources/disk.yaml").write_text("type: local\nfolder: exports\n")
    (tmp_path / "assets/daily.yaml").write_text(
        "owner: growth@example.com\nsource: crm\ndestination: disk\naccount_id: 1\nformat: csv\n"
    )
    (tmp_path / f"data/{DAYS[0]}.ndjson").write_text('{"clevertapId": "a"}\n')
    return tmp_path


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_what_was_delivered_before_a_failure_is_told(home: Path, flags: list[str]) -> None:
    arguments = ["run", "daily", "--from", DAYS[0], "--to", DAYS[-1], *flags]
    result = CliRunner().invoke(app, arguments, env={"CTEXPORT_HOME": str(home), "COLUMNS": "200"})
    assert isinstance(result.exception, RunFailed)
    assert DAYS[1] in str(result.exception)
    told = json.loads(result.stdout) if flags else result.stdout.splitlines()[1:]
    assert [DAYS[0] in str(one) for one in told] == [True]


@pytest.mark.req("S9")
def test_a_run_that_fails_at_its_source_is_listed_and_shown_as_failed(home: Path) -> None:
    def told(*arguments: str) -> str:
        return CliRunner().invoke(app, arguments, env={"CTEXPORT_HOME": str(home), "COLUMNS": "200"}).stdout

    told("run", "daily", "--from", DAYS[0], "--to", DAYS[-1])
    (listed,) = json.loads(told("list", "--json"))["exports"]
    assert listed["attention"] == f"partition {DAYS[1]} failed"
    runs = [(run["partition"], run["state"]) for run in json.loads(told("show", "daily", "--json"))["runs"]]
    assert runs == [(DAYS[1], "failed"), (DAYS[0], "succeeded")]
    assert f"! {DAYS[1]}: Looking for the profiles of crm for {DAYS[1]}: no file matches" in told("show", "daily")


def test_a_second_run_says_that_nothing_was_sent(home: Path) -> None:
    arguments, environment = ["run", "daily", "--partition", DAYS[0]], {"CTEXPORT_HOME": str(home), "COLUMNS": "200"}
    first, second = (CliRunner().invoke(app, arguments, env=environment).stdout for _ in range(2))
    said = f"daily {DAYS[0]} stays as it was: no file was sent"
    assert (said in first, said in second) == (False, True)


def test_before_any_window_has_ended_a_run_says_when_the_first_one_does(home: Path) -> None:
    export = "owner: growth@example.com\nsource: crm\ndestination: disk\naccount_id: 1\nformat: csv\n"
    (home / "assets/daily.yaml").write_text(f"{export}schedule: {{start: 9000-01-01}}\n")
    told = CliRunner().invoke(app, ["run", "daily"], env={"CTEXPORT_HOME": str(home)}).stdout
    assert told == "daily: nothing has ended yet; 9000-01-01 ends at 9000-01-02T00:00Z\n"
