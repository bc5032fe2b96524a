"""The ingest of one partition of events: its input in, its rows committed whole, or nothing changed at all.

Order of what reaches the disk: spilled rows (scratch), data files, the quarantine file, keys and record, then one
commit that names them. Whatever is killed before the commit has no effect; `sweep` takes its files away later.
"""

import hashlib
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from shutil import rmtree

import polars as pl

from ctexport_dagster.core.errors import ConcurrentWrite, LakeError
from ctexport_dagster.core.events.model import MAPS
from ctexport_dagster.core.events.normalise import EventNormaliser
from ctexport_dagster.core.events.source import EventInput
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.lake.events.lake import EventLake
from ctexport_dagster.lake.events.merging import ORDER
from ctexport_dagster.lake.events.record import EventHistory, EventRecord, EventTally, NameCount
from ctexport_dagster.lake.events.table import ANONYMOUS, KEYS, LOG, STORED_COLUMNS
from ctexport_dagster.lake.files import DataFile, Place, SortedWriter
from ctexport_dagster.lake.gather import Progress
from ctexport_dagster.lake.limits import check_quarantined
from ctexport_dagster.lake.refused import RefusedRows, drop_older
from ctexport_dagster.lake.spill import Spill
from ctexport_dagster.lake.table import Listing, Replacement, StoredFile

RULES = 1
"""The version of the rules by which input becomes rows: raised with any change that makes old partitions differ."""
_MOST_BUCKETS = 4096
_TEXT = (*MAPS, "eventName", "clevertapId")


def ingest_events(
    lake: EventLake,
    *,
    declaration: SourceDeclaration,
    partition: str,
    window: Interval,
    input: EventInput,  # noqa: A002 (the field's word)
    run_id: str,
    scratch: Path,
    progress: Progress | None = None,
) -> EventRecord:
    """Writes one partition of a source's events into its lake, and returns its record.

    Nothing is written (`is_new` is False) where the partition stands as it should: same input, same shape.

    Raises:
        TooManyQuarantined: the declaration's limit; nothing was changed.
        ConcurrentWrite: another process wrote this partition meanwhile; nothing of ours was kept.
        LakeError: the number of instances was changed.
    """
    history = lake.table.listing().history
    _check_instances(lake, history, declaration, partition)
    job = _Job(lake, declaration, partition, window, input, run_id, secrets.token_hex(8), history.find(partition))
    if job.standing and (job.standing.input, job.standing.shape) == (input.fingerprint, job.shape):
        drop_older(lake.quarantine, partition, job.standing.quarantine)
        return replace(job.standing, is_new=False)
    folder = scratch / f"ingest-{job.attempt}"
    refused = RefusedRows(lake.quarantine, partition, generation=job.generation, attempt=job.attempt)
    try:
        record = _Taken(job, folder, refused).written(progress)
    except BaseException:
        if not lake.table.discard(job.attempt, partition):
            refused.discard()
        raise
    finally:
        rmtree(folder, ignore_errors=True)
    drop_older(lake.quarantine, partition, record.quarantine)
    return record


@dataclass(frozen=True)
class _Job:
    """Everything that one ingest works on."""

    lake: EventLake
    declaration: SourceDeclaration
    partition: str
    window: Interval
    input: EventInput
    run_id: str
    attempt: str
    standing: EventRecord | None

    @property
    def generation(self) -> int:
        return self.standing.generation + 1 if self.standing else 1

    @property
    def attempted(self) -> str:
        return f"Writing {self.lake.source}/events of {self.partition}"

    @property
    def shape(self) -> str:
        """A fingerprint of what, beside the input, makes the rows what they are."""
        shaping = self.declaration.model_dump(mode="json", include={"timezone", "instances", "columns", "types"})
        return hashlib.sha256(json.dumps([RULES, shaping], sort_keys=True).encode()).hexdigest()[:16]

    def writer(self, kind: str, instance: int) -> SortedWriter:
        place = Place(self.lake.root, self.partition, kind, instance)
        return SortedWriter(place, f"{kind}-{self.attempt}", STORED_COLUMNS, self.lake.tuning, small_groups=True)


