"""How much may be exported in a calendar year, how much of it is used, and when that is warned of.

    allowed = the largest of (an application's profiles × its volume per profile), plus every add-on

Applications don't add up, add-ons do. Used are the bytes of every generation that was delivered in the year (UTC), a
re-run's too. Source: REQUIREMENTS A11.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, assert_never

from pydantic import Field, model_validator

from ctexport_dagster.core.declared import ByteCount, Declared
from ctexport_dagster.core.told import WarnedOfVolume

NEAR_PERCENT = 80
"""How much of the entitlement is used when people are warned."""
Level = Literal["usual", "near", "over"]
_RANKS: Mapping[Level, int] = {"usual": 0, "near": 1, "over": 2}


class Application(Declared):
    """What one licensed application entitles to."""

    profiles: int = Field(gt=0)
    """How many profiles are licensed."""
    per_profile: ByteCount
    """The volume for each of them in a year, as 500 KB."""

    @property
    def allowed_bytes(self) -> int:
        return self.profiles * self.per_profile


class Entitlement(Declared):
    """How much may be exported in a calendar year."""

    applications: dict[str, Application] = Field(default_factory=dict)
    """By name. They don't add up: the largest counts."""
    add_ons: dict[str, ByteCount] = Field(default_factory=dict)
    """By name, as 1 TB: they are added."""

    @model_validator(mode="after")
    def _allows_something(self) -> "Entitlement":
        if not (self.applications or self.add_ons):
            raise ValueError("declare applications, add_ons or both; without an entitlement, leave the whole key out")
        return self

    @property
    def allowed_bytes(self) -> int:
        """What all exports together may send in a year."""
        return max((one.allowed_bytes for one in self.applications.values()), default=0) + sum(self.add_ons.values())


@dataclass(frozen=True)
class Usage:
    """The volume of one year beside what is allowed; `by_export` has exports that are declared no more, too."""

    year: int
    allowed_bytes: int
    by_export: Mapping[str, int]
    uncounted: int = 0
    """How many manifests couldn't be read, so that what they tell isn't in these figures."""

    @property
    def used_bytes(self) -> int:
        return sum(self.by_export.values())

    @property
    def level(self) -> Level:
        if self.used_bytes > self.allowed_bytes:
            return "over"
        return "near" if self.used_bytes * 100 >= self.allowed_bytes * NEAR_PERCENT else "usual"

    @property
    def percent(self) -> float:
        """How much of what is allowed is used."""
        return _percent(self.used_bytes, self.allowed_bytes)

    def percent_of(self, export: str) -> float:
        """How much one export has used, of what all together may use."""
        return _percent(self.by_export.get(export, 0), self.allowed_bytes)

    @property
    def warning(self) -> str | None:
        """What people are to know; None where nothing is unusual."""
        match self.level:
            case "usual":
                return None
            case "near":
                return f"{self}: {NEAR_PERCENT} % or more of the year's entitlement"
            case "over":
                excess = readable_size(self.used_bytes - self.allowed_bytes)
                return f"{self}: {excess} more than the year's entitlement"
            case _ as never:
                assert_never(never)

    def __str__(self) -> str:
        return (
            f"{readable_size(self.used_bytes)} of {readable_size(self.allowed_bytes)} exported in {self.year}"
            f" ({self.percent} %)"
            + (f"; manifests that can't be read and aren't counted: {self.uncounted}" if self.uncounted else "")
        )

    @property
    def largest_first(self) -> list[tuple[str, int]]:
        """Every export with its bytes."""
        return sorted(self.by_export.items(), key=lambda pair: (-pair[1], pair[0]))


def year_of(instant: datetime) -> int:
    """The calendar year that counts, in UTC."""
    return instant.astimezone(UTC).year


def is_warning_due(found: Usage, told: WarnedOfVolume | None) -> bool:
    """Whether operations are to be told: once from 80 % on, once over 100 %; each year, and each entitlement, anew."""
    if told is None or (told.year, told.allowed_bytes) != (found.year, found.allowed_bytes):
        return found.level != "usual"
    return _RANKS[found.level] > _RANKS[told.level]


def warned(found: Usage) -> WarnedOfVolume:
    """What is remembered of a warning that was accepted."""
    if found.level == "usual":
        raise ValueError("nothing is unusual, so nobody was warned")
    return WarnedOfVolume(year=found.year, allowed_bytes=found.allowed_bytes, level=found.level)


def readable_size(count: int) -> str:
    """1234567890 → `1.23 GB`, in decimal units."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if count >= factor:
            return f"{count / factor:,.2f} {unit}"
    return f"{count} B"


def _percent(part: int, whole: int) -> float:
    """With one decimal, rounded down: 79.99 % are not yet 80 %."""
    return part * 1000 // whole / 10
