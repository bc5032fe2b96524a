"""The demo source: made-up profiles, events and tables for any partition, the same each time, without any file."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import numpy as np
import polars as pl
from pydantic import Field

from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.datasets.source import DatasetInput, RawRows, Span
from ctexport_dagster.core.errors import SourceMissing
from ctexport_dagster.core.events.source import EventInput, RawEvents
from ctexport_dagster.core.interval import DAILY_HOURS, Cadence, Interval
from ctexport_dagster.core.source import ProfileInput, RawBatch, RowsWithoutId, SourceDeclaration
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.demo.events import Happenings, event_frame
from ctexport_dagster.resources.demo.history import History, Population, Steps, history
from ctexport_dagster.resources.demo.profiles import profile_frame
from ctexport_dagster.resources.demo.tables import Shop, order_frames, product_frame

GENERATION = 1
"""Raise it with every change of what is made up: it stands in the fingerprint."""
EVENT_GENERATION = 1
"""The same for events."""
TABLE_GENERATION = 1
"""The same for orders and products."""
TABLES: Mapping[str, DeclaredDataset] = {
    "orders": DeclaredDataset(timestamp="created_at"),
    "products": DeclaredDataset(holds="all"),
}
BAD_ROWS = 3
"""Rows without a clevertapId that end each partition, so that the quarantine has something to show."""
_BATCH_ROWS = 20_000
_ODD_EVERY = 9_973
"""Of so many profiles one has NaN for its `Lifetime Value`: refused, too."""


class DemoSource(SourceDeclaration):
    """Declares made-up people, and what they do.

    There are `profiles` of them on the first day, a tenth of `daily_changes` of that more each day.
    """

    type: Literal["demo"] = "demo"
    profiles: int = Field(default=100_000, ge=1, le=100_000_000)
    seed: int = Field(default=1, ge=0, lt=2**32)
    daily_changes: float = Field(default=0.02, ge=0, le=0.5)
    """The share of the profiles that change on a day."""
    daily_events: int = Field(default=20_000, ge=0, le=100_000_000)
    """The events of a day; 0 for none at all."""
    daily_orders: int = Field(default=5_000, ge=0, le=100_000_000)
    """The rows that the dataset `orders` gains on a day."""
    rows_without_id: RowsWithoutId = "ignore"
    """Its rows without an id are nobody's."""

    @property
    def has_events(self) -> bool:
        return self.daily_events > 0

    @property
    def declared_datasets(self) -> Mapping[str, DeclaredDataset]:
        """`orders`, of which each window adds some, and `products`, the whole catalogue each time."""
        return TABLES

    def open(self, surroundings: Surroundings) -> "Demo":
        """The source; they have no part in it."""
        return Demo(self)


