"""The commands about how exports stand: list, show, stop, start, and what run and preview say of edits."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ctexport_dagster.cli.app import app
from ctexport_dagster.cli.show_history import bars

YESTERDAY, TODAY = ((datetime.now(UTC) - timedelta(days=days)).date() for days in (1, 0))
SOURCE = f"type: demo\nprofiles: 10\nstart: {YESTERDAY - timedelta(days=1)}\n"
EXPORT = "owner: growth@example.com\nsource: demo\ndestination: disk\naccount_id: 1\n"
ONCE = EXPORT + f"format: json\nschedule: {{every: once, start: {YESTERDAY}}}\n"
DAILY = EXPORT + f"format: csv\nschedule: {{start: {YESTERDAY}}}\n"


class Home:
    """A home with a daily and a one-time export of yesterday, and the command line on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "assets").mkdir(), (root / "resources").mkdir()
        (root / "resources/demo.yaml").write_text(SOURCE)
        (root / "resources/disk.yaml").write_text("type: local\nfolder: exports\n")
        self.declare("daily", DAILY)
        self.declare("once", ONCE)

    def declare(self, export: str, text: str) -> None:
        (self.root / f"assets/{export}.yaml").write_text(text)

    def __call__(self, *arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(app, arguments, env={"CTEXPORT_HOME": str(self.root), "COLUMNS": "200"})
        said = result.output if isinstance(result.exception, SystemExit | None) else str(result.exception)
        return result.exit_code, said

    def json(self, *arguments: str) -> dict:
        code, said = self(*arguments, "--json")
        assert code == 0, said
        return json.loads(said)

    def statuses(self, *filters: str) -> dict[str, str]:
        return {one["name"]: one["status"] for one in self.json("list", *filters)["exports"]}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The one-time export has run; the daily one hasn't."""
    home = Home(tmp_path_factory.mktemp("home"))
    assert home.statuses() == {"daily": "Pending", "once": "Pending"}
    assert home("run", "once")[0] == 0
    return home


@pytest.mark.req("P24", "P33", "S9")
def test_a_one_time_export_is_done_after_its_run_and_the_list_can_be_filtered_by_that(home: Home) -> None:
    assert home.statuses() == {"daily": "Pending", "once": "Done"}
    assert home.statuses("--status", "done") == {"once": "Done"}
    assert home.statuses("--frequency", "once") == {"once": "Done"}


@pytest.mark.req("S9")
@pytest.mark.parametrize(
    ("first", "last", "names"),
    [(TODAY, TODAY, ["once"]), (YESTERDAY, None, ["once"]), (None, YESTERDAY, []), (None, TODAY, ["once"])],
)
def test_the_list_can_be_filtered_by_the_days_on_which_exports_ran(home: Home, first, last, names: list[str]) -> None:
    """The run of yesterday's partition was due today."""
    filters = [*(["--exported-from", str(first)] if first else []), *(["--exported-to", str(last)] if last else [])]
    assert list(home.statuses(*filters)) == names


@pytest.mark.req("P34", "S8", "S9")
def test_a_stopped_export_is_listed_so_until_it_is_started(home: Home) -> None:
    assert home.json("stop", "daily") == {"export": "daily", "is_on": False, "canceled": [], "elsewhere": []}
    assert home.statuses("--status", "stopped") == {"daily": "Stopped"}
    assert home.json("show", "daily")["next_run"] == ""
    assert home.json("start", "daily")["to_catch_up"] == [str(YESTERDAY)]
    assert home.statuses() == {"daily": "Pending", "once": "Done"}


def test_show_tells_runs_and_volume(home: Home) -> None:
    shown = home.json("show", "once")
    assert [(run["partition"], run["state"]) for run in shown["runs"]] == [(str(YESTERDAY), "succeeded")]
    assert [(day["day"], day["partitions"], day["files"]) for day in shown["volume"]] == [(str(YESTERDAY), 1, 1)]
    assert (shown["status"], shown["next_run"]) == ("Done", "")
    code, said = home("show", "once")
    assert (code, "█" * 40 in said) == (0, True)


def test_bars_are_as_long_as_their_amounts_and_none_is_invisible_but_nothing() -> None:
    assert [len(bar) for bar in bars([0, 1, 500, 1000])] == [0, 1, 20, 40]
    assert bars([]) == []
    assert bars([0]) == [""]


def test_a_window_that_has_not_ended_is_wrong_usage_and_says_when_it_ends(home: Home) -> None:
    code, said = home("run", "daily", "--partition", str(TODAY))
    assert (code, f"{TODAY} ends at {TODAY + timedelta(days=1)}T00:00Z" in said) == (2, True)
    assert home("run", "daily", "--from", str(YESTERDAY), "--to", str(TODAY))[0] == 2


@pytest.mark.req("S8")
def test_an_edit_of_what_is_done_disables_that_export_alone(home: Home) -> None:
    home.declare("once", ONCE.replace("json", "xml"))
    try:
        reason = "a one-time export that is Done can't be edited (edited: format.type)"
        listed = {one["name"]: (one["status"], one["attention"]) for one in home.json("list")["exports"]}
        assert listed["daily"] == ("Pending", "")
        assert (listed["once"][0], reason in listed["once"][1]) == ("Done", True)
        for command in (["run", "once", "--partition", str(YESTERDAY)], ["start", "once"], ["check", "once"]):
            code, said = home(*command)
            assert (command[0], code != 0, reason in said) == (command[0], True, True)
        assert home("check", "daily")[0] == 0
    finally:
        home.declare("once", ONCE)


@pytest.mark.req("P26", "S8")
def test_preview_shows_what_was_edited_and_that_the_next_partition_is_full(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.declare("daily", DAILY.replace(str(YESTERDAY), str(YESTERDAY - timedelta(days=1))))
    assert home("run", "daily", "--partition", str(YESTERDAY - timedelta(days=1)))[0] == 0
    assert home.json("preview", "daily")["edits"] == []
    home.declare("daily", DAILY.replace(str(YESTERDAY), str(YESTERDAY - timedelta(days=1))).replace("csv", "json"))
    code, said = home("preview", "daily")
    assert code == 0
    assert '  format.type: "csv" → "json"' in said.splitlines()
    assert "identity, columns or format were edited: this partition begins the new version, full" in said.splitlines()
    assert home("run", "daily")[0] == 0
    assert home.json("preview", "daily")["edits"] == []


@pytest.mark.req("P34", "S8")
def test_an_export_can_be_stopped_whatever_mistakes_the_home_holds(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.declare("broken", "kind: nonsense\n")
    assert home("list")[0] != 0
    assert home.json("stop", "daily")["is_on"] is False
    assert home("stop", "dayly")[0] == 2
