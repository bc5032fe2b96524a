"""The declaration of an events export."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, field_validator

from ctexport_dagster.core.declared import Declared, Hold
from ctexport_dagster.core.events.format import EventFormat
from ctexport_dagster.core.export import GROUPS, PersonExport, Schedule, known_preferences
from ctexport_dagster.core.profile import PREFERENCES


class EventColumns(Declared):
    """What of a profile goes out with its events."""

    communication: Literal["all"] | tuple[str, ...] = ()
    """all, or any of MSG-push, MSG-push-all, MSG-webpush, MSG-email, MSG-sms, MSG-whatsapp, subscriptionGroups."""

    @field_validator("communication")
    @classmethod
    def _known_preferences(cls, chosen: Literal["all"] | tuple[str, ...]) -> Literal["all"] | tuple[str, ...]:
        return known_preferences(chosen)

    @property
    def preferences(self) -> tuple[str, ...]:
        """The chosen preferences in output order, `subscriptionGroups` among them."""
        return (*PREFERENCES, GROUPS) if self.communication == "all" else self.communication


class EventExport(PersonExport):
    """One declared export of events: those that arrived in each window, or, one-time, those of a range of days."""

    kind: Literal["events"] = "events"  # pyright: ignore[reportIncompatibleVariableOverride]  (frozen)
    """What is exported."""
    events: Literal["all"] | tuple[str, ...] = "all"
    """all, or the names of the events."""
    format: Annotated[  # pyright: ignore[reportIncompatibleVariableOverride]  (frozen: nobody assigns another one)
        EventFormat, BeforeValidator(lambda v: {"type": v} if isinstance(v, str) else v)
    ]
    columns: EventColumns = EventColumns()
    allowed_lateness: Hold = timedelta(0)
    """How long the run waits after its time for what the source delivers late, as 2h or 30m."""

    @field_validator("events")
    @classmethod
    def _real_names(cls, chosen: Literal["all"] | tuple[str, ...]) -> Literal["all"] | tuple[str, ...]:
        if chosen == "all":
            return chosen
        if not chosen:
            raise ValueError("name at least one event, or write all")
        twice = next((name for place, name in enumerate(chosen) if name in chosen[:place]), None)
        if twice is not None or not all(name.strip() for name in chosen):
            raise ValueError(f"an event stands in the list twice: {twice}" if twice else "an event's name is empty")
        return chosen

    @field_validator("schedule")
    @classmethod
    def _has_no_base(cls, schedule: Schedule) -> Schedule:
        if schedule.mode == "full":
            raise ValueError("events have no full mode: each partition holds the events that arrived in its window")
        return schedule

    @property
    def names(self) -> frozenset[str] | None:
        """The events that go out; None for all."""
        return None if self.events == "all" else frozenset(self.events)

    @property
    def hold(self) -> timedelta:
        """What is allowed for lateness."""
        return self.allowed_lateness

    @property
    def shaping(self) -> set[str]:
        """Events, identity, columns and format."""
        return {"events", "identity", "columns", "format"}
