"""What an ingest knows of the state before it: what its last input was, else what the state holds."""

from pathlib import Path

from ctexport_dagster.core.schema import schema_as_of
from ctexport_dagster.lake.gather import Gathered
from ctexport_dagster.lake.job import Job, shape
from ctexport_dagster.lake.known import Known, KnownState
from ctexport_dagster.lake.record import History, PartitionRecord
from ctexport_dagster.lake.remembered import InputMemory, RememberedInput
from ctexport_dagster.lake.settling import compared_in, present_fields
from ctexport_dagster.lake.stack import state_slices


def known_input(job: Job) -> Known | None:
    """The raw rows of the snapshot before, where this one's rows would be normalised alike."""
    if not _is_knowable(job):
        return None
    earlier = job.earlier
    elsewhere = schema_as_of(record.present for record in job.view.listing.history.without(job.partition).records)
    if earlier.schema.drifts_to(elsewhere):
        return None
    return RememberedInput.read(job.lake.caches, earlier.records[-1].attempt, _key(job, earlier), earlier.schema)


def known_state(job: Job) -> Known | None:
    """The state before, to recognise a snapshot's unchanged rows by; None where that can't be done."""
    if not _is_knowable(job):
        return None
    known = KnownState(job.earlier.schema, _rows_before(job))
    for instance in job.known_instances:
        with job.view.stack(job.earlier, instance) as stack:
            known.learn(instance, state_slices(stack, job.earlier, job.lake.tuning), stack.rows)
    return known


def memory_of(job: Job, gathered: Gathered, folder: Path) -> InputMemory | None:
    """What remembers the partition's input; None where the next one couldn't use it."""
    row_count = gathered.rows.row_count + _rows_before(job)
    if not remembers(job) or gathered.names_instances or row_count > job.lake.tuning.most_known_rows:
        return None
    fields = present_fields(job.earlier.schema.evolved(gathered.present), gathered.present)
    return InputMemory(folder, row_count, compared_in(fields))


def remembers(job: Job) -> bool:
    """Whether the input of this partition may be worth remembering."""
    return job.is_snapshot and not job.may_move


def publish(job: Job, record: PartitionRecord, memory: InputMemory) -> None:
    """Keeps what is remembered, now that the partition is in the lake, beside that of the partition before."""
    history = History.of(job.earlier.source, (*job.earlier.records, record))
    before = job.earlier.records[-1].attempt if job.earlier.records else None
    memory.publish(job.lake.caches, record.attempt, _key(job, history), beside=before)


def _is_knowable(job: Job) -> bool:
    """Neither where profiles may stand in several instances, nor where the state is too large to be held in memory."""
    return remembers(job) and bool(job.earlier.records) and _rows_before(job) <= job.lake.tuning.most_known_rows


def _rows_before(job: Job) -> int:
    if not job.earlier.records:
        return 0
    last = job.earlier.records[-1].rows
    return last.unchanged + last.logged + last.held


def _key(job: Job, history: History) -> str:
    return f"{history.lineage} {shape(job)}"
