"""`ctexport dev` before it starts anything. That it serves and stops cleanly is seen in tests/test_browser.py."""

import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ctexport_dagster.cli.app import app

CHECKOUT = Path(__file__).parents[2]


def test_a_port_that_is_taken_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CTEXPORT_HOME", str(CHECKOUT))
    monkeypatch.setenv("CTEXPORT_STATE", str(tmp_path / "state"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = CliRunner().invoke(app, ["dev", "--port", str(port)])
    assert told.exit_code == 2
    assert "choose another with --port" in " ".join(told.output.replace("│", " ").split())
    assert not (tmp_path / "state").exists()
