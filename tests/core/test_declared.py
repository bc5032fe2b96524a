"""Declared values: what a person writes, and what it means."""

from datetime import date, time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ctexport_dagster.core.declared import (
    ByteCount,
    ClockTime,
    Day,
    Declared,
    EveryHours,
    ZoneName,
    parse_size,
    written_size,
)


class Written(Declared):
    size: ByteCount = 1
    every: EveryHours = 24
    at: ClockTime = time(0)
    day: Day = date(2026, 1, 1)
    zone: ZoneName = "UTC"


@pytest.mark.req("P10", "P24")
@pytest.mark.parametrize(
    ("field", "declared", "expected"),
    [
        ("size", "100 MB", 100_000_000),
        ("size", "1.5GB", 1_500_000_000),
        ("size", "10 B", 10),
        ("size", 4096, 4096),
        ("every", "3h", 3),
        ("every", "24h", 24),
        ("every", 12, 12),
        ("at", "02:30", time(2, 30)),
        ("day", "2026-11-01", date(2026, 11, 1)),
        ("day", date(2026, 11, 1), date(2026, 11, 1)),
        ("zone", "Asia/Kolkata", "Asia/Kolkata"),
    ],
)
def test_a_declared_value_means(field: str, declared: object, expected: object) -> None:
    assert getattr(Written.model_validate({field: declared}), field) == expected


@pytest.mark.parametrize(
    ("field", "declared"),
    [
        ("size", "100"),
        ("size", "100 MiB"),
        ("size", "-1 MB"),
        ("size", 0),
        ("every", "5h"),
        ("every", "1h"),
        ("every", "24"),
        ("every", True),
        ("at", "24:00"),
        ("at", "2:00"),
        ("at", 120),
        ("day", 20261101),
        ("day", "01.11.2026"),
        ("zone", "Mars/Olympus"),
        ("zone", "../etc/passwd"),
        ("zone", 5),
        ("zone", ""),
    ],
)
def test_a_value_of_another_form_is_refused(field: str, declared: object) -> None:
    with pytest.raises(ValidationError):
        Written.model_validate({field: declared})


@given(st.integers(1, 10**13))
def test_a_size_reads_back_as_it_was_written(count: int) -> None:
    assert parse_size(written_size(count)) == count


def test_a_dump_is_as_a_person_would_write_it() -> None:
    written = Written.model_validate({"size": "100 MB", "every": "6h", "at": "02:30"})
    assert written.model_dump(mode="json") == {
        "size": "100 MB",
        "every": "6h",
        "at": "02:30",
        "day": "2026-01-01",
        "zone": "UTC",
    }
