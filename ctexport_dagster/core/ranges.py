"""Ranges of days that a one-time export covers: declared by dates, or as a month beside its `start`."""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal, assert_never

from pydantic import Field, ValidationInfo, field_validator

from ctexport_dagster.core.declared import Day, Declared

NamedRange = Literal["previous_month", "current_month"]


class DateRange(Declared):
    """Days from one to another, both of them included."""

    from_: Day = Field(alias="from")
    """The first day."""
    to: Day
    """The last day, itself included."""

    @field_validator("to")
    @classmethod
    def _ends_after_it_starts(cls, to: Day, info: ValidationInfo) -> Day:
        start = info.data.get("from_")
        if start and to < start:
            raise ValueError("to must not lie before from")
        return to


@dataclass(frozen=True)
class Days:
    """The days `[first, end)`: `end` is the day after the last one."""

    first: date
    end: date

    def __post_init__(self) -> None:
        if self.first >= self.end:
            raise ValueError("a range must hold a day")

    @property
    def count(self) -> int:
        return (self.end - self.first).days

    def __contains__(self, day: date) -> bool:
        return self.first <= day < self.end


def days_of(declared: DateRange | NamedRange | None, start: date) -> Days:
    """The days that a range means, seen from `start`; without a range, that very day.

    previous_month: every day of the month before that of `start`. current_month: the month of `start` up to `start`,
    itself included. Source: REQUIREMENTS L3.
    """
    match declared:
        case None:
            return Days(start, start + timedelta(days=1))
        case DateRange():
            return Days(declared.from_, declared.to + timedelta(days=1))
        case "previous_month":
            first = start.replace(day=1)
            return Days((first - timedelta(days=1)).replace(day=1), first)
        case "current_month":
            return Days(start.replace(day=1), start + timedelta(days=1))
        case _ as never:
            assert_never(never)


def reaches_too_far(days: Days, start: date, *, look_back_days: int) -> bool:
    """Whether a range begins more than so many days before `start`. Source: REQUIREMENTS L3, G3."""
    return (start - days.first).days > look_back_days
