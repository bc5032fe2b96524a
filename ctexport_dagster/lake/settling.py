"""A gathered partition settled into its log: instance by instance, range by range, against the state before."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from ctexport_dagster.core.changes import compared_columns
from ctexport_dagster.core.profile import KEY_COLUMNS
from ctexport_dagster.core.schema import Field, SourceSchema
from ctexport_dagster.lake.files import DataFile, Place, SortedWriter
from ctexport_dagster.lake.gather import Gathered
from ctexport_dagster.lake.job import Job
from ctexport_dagster.lake.known import Doubtful, KnownRows
from ctexport_dagster.lake.record import Tally
from ctexport_dagster.lake.refused import duplicates
from ctexport_dagster.lake.settle import Settled, settle_changes, settle_snapshot
from ctexport_dagster.lake.spill import Part
from ctexport_dagster.lake.stack import StateReader, state_slices
from ctexport_dagster.lake.typed import typed


@dataclass(frozen=True)
class Written:
    """What settling the partition gave."""

    files: tuple[DataFile, ...] = ()
    tally: Tally = field(default_factory=Tally)
    lived: int = 0
    """Profiles that lived before, where the state was read."""

    def __add__(self, other: "Written") -> "Written":
        return Written((*self.files, *other.files), self.tally + other.tally, self.lived + other.lived)


def known_rows(job: Job) -> KnownRows | None:
    """The state before, to recognise a snapshot's unchanged rows by; None where that can't be done.

    Neither can it where profiles may stand in several instances, nor where the state is too large for its hashes.
    """
    if not job.is_snapshot or not job.earlier.records or job.may_move:
        return None
    last = job.earlier.records[-1].rows
    if last.unchanged + last.logged > job.lake.tuning.most_known_rows:
        return None
    known = KnownRows(job.earlier.schema)
    for instance in job.known_instances:
        with job.view.stack(job.earlier, instance) as stack:
            known.learn(instance, state_slices(stack, job.earlier, job.lake.tuning), stack.rows)
    return known


def settle(job: Job, gathered: Gathered, known: KnownRows | None) -> Written:
    """Writes the partition's log files, to be committed.

    Raises:
        Doubtful: a row that was passed over as known has a rival; without `known` never.
    """
    passed = Written(tally=Tally(unchanged=known.unchanged, superseded=known.superseded)) if known else Written()
    instances = sorted({*gathered.rows.instances, *job.reach})
    return sum((_Instance(job, gathered, known, i).settled() for i in instances), start=passed)


def present_fields(schema: SourceSchema, present: Sequence[Field]) -> tuple[Field, ...]:
    """The fields of a partition, in its order, in the types that they have by now."""
    return tuple(schema.by_name[field.role, field.name] for field in present)


class _Instance:
    """The settling of one instance."""

    def __init__(self, job: Job, gathered: Gathered, known: KnownRows | None, instance: int) -> None:
        self._job, self._gathered, self._known, self._instance = job, gathered, known, instance
        self._schema = job.earlier.schema.evolved(gathered.present)
        self._fields = present_fields(self._schema, gathered.present)
        self._state_place = 0

    def settled(self) -> Written:
        job, gathered = self._job, self._gathered
        place = Place(job.lake.table.root, job.partition, "log", self._instance)
        writer = SortedWriter(
            place,
            f"log-{job.attempt}",
            self._fields,
            job.lake.tuning,
            small_groups=self._instance in job.known_instances,
        )
        most_rows = job.lake.tuning.rows_of(max(gathered.row_bytes, job.earlier.row_bytes))
        total = Written()
        with job.view.stack(job.earlier, self._instance) as stack:
            reader = StateReader(stack, self._schema) if job.is_snapshot else None
            for part in gathered.rows.parts(self._instance, stack.rows if reader else 0, most_rows):
                settled, lived = self._settled_part(part, reader)
                writer.write(settled.log)
                if settled.refused.height:
                    gathered.refused.add(duplicates(settled.refused, self._fields, gathered.places))
                total += Written((), settled.tally, lived)
        return total + Written(tuple(writer.finish()))

    def _settled_part(self, part: Part, reader: StateReader | None) -> tuple[Settled, int]:
        given = self._given(part)
        anywhere = self._job.may_move or self._gathered.names_instances
        notes = self._gathered.notes_on(self._instance, part, anywhere=anywhere)
        if reader is None:
            return self._last_words(given, notes), 0
        before = reader.living(part.upper)
        doubtful = self._without_seen(before, given, notes)
        compared = (*compared_columns(self._fields), "deviceToken")
        return settle_snapshot(given, doubtful, notes, compared), before.height

    def _given(self, part: Part) -> pl.DataFrame:
        values = {field.column: field.type.dtype for field in self._fields}
        columns = KEY_COLUMNS | values | {"seq": pl.UInt64()}
        pieces = self._gathered.rows.read(self._instance, part)
        return typed(pieces, columns, self._fields).sort("h", "clevertapId", "seq")

    def _last_words(self, given: pl.DataFrame, notes: pl.DataFrame) -> Settled:
        if self._job.earlier.records and self._instance in self._job.reach:
            return settle_changes(given, notes)
        # Nothing lived here before that could have gone; else 5 M first rows would leave as many tombstones.
        return settle_changes(given, notes.filter(pl.col("clevertapId").is_in(given["clevertapId"].implode())))

    def _without_seen(self, before: pl.DataFrame, given: pl.DataFrame, notes: pl.DataFrame) -> pl.DataFrame:
        """The living rows before, less those that were recognised in the input: which nothing else may speak of."""
        if self._known is None:
            return before
        is_seen = self._known.seen(self._instance, self._state_place, before.height)
        self._state_place += before.height
        spoken_of = notes.filter(pl.col("note") != "merged")["clevertapId"]
        rivals = pl.concat([given["clevertapId"], spoken_of]).to_frame()
        if not before.select("clevertapId").filter(is_seen).join(rivals, on="clevertapId", how="semi").is_empty():
            raise Doubtful
        return before.filter(~is_seen)
