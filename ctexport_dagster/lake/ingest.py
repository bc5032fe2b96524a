"""The ingest of one partition: its input in, its log committed whole, or nothing changed at all.

Order of what reaches the disk: spilled rows (scratch), log files, the quarantine file, the record, then one commit
that names them. Whatever is killed before the commit has no effect; `sweep` takes its files away later.
"""

import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import rmtree

import polars as pl

from ctexport_dagster.core.changes import compared_columns
from ctexport_dagster.core.errors import ConcurrentWrite, LakeError, PartitionMissing, SourceShrunk, TooManyQuarantined
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.normalise import Normaliser
from ctexport_dagster.core.profile import KEY_COLUMNS
from ctexport_dagster.core.schema import Field, SourceSchema, schema_as_of
from ctexport_dagster.core.source import ProfileInput, SourceDeclaration
from ctexport_dagster.lake.files import DataFile, Place, SortedWriter
from ctexport_dagster.lake.gather import Gathered, Gathering, NormaliserOf, Progress, gather, typed
from ctexport_dagster.lake.lake import Lake
from ctexport_dagster.lake.record import History, PartitionRecord, Tally
from ctexport_dagster.lake.refused import RefusedRows, duplicates
from ctexport_dagster.lake.settle import Settled, settle_changes, settle_snapshot
from ctexport_dagster.lake.spill import Part
from ctexport_dagster.lake.stack import StateReader
from ctexport_dagster.lake.table import Listing, Replacement, StoredFile
from ctexport_dagster.lake.view import LakeView

RULES = 1
"""The version of the rules by which input becomes rows: raised with any change that makes old partitions differ."""


@dataclass(frozen=True)
class _Job:
    """Everything that one ingest works on."""

    lake: Lake
    view: LakeView
    declaration: SourceDeclaration
    partition: str
    window: Interval
    input: ProfileInput
    run_id: str
    attempt: str
    earlier: History

    @property
    def standing(self) -> PartitionRecord | None:
        """The partition as it is in the lake now."""
        history = self.view.listing.history
        return history.record(self.partition) if self.partition in history else None

    @property
    def generation(self) -> int:
        return self.standing.generation + 1 if self.standing else 1

    @property
    def may_move(self) -> bool:
        """Whether profiles may stand in other instances than their hash's."""
        return any(record.names_instances for record in self.earlier.records)

    @property
    def is_snapshot(self) -> bool:
        return self.declaration.mode == "snapshot"


@dataclass(frozen=True)
class _Written:
    """What settling the partition gave."""

    files: tuple[DataFile, ...] = ()
    tally: Tally = field(default_factory=Tally)
    lived: int = 0
    """Profiles that lived before, where the state was read."""

    def __add__(self, other: "_Written") -> "_Written":
        return _Written((*self.files, *other.files), self.tally + other.tally, self.lived + other.lived)


def ingest(
    lake: Lake,
    *,
    declaration: SourceDeclaration,
    partition: str,
    window: Interval,
    previous: str | None,
    input: ProfileInput,  # noqa: A002 (the field's word)
    run_id: str,
    scratch: Path,
    progress: Progress | None = None,
    normaliser_of: NormaliserOf = Normaliser,
) -> PartitionRecord:
    """Writes one partition of a source into its lake, and returns its record.

    Nothing is written (`is_new` is False) where the partition stands as it should: same input, same shape, not stale.

    Raises:
        PartitionMissing: `previous` isn't in the lake.
        PartitionStale: an earlier partition must be written anew first.
        SourceShrunk, TooManyQuarantined: the declaration's limits; nothing was changed.
        ConcurrentWrite: another process wrote this partition meanwhile; nothing of ours was kept.
        LakeError: the number of instances was changed.
    """
    view = lake.view()
    _check(lake, view, declaration, partition, previous)
    earlier = view.before(window)
    job = _Job(lake, view, declaration, partition, window, input, run_id, secrets.token_hex(8), earlier)
    if job.standing and _stands(job, job.standing):
        return replace(job.standing, is_new=False)
    folder = scratch / f"ingest-{job.attempt}"
    refused = RefusedRows(lake.quarantine, f"{partition}-g{job.generation}-{job.attempt}.parquet")
    try:
        gathered = _gathered(job, folder, refused, progress, normaliser_of)
        record = _commit(job, gathered, _settled(job, gathered))
    except BaseException:
        if not lake.table.discard(job.attempt, partition):
            refused.discard()
        raise
    finally:
        rmtree(folder, ignore_errors=True)
    _drop_older_quarantines(job, record)
    return record


