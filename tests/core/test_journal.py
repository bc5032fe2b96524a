"""The journal: what was appended is read back, and a line that a crash tore never was."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctexport_dagster.core.delivery.journal import Journal


def test_a_file_that_does_not_exist_has_no_entries(tmp_path: Path) -> None:
    assert list(Journal(tmp_path / "none").entries()) == []


def test_entries_are_read_in_the_order_of_appending_by_any_later_process(tmp_path: Path) -> None:
    for number in range(3):
        Journal(tmp_path / "folder" / "journal").append({"n": number, "key": "ü/📏"})
    entries = list(Journal(tmp_path / "folder" / "journal").entries())
    assert entries == [{"n": number, "key": "ü/📏"} for number in range(3)]


@pytest.mark.req("B2")
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cut=st.integers(1, 60))
def test_wherever_the_last_line_is_torn_the_ones_before_and_after_it_stand(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "journal"
    path.unlink(missing_ok=True)
    Journal(path).append({"n": 1})
    whole = path.stat().st_size
    Journal(path).append({"n": 2, "key": "a long enough key to be torn anywhere, as this one is"})
    with path.open("ab") as file:
        file.truncate(whole + cut)
    Journal(path).append({"n": 3})
    assert [entry["n"] for entry in Journal(path).entries()] == [1, 3]
