"""What has been told so far, over one way of telling: the memory that decisions on further notices need.

It is the only thing about notices that Dagster's history doesn't know; a sensor's cursor holds it as JSON. Lost, it
does no harm: open incidents are told again, under the message ids that they had. It grows with the number of exports
alone, never with time.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Literal, Self, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

Entry = TypeVar("Entry")


class Remembered(BaseModel):
    """The base of what is remembered: values, written as JSON."""

    model_config = ConfigDict(frozen=True)


class Told(Remembered):
    """An open incident: the run that it began with, when, and when each notice was accepted, by its number."""

    first_run: str
    began: AwareDatetime
    accepted: dict[int, AwareDatetime] = Field(default_factory=dict)
    stopped: AwareDatetime | None = None
    """When we stopped the export."""


class WarnedOfVolume(Remembered):
    """How far the volume of a year had come, of which entitlement, when operations were last told of it."""

    year: int
    allowed_bytes: int
    level: Literal["near", "over"]


class Memory(Remembered):
    """All that one way of telling remembers, by export but for the volume. Every change gives a new memory."""

    incidents: dict[str, Told] = Field(default_factory=dict)
    troubles: dict[str, AwareDatetime] = Field(default_factory=dict)
    """When operations were last told of an export."""
    ends: dict[str, date] = Field(default_factory=dict)
    """The end that an export's owner was warned of."""
    volume: WarnedOfVolume | None = None

    def with_incident(self, export: str, told: Told) -> Self:
        return self.model_copy(update={"incidents": {**self.incidents, export: told}})

    def without_incident(self, export: str) -> Self:
        return self.model_copy(update={"incidents": _without(self.incidents, export)})

    def with_troubles(self, exports: Iterable[str], at: datetime) -> Self:
        return self.model_copy(update={"troubles": {**self.troubles, **dict.fromkeys(exports, at)}})

    def without_trouble(self, export: str) -> Self:
        return self.model_copy(update={"troubles": _without(self.troubles, export)})

    def warned_of_end(self, export: str, end: date) -> Self:
        return self.model_copy(update={"ends": {**self.ends, export: end}})

    def warned_of_volume(self, told: WarnedOfVolume) -> Self:
        return self.model_copy(update={"volume": told})

    def of_exports(self, exports: Iterable[str]) -> Self:
        """Without what concerns exports that are declared no more."""
        declared = set(exports)
        kept = {
            name: {export: value for export, value in getattr(self, name).items() if export in declared}
            for name in ("incidents", "troubles", "ends")
        }
        return self.model_copy(update=kept)


class Cursor(Remembered):
    """What a sensor's cursor holds: the memory of each way of telling, and when all exports were last looked at."""

    checked: AwareDatetime | None = None
    mail: Memory = Memory()
    webhook: Memory = Memory()

    @classmethod
    def read(cls, text: str | None) -> "Cursor":
        """The cursor; an empty one where there is none, or one that another version of ctexport wrote."""
        try:
            return cls.model_validate_json(text or "{}")
        except ValidationError:
            return cls()

    def write(self) -> str:
        return self.model_dump_json(exclude_defaults=True)


def _without(entries: Mapping[str, Entry], export: str) -> dict[str, Entry]:
    return {name: value for name, value in entries.items() if name != export}
