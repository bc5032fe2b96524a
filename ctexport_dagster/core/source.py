"""What a source declares, and what it must give: the raw batches of one partition, with the input's fingerprint."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, Self
from zoneinfo import ZoneInfo

import polars as pl
from pydantic import Field, ValidationInfo, field_validator, model_validator

from ctexport_dagster.core.asset_names import EVENTS, PROFILES, why_no_dataset
from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.declared import Day, Declared, EveryHours, ZoneName
from ctexport_dagster.core.interval import Cadence, Interval
from ctexport_dagster.core.quarantine import empty_quarantine
from ctexport_dagster.core.schema import ValueType
from ctexport_dagster.core.surroundings import Surroundings

SourceMode = Literal["snapshot", "changes"]
RowsWithoutId = Literal["hold", "ignore"]


class SourceDeclaration(Declared, ABC):
    """What every kind of source declares; each kind adds its own fields and `open`."""

    name: str
    description: str | None = None
    """For people, shown in Dagster."""
    mode: SourceMode = "snapshot"
    """snapshot: each partition holds every profile; changes: those that changed, whole."""
    every: EveryHours = 24
    """3h, 4h, 6h, 8h, 12h or 24h; windows are cut at midnight of the time zone."""
    timezone: ZoneName = "UTC"
    """An IANA name."""
    start: Day
    """The first day."""
    end: Day | None = None
    """The day before which the source ends; null for never."""
    instances: int = Field(default=1, ge=1, le=1024)
    """Into how many shards profiles are divided; fixed once there is data."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Name in the profile model: column of the source."""
    types: dict[str, ValueType] = Field(default_factory=dict)
    """Property: type, for sources without types of their own (CSV)."""
    max_deleted: float = Field(default=0.2, ge=0, le=1)
    """The share of profiles that a snapshot may lose; with more, the partition fails."""
    max_quarantined: float | int | None = None
    """A share below 1 or a count, above which the partition fails; null for no limit."""
    rows_without_id: RowsWithoutId = "hold"
    """Whose a snapshot's rows without a clevertapId are. hold: anybody's: nobody is deleted then; ignore: nobody's."""

    @field_validator("end")
    @classmethod
    def _ends_after_it_starts(cls, end: Day | None, info: ValidationInfo) -> Day | None:
        if end and "start" in info.data and end <= info.data["start"]:
            raise ValueError("end must lie after start")
        return end

    @property
    def cadence(self) -> Cadence:
        """The windows of the source's partitions."""
        return Cadence(ZoneInfo(self.timezone), self.every, self.start, self.end)

    @property
    def has_profiles(self) -> bool:
        """Whether the source gives profiles."""
        return True

    @property
    def has_events(self) -> bool:
        """Whether the source, once opened, gives events (core/events/source.py)."""
        return False

    @property
    def declared_datasets(self) -> Mapping[str, DeclaredDataset]:
        """The tables that the source, once opened, gives (core/datasets/source.py), by name."""
        return {}

    @property
    def contents(self) -> tuple[str, ...]:
        """What the source gives, by the names of its assets below its own."""
        whole = ((PROFILES, self.has_profiles), (EVENTS, self.has_events))
        return (*(name for name, is_given in whole if is_given), *self.declared_datasets)

    @model_validator(mode="after")
    def _datasets_have_names_of_their_own(self) -> Self:
        for name in self.declared_datasets:
            if reason := why_no_dataset(name):
                raise ValueError(f"datasets: {reason}")
        return self

    @abstractmethod
    def open(self, surroundings: Surroundings) -> "Source":
        """The source, ready to be read; relative paths are the home's. Touches nothing."""


@dataclass(frozen=True)
class RawBatch:
    """Rows as the source gives them, columns named as in the model, and those of them that couldn't even be read.

    `frame` may carry any columns, text as String or (not yet known to be UTF-8) Binary. `origin` names the file that
    the rows stand in, `numbers` (UInt64) their row or line numbers there: both for the quarantine alone. `variants`,
    for sources without types: column → the further columns of `frame` that hold its values of other types; a row has a
    value in one of them at most.
    """

    frame: pl.DataFrame
    unreadable: pl.DataFrame = field(default_factory=empty_quarantine)
    origin: str = ""
    numbers: pl.Series | None = None
    variants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class ProfileInput:
    """One partition of a source's profiles.

    `fingerprint` changes exactly when the input's content does (sha256 over the files and what shapes their reading).
    `batches` starts a fresh pass each time it is called, in the same order, in batches of at most some 32 MB; a file
    with columns but no rows gives one empty batch, so that its columns count as present.
    `present` may name the columns known beforehand (a Parquet file's).
    """

    fingerprint: str
    places: tuple[str, ...]
    batches: Callable[[], Iterator[RawBatch]]
    row_estimate: int
    present: tuple[str, ...] = ()


class Source(Protocol):
    """An opened source."""

    def profiles(self, partition: str, window: Interval) -> ProfileInput:
        """The input of one partition.

        Raises:
            SourceMissing: nothing lies where the partition should be.
        """
        ...
