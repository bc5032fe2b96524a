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
