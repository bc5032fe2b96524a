"""Counts in words."""

import pytest

from ctexport_dagster.core.counted import counted


@pytest.mark.parametrize(("count", "expected"), [(0, "0 files"), (1, "1 file"), (2, "2 files"), (101, "101 files")])
def test_one_alone_has_no_plural(count: int, expected: str) -> None:
    assert counted(count, "file") == expected
