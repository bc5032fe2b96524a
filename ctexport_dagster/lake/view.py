"""What the lake holds, at one version: its partitions, and the profiles as of any of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.schema import SourceSchema
from ctexport_dagster.lake.cursor import END, Wanted, ranges
from ctexport_dagster.lake.notes import hashes_of
from ctexport_dagster.lake.record import History, PartitionRecord
from ctexport_dagster.lake.stack import Stack, StackedLayer, StateReader, bounded, frame_columns
from ctexport_dagster.lake.table import Listing, StoredFile, rows_in
from ctexport_dagster.lake.touched import Roamers, Touched, touched
from ctexport_dagster.lake.tuning import Tuning


@dataclass(frozen=True)
class LakeView:
    """The lake of one source at one version; safe to read while others write (until `sweep` takes old files away)."""

    root: Path
    scratch: Path
    listing: Listing
    tuning: Tuning

    @property
    def version(self) -> int:
        """The Delta version; -1 before the first commit."""
        return self.listing.version

    def records(self) -> tuple[PartitionRecord, ...]:
        """Every partition, oldest window first."""
        return self.listing.history.records

    def stale(self) -> tuple[str, ...]:
        """The partitions to write anew, oldest first."""
        return self.listing.history.stale

    def schema_as_of(self, partition: str) -> SourceSchema:
        """Raises: PartitionMissing."""
        return self.listing.history.upto(partition).schema

    def state_of(self, partition: str) -> str:
        """A fingerprint of everything that a read as of this partition gives.

        Raises:
            PartitionMissing, PartitionStale.
        """
        return self.sound(partition).fingerprint

    def instances(self, partition: str) -> tuple[int, ...]:
        """The instances that hold a profile, or once held one, as of a partition."""
        history = self.listing.history.upto(partition)
        return tuple(sorted({instance for record in history.records for instance in record.instances}))

    def names_instances(self, partition: str) -> bool:
        """Whether a profile may stand in another instance than its id's hash says, as of a partition."""
        return self.listing.history.upto(partition).names_instances

    def slices(self, partition: str, instance: int, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """The living profiles of an instance as of a partition, in order of (h, clevertapId), slice by slice.

        Profile frames with the schema as of the partition; `columns` names those wanted, beside `h`, `clevertapId`
        and `deleted`, which always come. Slices without a row are left out.

        Raises:
            PartitionMissing, PartitionStale.
        """
        history = self.sound(partition)
        with self.stack(history, instance) as stack:
            reader = StateReader(stack, history.schema, columns)
            for upper in self.ranges(stack.rows, history):
                rows = reader.living(upper)
                if not rows.is_empty():
                    yield rows

    @contextmanager
    def lookup(self, partition: str, instance: int) -> Iterator[StateReader]:
        """A reader of an instance's profiles as of a partition, for some of them at a time, in order of h.

        Raises:
            PartitionMissing, PartitionStale.
        """
        history = self.sound(partition)
        with self._reader(history, instance, history.schema) as reader:
            yield reader

    def touched(self, partitions: Sequence[str], instance: int) -> Iterator[Touched]:
        """The profiles of an instance that these consecutive partitions, oldest first, touched, range by range.

        Raises:
            PartitionMissing, PartitionStale.
        """
        history = self.sound(partitions[-1])
        earlier = history.before(history.record(partitions[0]).window)
        logs = self._logs(history, instance, skip=len(earlier.records))
        window = StateReader(logs, history.schema)
        with (
            self._reader(earlier, instance, history.schema) as state,
            self._roamers(history, earlier, instance) as roam,
        ):
            for upper in self.ranges(logs.rows, history):
                layers = window.layers(upper)
                if not any(layer.rows.height for layer in layers):
                    continue
                wanted = Wanted.of(pl.concat(layer.rows.select("h", "clevertapId") for layer in layers))
                before = state.living(upper, wanted)
                yield roam.touched(before, layers, upper) if roam else touched(before, layers)

    def find(self, partition: str, clevertap_id: str) -> pl.DataFrame:
        """The living row of one profile as of a partition: a profile frame of one row or none.

        Raises:
            PartitionMissing, PartitionStale.
        """
        history = self.sound(partition)
        ids = pl.Series("clevertapId", [clevertap_id])
        wanted = Wanted.of(ids.to_frame().with_columns(hashes_of(ids)))
        for instance in self.instances(partition):
            with self._reader(history, instance, history.schema) as reader:
                rows = reader.living(END, wanted)
            if not rows.is_empty():
                return rows
        return pl.DataFrame(schema=frame_columns(history.schema, None))

    @contextmanager
    def stack(self, history: History, instance: int) -> Iterator[Stack]:
        """The newest valid base of a history and the logs above it; of too many layers, the oldest are folded first."""
        with self._bounded(self.stack_of(history, instance), history) as stack:
            yield stack

    @contextmanager
    def _reader(self, history: History, instance: int, schema: SourceSchema) -> Iterator[StateReader]:
        with self.stack(history, instance) as stack:
            yield StateReader(stack, schema)

    @contextmanager
    def _roamers(self, history: History, earlier: History, instance: int) -> Iterator[Roamers | None]:
        """The reader of profiles that came from other instances; None where they can't have."""
        if not history.names_instances:
            yield None
            return
        every = tuple(self.instances(history.records[-1].partition))
        logs = Stack(self._logs_of_all(history, every, skip=len(earlier.records)), instance)
        with self._bounded(self._stack_of_all(earlier, every, instance), earlier) as stack:
            yield Roamers(instance, StateReader(stack, history.schema), StateReader(logs, history.schema))

    @contextmanager
    def _bounded(self, stack: Stack, history: History) -> Iterator[Stack]:
        if len(stack.heights) <= self.tuning.most_layers:
            yield stack
            return
        self.scratch.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self.scratch, prefix="fold-") as folder:
            yield bounded(stack, history, Path(folder), self.tuning)

    def stack_of(self, history: History, instance: int) -> Stack:
        """The newest valid base of a history and the logs above it, however many."""
        if history.names_instances and any(history.absent):
            return self._stack_of_all(history, self.instances(history.records[-1].partition), instance)
        return self._stack_of_one(history, instance)

    def _stack_of_all(self, history: History, instances: Sequence[int], instance: int) -> Stack:
        layers = (layer for each in instances for layer in self._stack_of_one(history, each).layers)
        return Stack(tuple(sorted(layers, key=lambda layer: (layer.upto, layer.instance))), instance)

    def _logs_of_all(self, history: History, instances: Sequence[int], *, skip: int) -> tuple[StackedLayer, ...]:
        layers = (layer for each in instances for layer in self._logs(history, each, skip=skip).layers)
        return tuple(sorted(layers, key=lambda layer: (layer.upto, layer.instance)))

    def _stack_of_one(self, history: History, instance: int) -> Stack:
        for place, record in reversed(list(enumerate(history.records))):
            if record.partition not in self._bases:
                continue
            part = history.upto(record.partition)
            base = self.base_of(part)
            if base:
                paths = tuple(self.root / file.path for file in base if file.instance == instance)
                rows = rows_in(file for file in base if file.instance == instance)
                bottom = StackedLayer(paths, rows, part.schema.fields, instance, upto=place)
                return Stack((bottom, *self._logs(history, instance, skip=place + 1).layers), instance)
        return self._logs(history, instance, skip=0)

    def base_of(self, history: History) -> tuple[StoredFile, ...]:
        """The files of the base that was folded from exactly this history; empty where there is none."""
        bases = self._bases.get(history.records[-1].partition, ())
        return tuple(file for file in bases if file.lineage == history.lineage) if bases else ()

    def ranges(self, rows: int, history: History) -> list[int]:
        """The upper bounds of the slices that so many rows are read in."""
        return ranges(rows, self.tuning.rows_of(history.row_bytes))

    def before(self, window: Interval) -> History:
        """The sound history before a window.

        Raises:
            PartitionStale.
        """
        history = self.listing.history.before(window)
        history.check()
        return history

    def sound(self, partition: str) -> History:
        """The history up to a partition.

        Raises:
            PartitionMissing, PartitionStale.
        """
        history = self.listing.history.upto(partition)
        history.check()
        return history

    def _logs(self, history: History, instance: int, *, skip: int) -> Stack:
        layers = []
        for place, (record, absent) in enumerate(zip(history.records, history.absent, strict=True)):
            files = self._files.get((record.partition, instance), ())
            if place >= skip and files:
                paths = tuple(self.root / file.path for file in files)
                layers.append(StackedLayer(paths, rows_in(files), record.present, instance, place, absent))
        return Stack(tuple(layers), instance)

    @cached_property
    def _files(self) -> dict[tuple[str, int], tuple[StoredFile, ...]]:
        """The log files of each (partition, instance), in order of h."""
        found: dict[tuple[str, int], tuple[StoredFile, ...]] = {}
        for file in self.listing.files:
            if file.kind == "log":
                key = (file.partition, file.instance)
                found[key] = (*found.get(key, ()), file)
        return found

    @cached_property
    def _bases(self) -> dict[str, tuple[StoredFile, ...]]:
        found: dict[str, tuple[StoredFile, ...]] = {}
        for file in self.listing.bases:
            found[file.partition] = (*found.get(file.partition, ()), file)
        return found