class _Taken:
    """One partition taken in: the known events spilled by range of h, those without an id written as they come."""

    def __init__(self, job: _Job, folder: Path, refused: RefusedRows) -> None:
        self._job, self._folder, self._refused = job, folder, refused
        self._spill: Spill | None = None
        self._anonymous: dict[int, SortedWriter] = {}
        self._names: dict[str, NameCount] = {}
        self._kept = self._bytes = 0
        self._happened: tuple[datetime, datetime] | None = None
        self._names_instances = False

    def written(self, progress: Progress | None) -> EventRecord:
        """Takes the input in and commits it."""
        normaliser = EventNormaliser(self._job.declaration)
        read = 0
        for raw in self._job.input.batches():
            normalised = normaliser.normalise(raw)
            self._refused.add(normalised.quarantined)
            self._take(normalised.frame)
            read += raw.frame.height + raw.unreadable.height
            if progress:
                progress(read)
        files = [*self._logs(), *(file for writer in self._anonymous.values() for file in writer.finish())]
        return self._commit(files, normaliser.keys.frame())

    def _take(self, events: pl.DataFrame) -> None:
        if events.is_empty():
            return
        self._count(events)
        known = events["clevertapId"].is_not_null()
        nobodys = events.filter(~known)
        for (instance,), rows in nobodys.partition_by("instance", as_dict=True, maintain_order=True).items():
            writer = self._anonymous.get(instance) or self._job.writer(ANONYMOUS, instance)
            self._anonymous[instance] = writer
            writer.write(rows)
        self._spill = self._spill or self._new_spill()
        self._spill.add(events if known.all() else events.filter(known))

    def _count(self, events: pl.DataFrame) -> None:
        self._kept += events.height
        self._bytes += int(events.estimated_size())
        first, last = events.select(pl.col("ts").min().alias("first"), pl.col("ts").max().alias("last")).row(0)
        earliest, latest = self._happened or (first, last)
        self._happened = (min(first, earliest), max(last, latest))
        hashed = pl.col("h") % self._job.declaration.instances
        self._names_instances |= events.select((pl.col("instance") != hashed).any()).item()
        size = pl.sum_horizontal(pl.col(name).str.len_bytes() for name in _TEXT).cast(pl.UInt64)
        counted = events.group_by("eventName", maintain_order=True).agg(pl.len(), size.sum().alias("bytes"))
        for event, rows, size_bytes in counted.iter_rows():
            before = self._names.get(event, NameCount(event, 0, 0))
            self._names[event] = NameCount(event, before.rows + rows, before.bytes + size_bytes)

    @property
    def _row_bytes(self) -> int:
        return max(1, self._bytes // self._kept) if self._kept else 1

    def _new_spill(self) -> Spill:
        tuning = self._job.lake.tuning
        bytes_each = self._job.input.row_estimate * self._row_bytes // self._job.declaration.instances
        buckets = min(_MOST_BUCKETS, max(1, -(-bytes_each * 4 // (tuning.slice_bytes * 3))))
        return Spill(self._folder, buckets, tuning.spill_bytes)

    def _logs(self) -> Iterator[DataFile]:
        if self._spill is None:
            return
        self._spill.flush()
        most_rows = self._job.lake.tuning.rows_of(self._row_bytes)
        for instance in self._spill.instances:
            writer = self._job.writer(LOG, instance)
            for part in self._spill.parts(instance, 0, most_rows):
                for rows in self._spill.in_order(instance, part, (*ORDER, "seq"), most_rows):
                    writer.write(rows)
            yield from writer.finish()

    def _commit(self, files: list[DataFile], keys: pl.DataFrame) -> EventRecord:
        job, table = self._job, self._job.lake.table
        rows = EventTally(self._kept + self._refused.count, self._refused.count, self._kept)
        check_quarantined(job.attempted, job.declaration, refused=self._refused, given=rows.source)
        record = EventRecord(
            partition=job.partition,
            window=job.window,
            generation=job.generation,
            attempt=job.attempt,
            input=job.input.fingerprint,
            shape=job.shape,
            rows=rows,
            names=tuple(self._names.values()),
            row_bytes=self._row_bytes,
            instance_count=job.declaration.instances,
            instances=tuple(sorted({file.instance for file in files})),
            quarantine=self._refused.publish(),
            run_id=job.run_id,
            happened=self._happened,
            names_instances=self._names_instances,
        )
        adds = (*files, table.write_small(job.partition, KEYS, job.attempt, keys), table.write_record(record))

        def plan(listing: Listing[EventHistory]) -> Replacement:
            _check_unwritten(job, listing.history)
            return Replacement(adds, _own(job, listing), transaction=(f"lake:{job.partition}", record.generation))

        table.commit(plan)
        return record


def _check_instances(lake: EventLake, history: EventHistory, declaration: SourceDeclaration, partition: str) -> None:
    others = [record for record in history.records if record.partition != partition]
    if others and others[-1].instance_count != declaration.instances:
        raise LakeError(
            f"Writing {lake.source}/events of {partition}",
            f"the lake has {others[-1].instance_count} instances, the declaration {declaration.instances}",
            "The number is fixed once there is data: set it back, or give the source another name.",
        )


def _check_unwritten(job: _Job, history: EventHistory) -> None:
    if history.find(job.partition) != job.standing:
        raise ConcurrentWrite(
            job.attempted,
            "another run wrote the same partition meanwhile",
            "Nothing of this run was kept. Run the partition again if it should be written once more.",
        )


def _own(job: _Job, listing: Listing[EventHistory]) -> tuple[StoredFile, ...]:
    """The partition's older files."""
    return tuple(file for file in listing.files if file.partition == job.partition)
