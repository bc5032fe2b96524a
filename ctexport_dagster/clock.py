"""The clock of schedules and sensors: one argument, so that tests tell the time."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]
"""Gives the present instant, aware."""


def utc_now() -> datetime:
    return datetime.now(UTC)
