"""A gathered partition settled into its log: instance by instance, range by range, against the state before."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from ctexport_dagster.core.changes import compared_columns, rows_of
from ctexport_dagster.core.profile import KEY_COLUMNS
from ctexport_dagster.core.schema import Field, SourceSchema
from ctexport_dagster.lake.compact import compact
from ctexport_dagster.lake.files import DataFile, Place, SortedWriter, stored_columns
from ctexport_dagster.lake.gather import Gathered
from ctexport_dagster.lake.job import Job
from ctexport_dagster.lake.known import Doubtful, Known, Seen
from ctexport_dagster.lake.layers import living
from ctexport_dagster.lake.notes import held_notes
from ctexport_dagster.lake.raw_rows import UNTOLD, Hashes, value_hashes
from ctexport_dagster.lake.record import Tally
from ctexport_dagster.lake.refused import duplicates
from ctexport_dagster.lake.remembered import InputMemory
from ctexport_dagster.lake.settle import Settled, contradicting, settle_changes, settle_snapshot
from ctexport_dagster.lake.spill import Part
from ctexport_dagster.lake.stack import Stack, StateReader
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


def settle(job: Job, gathered: Gathered, known: Known | None, memory: InputMemory | None) -> Written:
    """Writes the partition's log files, to be committed, and what of its input is to be remembered.

    Raises:
        Doubtful: a row that was passed over as known has a rival, or wouldn't be the same now; without `known` never.
    """
    if known and not known.holds_in(job.earlier.schema.evolved(gathered.present)):
        raise Doubtful
    passed = Written(tally=Tally(unchanged=known.unchanged, superseded=known.superseded)) if known else Written()
    instances = [_Instance(job, gathered, known, memory, i) for i in sorted({*gathered.rows.instances, *job.reach})]
    if job.is_snapshot and (job.may_move or gathered.names_instances):
        for instance in instances:
            instance.note_contradictions()
        gathered.notes.flush()
    return sum((instance.settled() for instance in instances), start=passed)


def present_fields(schema: SourceSchema, present: Sequence[Field]) -> tuple[Field, ...]:
    """The fields of a partition, in its order, in the types that they have by now."""
    return tuple(schema.by_name[field.role, field.name] for field in present)


def compared_in(fields: Sequence[Field]) -> tuple[str, ...]:
    """The columns whose difference makes a row of a snapshot worth logging: a device makes no change, but is kept."""
    return (*compared_columns(fields), "deviceToken")


class _Instance:
    """The settling of one instance."""

    def __init__(
        self, job: Job, gathered: Gathered, known: Known | None, memory: InputMemory | None, instance: int
    ) -> None:
        self._job, self._gathered, self._instance = job, gathered, instance
        self._known, self._memory = known, memory
        self._schema = job.earlier.schema.evolved(gathered.present)
        self._fields = present_fields(self._schema, gathered.present)
        self._state_place = 0
        self._holds_all = gathered.refused.may_be_anybodys(job.declaration.rows_without_id)

    def settled(self) -> Written:
        job, gathered = self._job, self._gathered
        place = Place(job.lake.table.root, job.partition, "log", self._instance)
        writer = SortedWriter(
            place,
            f"log-{job.attempt}",
            stored_columns(self._fields),
            job.lake.tuning,
            small_groups=self._instance in job.known_instances,
        )
        total = Written()
        with job.view.stack(job.earlier, self._instance) as stack:
            reader = self._reader(stack)
            for part in gathered.rows.parts(self._instance, stack.rows if reader else 0, self._most_rows):
                settled, lived = self._settled_part(part, reader)
                writer.write(settled.log)
                if settled.refused.height:
                    gathered.refused.add(duplicates(settled.refused, self._fields, gathered.places))
                total += Written((), settled.tally, lived)
        return total + Written(tuple(writer.finish()))

    def note_contradictions(self) -> None:
        """Tells the other instances of profiles that contradict themselves here: they didn't move, they are refused."""
        job, rows = self._job, self._gathered.rows
        compared = self._compared
        for part in rows.parts(self._instance, 0, self._most_rows):
            ids = [frame["clevertapId"] for frame in rows.read(self._instance, part)]
            if ids and pl.concat(ids).is_duplicated().any():
                wrong = contradicting(living(self._given(part)), compared)
                notes = held_notes(wrong.to_frame(), job.declaration.instances)
                self._gathered.notes.add(compact(notes))

    @property
    def _compared(self) -> tuple[str, ...]:
        return compared_in(self._fields)

    @property
    def _knows_values(self) -> bool:
        return self._known is not None and self._known.knows_values(self._compared)

    @property
    def _most_rows(self) -> int:
        return self._job.lake.tuning.rows_of(max(self._gathered.row_bytes, self._job.earlier.row_bytes))

    def _settled_part(self, part: Part, reader: StateReader | None) -> tuple[Settled, int]:
        given = self._given(part)
        anywhere = self._job.may_move or self._gathered.names_instances
        notes = self._gathered.notes_on(self._instance, part, anywhere=anywhere)
        if reader is None:
            return self._last_words(given, notes), 0
        before, seen = self._before(reader, part)
        given = given.with_columns(value=pl.Series(self._value_hashes(given)))
        self._check_rivals(before["clevertapId"].filter(pl.Series(seen.is_seen)), given, notes)
        doubtful = before.filter(~pl.Series(seen.is_seen))
        settled = settle_snapshot(given, doubtful, notes, self._compared, holds_all=self._holds_all)
        if self._memory:
            self._memory.add(self._instance, _after(self._remembered(before, seen), settled))
        return settled, before.height

    def _reader(self, stack: Stack) -> StateReader | None:
        """What reads the living rows before a snapshot; their keys alone where their values are known by hash."""
        if not self._job.is_snapshot:
            return None
        return StateReader(stack, self._schema, columns=() if self._knows_values else None)

    def _before(self, reader: StateReader, part: Part) -> tuple[pl.DataFrame, Seen]:
        """The living rows before, in a column `value` their value hashes if they were read without values."""
        before = reader.living(part.upper)
        seen = self._known.seen(self._instance, self._state_place, before["h"]) if self._known else None
        self._state_place += before.height
        seen = seen or Seen.none_of(before.height)
        if not self._knows_values:
            return before, seen
        values = np.full(before.height, UNTOLD) if seen.values is None else seen.values
        return before.with_columns(value=pl.Series(values)), seen

    def _remembered(self, before: pl.DataFrame, seen: Seen) -> pl.DataFrame:
        """`h`, `clevertapId`, `raw` and `value` of the rows before."""
        values = before["value"] if "value" in before.columns else pl.Series(self._value_hashes(before))
        raw = np.where(seen.is_seen, seen.raw, UNTOLD)
        return before.select("h", "clevertapId", raw=pl.Series(raw), value=values)

    def _value_hashes(self, frame: pl.DataFrame) -> Hashes:
        """As far as anybody wants to know them."""
        if self._memory or self._knows_values:
            return value_hashes(frame, self._compared)
        return np.full(frame.height, UNTOLD)

    def _given(self, part: Part) -> pl.DataFrame:
        values = {field.column: field.type.dtype for field in self._fields}
        columns = KEY_COLUMNS | values | {"seq": pl.UInt64(), "raw": pl.UInt64()}
        pieces = self._gathered.rows.read(self._instance, part)
        return typed(pieces, columns, self._fields).sort("h", "clevertapId", "seq")

    def _last_words(self, given: pl.DataFrame, notes: pl.DataFrame) -> Settled:
        if self._job.earlier.records and self._instance in self._job.reach:
            return settle_changes(given, notes)
        # Nothing lived here before that could have gone; else 5 M first rows would leave as many tombstones.
        return settle_changes(given, notes.filter(pl.col("clevertapId").is_in(given["clevertapId"].implode())))

    def _check_rivals(self, seen: pl.Series, given: pl.DataFrame, notes: pl.DataFrame) -> None:
        """Nothing else may speak of a row that was passed over."""
        spoken_of = notes.filter(pl.col("note") != "merged")["clevertapId"]
        rivals = pl.concat([given["clevertapId"], spoken_of]).to_frame()
        if not rivals.join(seen.to_frame(), on="clevertapId", how="semi").is_empty():
            raise Doubtful


def _after(stood: pl.DataFrame, settled: Settled) -> pl.DataFrame:
    """The living rows after a part, in order; `stood` are those before it, in the columns wanted."""
    given = settled.standing.select(stood.columns)
    if stood.is_empty():
        return given
    dead = settled.log.filter("deleted").select("clevertapId")
    stays = stood.join(dead, on="clevertapId", how="anti", maintain_order="left") if dead.height else stood
    places = rows_of(stays, given["clevertapId"])
    known = places.is_not_null()
    told = stays.with_columns(
        stays[name].scatter(places.drop_nulls(), given[name].filter(known)) for name in ("raw", "value")
    )
    return told if known.all() else pl.concat([told, given.filter(~known)]).sort("h", "clevertapId")
