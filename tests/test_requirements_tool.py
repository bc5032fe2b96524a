"""The requirements tool: it finds every mark, names every line without one, and tells by its exit code."""

import subprocess
import sys
from pathlib import Path

import pytest

HOME = Path(__file__).resolve().parent.parent
LEDGER = """# Promises

| Id | Promise |
| --- | --- |
| P1 | The first |
| P2 | The `second` |
| P3 | The third |
| B10 | The last |
"""
MARKED = """
import pytest

pytestmark = [pytest.mark.req("P1")]

@pytest.mark.parametrize("x", [pytest.param(1, marks=pytest.mark.req("B10", "X9"))])
def test_a(x): "P2 is named here, and not marked"
"""


def run(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    ledger = home / "ledger.md"
    ledger.write_text(LEDGER)
    (home / "tests" / "deep").mkdir(parents=True)
    (home / "tests" / "deep" / "test_a.py").write_text(MARKED)
    command = [sys.executable, str(HOME / "tools" / "requirements.py")]
    return subprocess.run(
        [*command, "--ledger", str(ledger), "--tests", str(home / "tests"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_prints_the_lines_without_a_test_the_strays_and_the_counts(tmp_path: Path):
    assert run(tmp_path).stdout.splitlines() == [
        "P2   The `second`",
        "P3   The third",
        "X9   is no line of the ledger: deep/test_a.py",
        "2 of 4 lines are carried by a test: P 1/3, B 1/1",
    ]


@pytest.mark.parametrize(
    ("strict", "code", "complaint"),
    [
        ([], 0, ""),
        (["--strict", "P1", "B10"], 0, ""),
        (["--strict", "P1-P3", "B10"], 1, "no test carries P2, P3\n"),
        (["--strict", "P1", "P4"], 2, "no line of ledger.md: P4\n"),
    ],
)
def test_it_exits_by_what_is_missing(tmp_path: Path, strict: list[str], code: int, complaint: str):
    result = run(tmp_path, *strict)
    assert (result.returncode, result.stderr) == (code, complaint)


def test_the_projects_own_ledger_holds_every_line_once():
    ids = [line.split("|")[1].strip() for line in (HOME / "docs" / "requirements.md").read_text().splitlines()[8:]]
    counts = {"P": 37, "L": 15, "S": 13, "G": 3, "A": 13, "B": 10}
    assert ids == [f"{kind}{number}" for kind, count in counts.items() for number in range(1, count + 1)]