def _check(lake: Lake, view: LakeView, declaration: SourceDeclaration, partition: str, previous: str | None) -> None:
    history = view.listing.history
    if previous is not None and previous not in history:
        raise PartitionMissing(
            f"Writing {lake.source}/profiles of {partition}",
            f"the partition before it, {previous}, is not in the lake",
            f"Materialize {lake.source}/profiles for {previous} first.",
        )
    others = history.without(partition).records
    if others and others[-1].instance_count != declaration.instances:
        raise LakeError(
            f"Writing {lake.source}/profiles of {partition}",
            f"the lake has {others[-1].instance_count} instances, the declaration {declaration.instances}",
            "The number is fixed once there is data: set it back, or give the source another name.",
        )


def _stands(job: _Job, record: PartitionRecord) -> bool:
    same = (record.input, record.shape, record.mode) == (job.input.fingerprint, _shape(job), job.declaration.mode)
    return same and record.rests_on(job.earlier.state)


def _shape(job: _Job) -> str:
    """A fingerprint of what, beside the input, makes the rows what they are."""
    shaping = job.declaration.model_dump(mode="json", include={"mode", "timezone", "instances", "columns", "types"})
    return hashlib.sha256(json.dumps([RULES, shaping], sort_keys=True).encode()).hexdigest()[:16]


def _gathered(
    job: _Job, folder: Path, refused: RefusedRows, progress: Progress | None, normaliser_of: NormaliserOf
) -> Gathered:
    others = job.view.listing.history.without(job.partition)
    known = schema_as_of(record.present for record in others.records)
    gathering = Gathering(
        folder,
        job.lake.tuning,
        job.declaration.mode,
        job.declaration.instances,
        is_first=not job.earlier.records,
        may_move=job.may_move,
    )
    return gather(job.input, normaliser_of(job.declaration, known), gathering, refused, progress)


def _settled(job: _Job, gathered: Gathered) -> _Written:
    schema = job.earlier.schema.evolved(gathered.present)
    known = {instance for record in job.earlier.records for instance in record.instances}
    instances = sorted({*gathered.rows.instances, *known, *range(job.declaration.instances)})
    written = _Written()
    for instance in instances:
        written += _settled_instance(job, gathered, schema, instance, is_known=instance in known)
    return written


def _settled_instance(
    job: _Job, gathered: Gathered, schema: SourceSchema, instance: int, *, is_known: bool
) -> _Written:
    fields = _present(schema, gathered.present)
    place = Place(job.lake.table.root, job.partition, "log", instance)
    writer = SortedWriter(place, f"log-{job.attempt}", fields, job.lake.tuning, small_groups=is_known)
    most_rows = job.lake.tuning.rows_of(max(gathered.row_bytes, job.earlier.row_bytes))
    total = _Written()
    with job.view.stack(job.earlier, instance) as stack:
        reader = StateReader(stack, schema) if job.is_snapshot else None
        for part in gathered.rows.parts(instance, stack.rows if reader else 0, most_rows):
            given = _given(gathered, fields, instance, part)
            notes = gathered.notes_on(instance, part, anywhere=job.may_move or gathered.names_instances)
            before = reader.living(part.upper) if reader else None
            settled = _settle(given, before, notes, fields, is_known=is_known)
            writer.write(settled.log)
            if settled.refused.height:
                gathered.refused.add(duplicates(settled.refused, fields, gathered.places))
            total += _Written((), settled.tally, before.height if before is not None else 0)
    return total + _Written(tuple(writer.finish()))


def _given(gathered: Gathered, fields: tuple[Field, ...], instance: int, part: Part) -> pl.DataFrame:
    columns = KEY_COLUMNS | {field.column: field.type.dtype for field in fields} | {"seq": pl.UInt64()}
    return typed(gathered.rows.read(instance, part), columns, fields).sort("h", "clevertapId", "seq")


