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
