"""The ingest of one partition of a dataset: its input in, its rows published whole, or nothing changed at all.

Order of what reaches the disk: segments and where the partition ends in a folder of the attempt, the quarantine file,
then the record that names them. Whatever is killed before the record's rename has no effect; `sweep` takes its files
away later.

The input is read once, batch by batch. It is read again only where a new column turns out to hold values that don't go
together, as text formats may have them: the column is text then, from its first row on; and where each partition has
the whole table and the type of a column has changed: it is a new column then.
"""

import hashlib
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from zoneinfo import ZoneInfo

from ctexport_dagster.core.atomic import write_bytes
from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.datasets.normalise import KnownTable, TableNormaliser
from ctexport_dagster.core.datasets.schema_text import schema_text
from ctexport_dagster.core.datasets.source import DatasetInput
from ctexport_dagster.core.errors import ConcurrentWrite
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.lake.datasets.lake import DatasetLake
from ctexport_dagster.lake.datasets.record import END, DatasetRecord, DatasetTally, Segment
from ctexport_dagster.lake.datasets.segments import SegmentWriter
from ctexport_dagster.lake.datasets.view import DatasetView
from ctexport_dagster.lake.limits import check_quarantined
from ctexport_dagster.lake.refused import RefusedRows, drop_older

RULES = 1
"""The version of the rules by which input becomes rows: raised with any change that makes old partitions differ."""
Progress = Callable[[int], None]


def ingest_dataset(
    lake: DatasetLake,
    *,
    declaration: SourceDeclaration,
    partition: str,
    window: Interval,
    input: DatasetInput,  # noqa: A002 (the field's word)
    run_id: str,
    progress: Progress | None = None,
) -> DatasetRecord:
    """Writes one partition of a declared dataset into its lake, and returns its record.

    Nothing is written (`is_new` is False) where the partition stands as it should: same input, same shape, rows there.

    Raises:
        TooManyQuarantined: the declaration's limit; nothing was changed.
        ConcurrentWrite: another process wrote this partition meanwhile; nothing of ours was kept.
    """
    job = _Job(lake, declaration, partition, window, input, run_id, lake.view())
    standing = job.standing
    if standing and job.stands(standing):
        drop_older(lake.quarantine, partition, standing.quarantine)
        return standing.model_copy(update={"is_new": False})
    refused = RefusedRows(lake.quarantine, partition, generation=job.generation, attempt=job.attempt)
    try:
        with lake.attempt(job.attempt) as folder:
            record = job.record(_taken_in(job, folder, refused, progress), refused)
            if job.input.upto is not None:
                write_bytes(folder / END, job.input.upto.encode())
            job.check_unwritten()
            lake.publish(record, folder)
    except BaseException:
        if lake.withdraw(partition, job.attempt):
            refused.discard()
        raise
    drop_older(lake.quarantine, partition, record.quarantine)
    return record


@dataclass(frozen=True)
class _Taken:
    """What came of one pass over the input."""

    normaliser: TableNormaliser
    segments: tuple[Segment, ...]
    kept: int


@dataclass(frozen=True)
class _Job:
    """Everything that one ingest works on."""

    lake: DatasetLake
    declaration: SourceDeclaration
    partition: str
    window: Interval
    input: DatasetInput
    run_id: str
    view: DatasetView
    attempt: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def declared(self) -> DeclaredDataset:
        return self.declaration.declared_datasets[self.lake.dataset]

    @property
    def standing(self) -> DatasetRecord | None:
        return self.view.find(self.partition)

    @property
    def generation(self) -> int:
        return self.standing.generation + 1 if self.standing else 1

    @property
    def known(self) -> KnownTable:
        known = self.view.history.known_beside(self.partition, self.window)
        return replace(known, is_binding=self.declared.holds == "added")

    @property
    def shape(self) -> str:
        """A fingerprint of what, beside the input, makes the rows what they are."""
        shaping = self.declared.model_dump(mode="json", include={"holds", "cursor", "types"})
        document = [RULES, self.declaration.timezone, shaping]
        return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]

    def stands(self, record: DatasetRecord) -> bool:
        same = (record.input, record.shape) == (self.input.fingerprint, self.shape)
        return same and self.view.has_rows_of(record)

    def record(self, taken: _Taken, refused: RefusedRows) -> DatasetRecord:
        rows = DatasetTally(source=taken.kept + refused.count, quarantined=refused.count, kept=taken.kept)
        attempted = f"Writing {self.lake.name} of {self.partition}"
        check_quarantined(attempted, self.declaration, refused=refused, given=rows.source)
        return DatasetRecord(
            partition=self.partition,
            window=self.window,
            generation=self.generation,
            attempt=self.attempt,
            input=self.input.fingerprint,
            shape=self.shape,
            rows=rows,
            schema_text=schema_text(taken.normaliser.schema),
            present=taken.normaliser.present,
            wide=tuple(sorted(taken.normaliser.wide)),
            segments=taken.segments,
            holds_all=self.declared.holds == "all",
            cursor=self.declared.cursor,
            zone=self.declaration.timezone,
            has_end=self.input.upto is not None,
            quarantine=refused.publish(),
            run_id=self.run_id,
        )

    def check_unwritten(self) -> None:
        if self.lake.view().find(self.partition) != self.standing:
            raise ConcurrentWrite(
                f"Writing {self.lake.name} of {self.partition}",
                "another run wrote the same partition meanwhile",
                "Nothing of this run was kept. Run the partition again if it should be written once more.",
            )


def _taken_in(job: _Job, folder: Path, refused: RefusedRows, progress: Progress | None) -> _Taken:
    """The input in segments; read anew where columns turned out to be text, or to have another type than elsewhere.

    That ends: each time, a column becomes new that wasn't, or text that was new.
    """
    known, texts = job.known, frozenset[str]()
    while True:
        normaliser = TableNormaliser(job.declared, ZoneInfo(job.declaration.timezone), known, texts)
        taken = _pass(job, folder, refused, progress, normaliser)
        if not normaliser.must_reread:
            return taken
        known, texts = known.without(normaliser.outgrown), texts | normaliser.mixed
        refused.discard()
        for path in folder.iterdir():
            path.unlink()


def _pass(
    job: _Job, folder: Path, refused: RefusedRows, progress: Progress | None, normaliser: TableNormaliser
) -> _Taken:
    """The whole input once; nothing more is written from where another pass is known to be needed."""
    writer = SegmentWriter(folder, job.lake.sizes)
    kept = read = 0
    with writer:
        for raw in job.input.batches():
            rows = normaliser.normalise(raw)
            if not normaliser.mixed:
                refused.add(rows.quarantined)
                writer.write(rows.frame)
                kept += rows.frame.height
            read += raw.frame.height + raw.unreadable.height
            if progress:
                progress(read)
    return _Taken(normaliser, writer.segments, kept)