@dataclass(frozen=True)
class Demo:
    """Made-up profiles, events and tables, as a `Source`, an `EventSource` and a `DatasetSource`.

    Profiles as a snapshot: everyone alive; as changes: whoever the window touched.
    """

    declaration: DemoSource

    def profiles(self, partition: str, window: Interval) -> ProfileInput:
        """The profiles of one partition. It is never missing."""
        cadence, step = self.declaration.cadence, step_of(self.declaration.cadence, window)
        return ProfileInput(
            fingerprint=self._fingerprint(step),
            places=(f"demo:{partition}",),
            batches=lambda: self._batches(cadence, step),
            row_estimate=self._row_estimate(step),
        )

    def events(self, partition: str, window: Interval) -> EventInput:
        """The events of one partition, of people born by then. It is never missing."""
        declared, step = self.declaration, step_of(self.declaration.cadence, window)
        people = self._population.count(step)
        count = declared.daily_events * declared.every // DAILY_HOURS
        shaping = {"profiles", "seed", "daily_changes", "daily_events", "every", "timezone", "start"}
        shape = [EVENT_GENERATION, step, declared.model_dump(mode="json", include=shaping)]
        return EventInput(
            fingerprint=hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest(),
            places=(f"demo:{partition}:events",),
            batches=lambda: _event_batches(Happenings(declared.seed, step, people, window), count),
            row_estimate=count,
        )

    def dataset(self, name: str, span: Span) -> DatasetInput:
        """The rows of one partition of `orders` or `products`. No partition needs another.

        Raises:
            SourceMissing: it has no such dataset.
        """
        if name not in TABLES:
            attempted = f"Looking for the dataset {name} of {self.declaration.name}"
            raise SourceMissing(attempted, "a demo has none of that name", f"Write one of {', '.join(TABLES)}.")
        declared, step = self.declaration, step_of(self.declaration.cadence, span.window)
        day = step * declared.every // DAILY_HOURS
        shop = Shop(declared.seed, step, day, self._population.count(step), span.window)
        count = (
            declared.daily_orders * declared.every // DAILY_HOURS if name == "orders" else product_frame(shop).height
        )
        shaping = {"profiles", "seed", "daily_changes", "daily_orders", "every", "timezone", "start"}
        shape = [TABLE_GENERATION, name, step, declared.model_dump(mode="json", include=shaping)]
        return DatasetInput(
            fingerprint=hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest(),
            places=(f"demo:{span.partition}:{name}",),
            batches=lambda: _row_batches(name, shop, count),
            row_estimate=count,
        )

    @property
    def _population(self) -> Population:
        declared = self.declaration
        return Population(declared.seed, declared.profiles, declared.daily_changes, DAILY_HOURS // declared.every)

    def _row_estimate(self, step: int) -> int:
        alive = self._population.count(step)
        if self.declaration.mode == "snapshot" or step == 0:
            return alive
        return int(alive * self.declaration.daily_changes * self.declaration.every / DAILY_HOURS) + BAD_ROWS

    def _fingerprint(self, step: int) -> str:
        shape = self.declaration.model_dump(
            mode="json", include={"profiles", "seed", "daily_changes", "every", "mode", "timezone", "start"}
        )
        return hashlib.sha256(json.dumps([GENERATION, step, shape], sort_keys=True).encode()).hexdigest()

    def _batches(self, cadence: Cadence, step: int) -> Iterator[RawBatch]:
        population = self._population
        count = population.count(step)
        for first in range(0, count, _BATCH_ROWS):
            ids = np.arange(first, min(first + _BATCH_ROWS, count), dtype=np.int64)
            past = history(population, ids, step)
            frame = profile_frame(past, _starts(cadence, past.touched), tiers_from=population.steps_per_day)
            shown = self._shown(frame, past)
            yield RawBatch(shown.drop("number"), origin="demo", numbers=shown["number"])
        yield _bad_rows()

    def _shown(self, frame: pl.DataFrame, past: History) -> pl.DataFrame:
        """The rows that the mode gives: of a snapshot the living, of changes the touched, with deletions marked."""
        odd = pl.Series(past.ids % _ODD_EVERY == _ODD_EVERY - 1)
        value = frame["Lifetime Value"].zip_with(~odd, pl.Series([float("nan")]))
        frame = frame.with_columns(value.alias("Lifetime Value"), number=pl.Series(past.ids).cast(pl.UInt64))
        gone = past.departures <= past.step
        if self.declaration.mode == "snapshot":
            return frame.filter(pl.Series(~gone))
        leaving = past.is_deletion & (past.departures == past.step)
        touched = (past.touched == past.step) & ~gone
        return frame.with_columns(deleted=pl.Series(leaving)).filter(pl.Series(touched | leaving))


def _event_batches(what: Happenings, count: int) -> Iterator[RawEvents]:
    """The events, and one at the end that tells nothing of itself, for the quarantine."""
    for first in range(0, count, _BATCH_ROWS):
        numbers = np.arange(first, min(first + _BATCH_ROWS, count), dtype=np.uint64)
        yield RawEvents(event_frame(what, numbers), origin="demo:events", numbers=pl.Series(numbers))
    nameless = pl.DataFrame({"ts": [what.window.start], "eventName": pl.Series([None], dtype=pl.String)})
    yield RawEvents(nameless, origin="demo:bad events", numbers=pl.Series([0], dtype=pl.UInt64))


def _row_batches(name: str, shop: Shop, count: int) -> Iterator[RawRows]:
    first = 0
    for frame in order_frames(shop, count) if name == "orders" else [product_frame(shop)]:
        numbers = pl.int_range(first, first + frame.height, dtype=pl.UInt64, eager=True)
        yield RawRows(frame, origin=f"demo:{name}", numbers=numbers)
        first += frame.height


def _bad_rows() -> RawBatch:
    names = [f"Nobody {number}" for number in range(BAD_ROWS)]
    frame = pl.DataFrame({"clevertapId": pl.Series([None] * BAD_ROWS, dtype=pl.String), "Name": names})
    return RawBatch(frame, origin="demo:bad", numbers=pl.int_range(BAD_ROWS, dtype=pl.UInt64, eager=True))


def step_of(cadence: Cadence, window: Interval) -> int:
    """The number of a window, from 0 for the source's first; a window that a clock change drops leaves a gap."""
    day = window.start.astimezone(cadence.zone).date()
    place = cadence.boundaries_of(day).index(window.start)
    return (day - cadence.start).days * (DAILY_HOURS // cadence.hours) + place


def _starts(cadence: Cadence, steps: Steps) -> dict[int, int]:
    """The instant (epoch µs) at which each of these steps starts."""
    return {step: _start(cadence, step) for step in np.unique(steps).tolist()}


def _start(cadence: Cadence, step: int) -> int:
    days, place = divmod(step, DAILY_HOURS // cadence.hours)
    boundaries = cadence.boundaries_of(cadence.start + timedelta(days=days))
    return round(boundaries[min(place, len(boundaries) - 1)].timestamp() * 1_000_000)