def _settle(
    given: pl.DataFrame,
    before: pl.DataFrame | None,
    notes: pl.DataFrame,
    fields: tuple[Field, ...],
    *,
    is_known: bool,
) -> Settled:
    if before is not None:
        return settle_snapshot(given, before, notes, (*compared_columns(fields), "deviceToken"))
    if is_known:
        return settle_changes(given, notes)
    # Nothing lived in a new instance that could have gone; else 5 M first rows would leave as many tombstones.
    return settle_changes(given, notes.filter(pl.col("clevertapId").is_in(given["clevertapId"].implode())))


def _present(schema: SourceSchema, present: Sequence[Field]) -> tuple[Field, ...]:
    """The fields of the partition, in its order, in the types that they have by now."""
    return tuple(schema.by_name[field.role, field.name] for field in present)


def _commit(job: _Job, gathered: Gathered, written: _Written) -> PartitionRecord:
    rows = replace(
        written.tally, source=gathered.living + _refused_before(gathered, written), quarantined=gathered.refused.count
    )
    _check_limits(job, rows, written.lived)
    record = _record(job, gathered, written, rows)
    files = (*written.files, job.lake.table.write_record(record))
    fields = record.present

    def plan(listing: Listing) -> Replacement:
        _check_unwritten(job, listing)
        return Replacement(files, _replaced(job, listing), fields, (f"lake:{job.partition}", record.generation))

    job.lake.table.commit(plan)
    return record


def _refused_before(gathered: Gathered, written: _Written) -> int:
    """The rows refused one by one, before any were compared with each other."""
    return gathered.refused.count - written.tally.quarantined


def _check_limits(job: _Job, rows: Tally, lived: int) -> None:
    attempted = f"Writing {job.lake.source}/profiles of {job.partition}"
    most = job.declaration.max_quarantined
    if most is not None and rows.quarantined > (most * rows.source if most < 1 else most):
        raise TooManyQuarantined(
            attempted,
            f"{rows.quarantined} of {rows.source} rows were refused, `max_quarantined` allows {most}",
            "Mend the source, or raise the limit in its declaration; the partition was left as it was.",
        )
    if job.is_snapshot and rows.deleted > job.declaration.max_deleted * lived:
        raise SourceShrunk(
            attempted,
            f"{rows.deleted} of {lived} profiles are gone, `max_deleted` allows {job.declaration.max_deleted} of them",
            "If they are really gone, raise the limit for this run; the partition was left as it was.",
        )


def _record(job: _Job, gathered: Gathered, written: _Written, rows: Tally) -> PartitionRecord:
    present = _present(job.earlier.schema.evolved(gathered.present), gathered.present)
    known = {(field.role, field.name) for field in job.earlier.schema.fields}
    has_vanished = bool(known - {(field.role, field.name) for field in present})
    return PartitionRecord(
        partition=job.partition,
        window=job.window,
        mode=job.declaration.mode,
        generation=job.generation,
        attempt=job.attempt,
        input=job.input.fingerprint,
        shape=_shape(job),
        previous_state=job.earlier.state,
        carries=bool(job.earlier.records) and (has_vanished or gathered.refused.identified > 0),
        present=present,
        rows=rows,
        row_bytes=gathered.row_bytes,
        instance_count=job.declaration.instances,
        instances=tuple(sorted({file.instance for file in written.files})),
        names_instances=gathered.names_instances,
        quarantine=gathered.refused.publish(),
        run_id=job.run_id,
    )


def _check_unwritten(job: _Job, listing: Listing) -> None:
    history = listing.history
    now = history.record(job.partition) if job.partition in history else None
    if now != job.standing:
        raise ConcurrentWrite(
            f"Writing {job.lake.source}/profiles of {job.partition}",
            "another run wrote the same partition meanwhile",
            "Nothing of this run was kept. Run the partition again if it should be written once more.",
        )


def _replaced(job: _Job, listing: Listing) -> tuple[StoredFile, ...]:
    """The partition's older files, and every base that its rows went into."""
    windows = {record.partition: record.window for record in listing.history.records}
    bases = (b for b in listing.bases if windows[b.partition].start >= job.window.start)
    own = (*listing.of_kind("log", job.partition), *listing.of_kind("record", job.partition))
    return (*own, *bases)


def _drop_older_quarantines(job: _Job, record: PartitionRecord) -> None:
    for path in job.lake.quarantine.glob(f"{job.partition}-g*.parquet"):
        if path.name != record.quarantine:
            path.unlink(missing_ok=True)
