"""`ctexport check` of sources: it tries to reach them, and tells what stands in the way without a secret."""

import json
from pathlib import Path

import pytest
from databases import execute
from delta_tables import append
from polars import DataFrame
from typer.testing import CliRunner

from ctexport_dagster.cli.app import app

PASSWORD = "Wombat-4711"
SQL = "type: sql\nurl: {env: CRM_URL}\nstart: 2026-11-18\ndatasets: {orders: {query: SELECT * FROM o, cursor: id}}\n"
OTHERS = {
    "assets/growth.yaml": "owner: a@example.com\nsource: demo\ndestination: disk\naccount_id: 1\nformat: csv\n"
    "schedule: {every: 24h}\n",
    "resources/demo.yaml": "type: demo\nstart: 2026-11-18\n",
    "resources/disk.yaml": "type: local\nfolder: exports\n",
}
DELTA = "type: delta\nprofiles: tables/people\nstart: 2026-11-18\n"


def check(home: Path, content: str, **environment: str) -> dict:
    """What the check of one source says; with a copy of all of it as text, under `text`."""
    for path, text in {**OTHERS, "resources/crm.yaml": content}.items():
        (home / path).parent.mkdir(exist_ok=True)
        (home / path).write_text(text)
    variables = {"CTEXPORT_HOME": str(home), **environment}
    result = CliRunner().invoke(app, ["check", "crm", "--json"], env=variables)
    told = json.loads(result.stdout)
    assert (result.exit_code == 0) == told["ok"]
    return {**told["declared"][0], "text": result.output}


def test_a_database_that_answers_is_right(tmp_path: Path) -> None:
    execute(f"sqlite:///{tmp_path}/crm.db", "CREATE TABLE o (id int)")
    assert check(tmp_path, SQL, CRM_URL=f"sqlite:///{tmp_path}/crm.db")["problems"] == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"postgresql+psycopg://me:{PASSWORD}@127.0.0.1:1/crm", "host, user and password"),
        (f"postgresql+psycopg://me:{PASSWORD}@127.0.0.1:port/crm", "CRM_URL holds no URL"),
        (f"postgresql+psycopg:/me:{PASSWORD}@127.0.0.1/crm", "CRM_URL holds no URL"),
        (f"oracle9://me:{PASSWORD}@127.0.0.1/crm", "doesn't know"),
        (f"sqlite:////nowhere/{PASSWORD}/crm.db", "the database answered"),
        (f"{PASSWORD}", "CRM_URL holds no URL"),
    ],
)
def test_what_is_wrong_with_a_url_is_told_without_its_password(tmp_path: Path, url: str, expected: str) -> None:
    told = check(tmp_path, SQL, CRM_URL=url)
    (problem,) = told["problems"]
    assert expected in problem
    assert PASSWORD not in told["text"]


def test_a_secret_that_isnt_set_is_named(tmp_path: Path) -> None:
    (problem,) = check(tmp_path, SQL)["problems"]
    assert "CRM_URL: is not set" in problem


def test_what_a_source_warns_of_is_shown(tmp_path: Path) -> None:
    content = SQL.replace(", cursor: id", "")
    (warning,) = check(tmp_path, content, CRM_URL=f"sqlite:///{tmp_path}/crm.db")["warnings"]
    assert "orders has neither a cursor" in warning


def test_a_delta_table_is_opened(tmp_path: Path) -> None:
    (problem,) = check(tmp_path, DELTA)["problems"]
    assert "there is no Delta table at tables/people" in problem
    append(tmp_path / "tables/people", DataFrame({"clevertapId": ["a"]}), "2026-11-18T10:00")
    assert check(tmp_path, DELTA)["problems"] == []


def test_a_folder_of_files_that_isnt_there_is_told(tmp_path: Path) -> None:
    content = "type: files\nprofiles: data/{{Partition}}.csv\nstart: 2026-11-18\n"
    (problem,) = check(tmp_path, content)["problems"]
    assert "data is no folder" in problem


def told_on_stderr(home: Path, content: str) -> list[str]:
    check(home, content)
    return CliRunner().invoke(app, ["check", "crm"], env={"CTEXPORT_HOME": str(home)}).stderr.splitlines()


def mistakes(home: Path, content: str) -> list[str]:
    """What is wrong with a source that doesn't load."""
    (home / "resources").mkdir(), (home / "assets").mkdir()
    (home / "resources/crm.yaml").write_text(content)
    told = CliRunner().invoke(app, ["check", "--json"], env={"CTEXPORT_HOME": str(home)})
    return [f"{one['line']}: {one['field']}: {one['message']}" for one in json.loads(told.stdout)["mistakes"]]


def test_a_problem_stands_behind_its_file_and_field(tmp_path: Path) -> None:
    (line,) = told_on_stderr(tmp_path, "type: files\nprofiles: lost/{{Partition}}.csv\nstart: 2026-11-18\n")
    assert line == (
        f"resources/crm.yaml: profiles: {tmp_path}/lost is no folder that can be read; make it, or mend the path"
    )


def test_a_misspelt_key_of_a_dataset_has_a_suggestion(tmp_path: Path) -> None:
    source = "type: files\nstart: 2026-11-18\ndatasets:\n  orders: {path: a/*.ndjson, curser: id}\n"
    assert mistakes(tmp_path, source) == ["4: datasets.orders.curser: unknown key; did you mean cursor?"]


def test_whoever_names_a_files_format_as_the_type_is_told_the_type(tmp_path: Path) -> None:
    (mistake,) = mistakes(tmp_path, "type: csv\nstart: 2026-11-18\n")
    assert mistake.endswith("; a source of csv files is of type files")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("type: demo\nstart: 2026-11-18\n", "profiles (snapshot) and events and 2 datasets, every 24h from"),
        ("type: files\nevents: '{{Partition}}.ndjson'\nstart: 2026-11-18\n", "events, every 24h from"),
    ],
)
def test_a_source_is_said_to_give_what_it_gives(tmp_path: Path, content: str, expected: str) -> None:
    assert check(tmp_path, content)["summary"].startswith(expected)
