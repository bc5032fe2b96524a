"""The ingest of one partition: its input in, its log committed whole, or nothing changed at all.

Order of what reaches the disk: spilled rows (scratch), log files, the quarantine file, the record, then one commit
that names them. Whatever is killed before the commit has no effect; `sweep` takes its files away later.
"""

import secrets
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

from ctexport_dagster.core.errors import ConcurrentWrite, SourceShrunk
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.normalise.normaliser import Normaliser
from ctexport_dagster.core.source import ProfileInput, SourceDeclaration
from ctexport_dagster.lake.gather import Gathered, Gathering, Progress, gather
from ctexport_dagster.lake.intake import NormaliserOf
from ctexport_dagster.lake.job import Job, check, shape, stands
from ctexport_dagster.lake.known import Doubtful, Known
from ctexport_dagster.lake.lake import Lake
from ctexport_dagster.lake.limits import check_quarantined
from ctexport_dagster.lake.recognition import known_input, known_state, memory_of, publish, remembers
from ctexport_dagster.lake.record import PartitionRecord, Tally
from ctexport_dagster.lake.refused import RefusedRows, drop_older
from ctexport_dagster.lake.remembered import InputMemory
from ctexport_dagster.lake.settling import Written, present_fields, settle
from ctexport_dagster.lake.table import Listing, Replacement, StoredFile


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
    check(lake, view, declaration, partition, previous)
    earlier = view.before(window)
    job = Job(lake, view, declaration, partition, window, input, run_id, secrets.token_hex(8), earlier)
    if job.standing and stands(job, job.standing):
        drop_older(lake.quarantine, partition, job.standing.quarantine)
        return replace(job.standing, is_new=False)
    folder = scratch / f"ingest-{job.attempt}"
    refused = RefusedRows(lake.quarantine, partition, generation=job.generation, attempt=job.attempt)
    try:
        gathered, written, memory = _taken_in(job, folder, refused, progress, normaliser_of)
        record = _commit(job, gathered, written)
        if memory:
            publish(job, record, memory)
    except BaseException:
        if not lake.table.discard(job.attempt, partition):
            refused.discard()
        raise
    finally:
        rmtree(folder, ignore_errors=True)
    drop_older(lake.quarantine, partition, record.quarantine)
    return record


def _taken_in(
    job: Job, folder: Path, refused: RefusedRows, progress: Progress | None, normaliser_of: NormaliserOf
) -> tuple[Gathered, Written, InputMemory | None]:
    """The partition gathered and settled: what stands as it stood passed over, if nothing speaks against that."""
    known = known_input(job) or known_state(job)
    if known is not None:
        try:
            return _pass(job, folder / "changed", refused, progress, normaliser_of, known)
        except Doubtful:
            refused.discard()
            job.lake.table.discard(job.attempt, job.partition)
            rmtree(folder)
    return _pass(job, folder / "all", refused, progress, normaliser_of, None)


def _pass(
    job: Job,
    folder: Path,
    refused: RefusedRows,
    progress: Progress | None,
    normaliser_of: NormaliserOf,
    known: Known | None,
) -> tuple[Gathered, Written, InputMemory | None]:
    others = job.view.listing.history.without(job.partition)
    normaliser = normaliser_of(job.declaration, others.schema, others.wide_integers)
    gathering = Gathering(
        folder,
        job.lake.tuning,
        job.declaration.mode,
        job.declaration.instances,
        is_first=not job.earlier.records,
        may_move=job.may_move,
        known=known,
        remembers=remembers(job),
    )
    gathered = gather(job.input, normaliser, gathering, refused, progress)
    memory = memory_of(job, gathered, folder / "memory")
    return gathered, settle(job, gathered, known, memory), memory


def _commit(job: Job, gathered: Gathered, written: Written) -> PartitionRecord:
    rows = replace(
        written.tally, source=gathered.living + _refused_before(gathered, written), quarantined=gathered.refused.count
    )
    _check_limits(job, rows, gathered.refused, written.lived)
    record = _record(job, gathered, written, rows)
    files = (*written.files, job.lake.table.write_record(record))
    fields = record.present

    def plan(listing: Listing) -> Replacement:
        _check_unwritten(job, listing)
        return Replacement(files, _replaced(job, listing), fields, (f"lake:{job.partition}", record.generation))

    job.lake.table.commit(plan)
    return record


def _refused_before(gathered: Gathered, written: Written) -> int:
    """The rows refused one by one, before any were compared with each other."""
    return gathered.refused.count - written.tally.quarantined


def _check_limits(job: Job, rows: Tally, refused: RefusedRows, lived: int) -> None:
    attempted = f"Writing {job.lake.source}/profiles of {job.partition}"
    check_quarantined(attempted, job.declaration, refused=refused, given=rows.source)
    gone = rows.deleted + rows.held
    if job.is_snapshot and gone > job.declaration.max_deleted * lived:
        raise SourceShrunk(
            attempted,
            f"{gone} of {lived} profiles are gone, `max_deleted` allows {job.declaration.max_deleted} of them",
            "If they are really gone, raise the limit for this run; the partition was left as it was.",
        )


def _record(job: Job, gathered: Gathered, written: Written, rows: Tally) -> PartitionRecord:
    present = present_fields(job.earlier.schema.evolved(gathered.present), gathered.present)
    known = {(field.role, field.name) for field in job.earlier.schema.fields}
    has_vanished = bool(known - {(field.role, field.name) for field in present})
    holds = gathered.refused.identified > 0 or gathered.refused.may_be_anybodys(job.declaration.rows_without_id)
    return PartitionRecord(
        partition=job.partition,
        window=job.window,
        mode=job.declaration.mode,
        generation=job.generation,
        attempt=job.attempt,
        input=job.input.fingerprint,
        shape=shape(job),
        previous_state=job.earlier.state,
        carries=bool(job.earlier.records) and (has_vanished or holds),
        present=present,
        rows=rows,
        row_bytes=gathered.row_bytes,
        instance_count=job.declaration.instances,
        reach=tuple(sorted(job.reach)),
        instances=tuple(sorted({file.instance for file in written.files})),
        names_instances=gathered.names_instances,
        quarantine=gathered.refused.publish(),
        run_id=job.run_id,
        wide_integers=tuple(sorted(gathered.wide_integers)),
    )


def _check_unwritten(job: Job, listing: Listing) -> None:
    history = listing.history
    now = history.record(job.partition) if job.partition in history else None
    if now != job.standing:
        raise ConcurrentWrite(
            f"Writing {job.lake.source}/profiles of {job.partition}",
            "another run wrote the same partition meanwhile",
            "Nothing of this run was kept. Run the partition again if it should be written once more.",
        )


def _replaced(job: Job, listing: Listing) -> tuple[StoredFile, ...]:
    """The partition's older files, and every base that its rows went into."""
    windows = {record.partition: record.window for record in listing.history.records}
    bases = (b for b in listing.bases if windows[b.partition].start >= job.window.start)
    own = (*listing.of_kind("log", job.partition), *listing.of_kind("record", job.partition))
    return (*own, *bases)
