"""What the lake of a source's events holds, at one version."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import polars as pl

from ctexport_dagster.core.events.keys import united_keys
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.lake.events.merging import Choice, Run, folded, in_file_order, merged
from ctexport_dagster.lake.events.record import EventHistory, EventRecord
from ctexport_dagster.lake.events.table import ANONYMOUS, KEYS, LOG
from ctexport_dagster.lake.table import Listing, StoredFile, rows_in
from ctexport_dagster.lake.tuning import Tuning

GROUP_COLUMNS: dict[str, pl.DataType] = {
    "eventName": pl.String(),
    "day": pl.Date(),
    "rows": pl.UInt32(),
    "bytes": pl.UInt64(),
}


@dataclass(frozen=True)
class EventView:
    """A source's events at one version; safe to read while others write (until `sweep` takes old files away).

    `partitions` are given oldest first; every read raises PartitionMissing where one isn't in the lake.
    """

    root: Path
    scratch: Path
    listing: Listing[EventHistory]
    tuning: Tuning

    @property
    def version(self) -> int:
        """The Delta version; -1 before the first commit."""
        return self.listing.version

    def records(self) -> tuple[EventRecord, ...]:
        """Every partition, oldest window first."""
        return self.listing.history.records

    def record(self, partition: str) -> EventRecord:
        """Raises: PartitionMissing; the message says what to run."""
        return self.listing.history.record(partition)

    def state_of(self, partitions: Sequence[str]) -> str:
        """A fingerprint of everything that a read of these partitions gives."""
        return self.listing.history.state_of(partitions)

    def instances(self, partitions: Sequence[str]) -> tuple[int, ...]:
        """The instances that have an event."""
        return tuple(sorted({instance for key in partitions for instance in self.record(key).instances}))

    def holding(self, partitions: Sequence[str], span: Interval | None) -> tuple[str, ...]:
        """Those of the partitions that may hold an event of this span; all of them without one."""
        if span is None:
            return tuple(partitions)
        return tuple(key for key in partitions if self.record(key).may_hold(span))

    def name_instances(self, partitions: Sequence[str]) -> bool:
        """Whether an event stands in another instance than its id's hash says."""
        return any(self.record(key).names_instances for key in partitions)

    def groups(
        self,
        partitions: Sequence[str],
        instance: int,
        *,
        zone: ZoneInfo,
        names: Collection[str] | None = None,
        span: Interval | None = None,
    ) -> pl.DataFrame:
        """How many events of each name there are on each day of `zone`: `GROUP_COLUMNS`, by eventName, then day.

        `bytes` is an estimate: the rows at the mean bytes of their name's maps in their partition.
        """
        choice = Choice(names, span)
        found = [pl.DataFrame(schema=GROUP_COLUMNS)]
        day = pl.col("ts").dt.convert_time_zone(zone.key).dt.date().alias("day")
        for key in partitions:
            sizes = self._mean_bytes(key)
            for file in self._data_files(key, instance):
                events = choice.of(pl.read_parquet(self.root / file.path, columns=["eventName", "ts"]))
                counted = events.group_by("eventName", day).agg(pl.len().cast(pl.UInt32).alias("rows"))
                size = pl.col("rows") * pl.col("eventName").replace_strict(sizes, return_dtype=pl.UInt64)
                found.append(counted.with_columns(size.alias("bytes")))
        return pl.concat(found).group_by("eventName", "day").agg(pl.all().sum()).sort("eventName", "day")

    def slices(
        self,
        partitions: Sequence[str],
        instance: int,
        *,
        names: Collection[str] | None = None,
        span: Interval | None = None,
    ) -> Iterator[pl.DataFrame]:
        """The events of an instance as event frames of some 16 MB, in order of (h, clevertapId, ts, partition, seq).

        The events without a clevertapId come first, by (partition, seq). A slice may end amid the events of one id.
        """
        choice, rows_per_slice = Choice(names, span), self._rows_per_slice(partitions)
        anonymous = [file for key in partitions for file in self._files.get((key, instance, ANONYMOUS), ())]
        yield from in_file_order([self.root / file.path for file in anonymous], instance, choice, rows_per_slice)
        logs = [files for key in partitions if (files := self._files.get((key, instance, LOG)))]
        runs = [Run(tuple(self.root / file.path for file in files), rows_in(files)) for files in logs]
        if len(runs) <= self.tuning.most_layers:
            yield from merged(runs, instance, rows_per_slice, choice)
            return
        self.scratch.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=self.scratch, prefix="fold-") as folder:
            few = folded(runs, instance, rows_per_slice, choice, Path(folder), self.tuning)
            yield from merged(few, instance, rows_per_slice, choice)

    def keys(self, partitions: Sequence[str], names: Collection[str] | None = None) -> pl.DataFrame:
        """Every key of the events' maps (core/events/staged.py): by partition of first appearance, then as there."""
        files = (file for key in partitions for file in self._files.get((self.record(key).partition, 0, KEYS), ()))
        keys = united_keys([pl.read_parquet(self.root / file.path) for file in files])
        return keys if names is None else keys.filter(pl.col("eventName").is_in(sorted(names)))

    def _data_files(self, partition: str, instance: int) -> tuple[StoredFile, ...]:
        return tuple(file for kind in (ANONYMOUS, LOG) for file in self._files.get((partition, instance, kind), ()))

    def _mean_bytes(self, partition: str) -> dict[str, int]:
        return {count.event: -(-count.bytes // count.rows) for count in self.record(partition).names}

    def _rows_per_slice(self, partitions: Sequence[str]) -> int:
        return self.tuning.rows_of(max((self.record(key).row_bytes for key in partitions), default=1))

    @cached_property
    def _files(self) -> dict[tuple[str, int, str], tuple[StoredFile, ...]]:
        """The files of each (partition, instance, kind), in order of their names."""
        found: dict[tuple[str, int, str], tuple[StoredFile, ...]] = {}
        for file in self.listing.files:
            key = (file.partition, file.instance, file.kind)
            found[key] = (*found.get(key, ()), file)
        return found
