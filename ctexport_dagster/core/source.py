"""What a source declares, and what it must give: the raw batches of one partition, with the input's fingerprint."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Literal, Protocol
from zoneinfo import ZoneInfo

import polars as pl
from pydantic import BeforeValidator, Field

from ctexport_dagster.core.export import Declared, ZoneName, parse_cadence
from ctexport_dagster.core.interval import Cadence, Interval
from ctexport_dagster.core.quarantine import empty_quarantine
from ctexport_dagster.core.schema import ValueType

SourceMode = Literal["snapshot", "changes"]
SourceHours = Annotated[Literal[1, 2, 3, 4, 6, 8, 12, 24], BeforeValidator(parse_cadence)]


class SourceDeclaration(Declared):
    """What every kind of source declares; each kind adds its own fields and `open`."""

    name: str
    mode: SourceMode = "snapshot"
    every: SourceHours = 24
    timezone: ZoneName = "UTC"
    start: date
    end: date | None = None
    instances: int = Field(default=1, ge=1, le=1024)
    columns: dict[str, str] = Field(default_factory=dict)
    """Model name → column of the source."""
    types: dict[str, ValueType] = Field(default_factory=dict)
    """Property → type, for sources without types of their own (CSV)."""
    max_deleted: float = Field(default=0.2, ge=0, le=1)
    max_quarantined: float | int | None = None
    """A share below 1 or a count, above which the partition fails; null for no limit."""

    @property
    def cadence(self) -> Cadence:
        """The windows of the source's partitions."""
        return Cadence(ZoneInfo(self.timezone), self.every, self.start, self.end)


@dataclass(frozen=True)
class RawBatch:
    """Rows as the source gives them, columns named as in the model, and those of them that couldn't even be read.

    `frame` may carry any columns; `_place` (String, optional) says where each row stood, for the quarantine.
    """

    frame: pl.DataFrame
    unreadable: pl.DataFrame = field(default_factory=empty_quarantine)


@dataclass(frozen=True)
class ProfileInput:
    """One partition of a source's profiles.

    `fingerprint` changes exactly when the input's content does (sha256 over the files and what shapes their reading).
    `batches` starts a fresh pass each time it is called, in the same order, in batches of at most some 32 MB.
    `present` may name the columns known beforehand (a Parquet file's), so that all-null ones count as present.
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
