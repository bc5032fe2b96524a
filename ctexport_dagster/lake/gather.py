"""Taking a partition's input in: normalised batch by batch, spilled by range of h, the refused rows set apart."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from ctexport_dagster.core.normalise.keys import KEY_NAMES
from ctexport_dagster.core.normalise.normaliser import Normalised
from ctexport_dagster.core.profile import PREFERENCES
from ctexport_dagster.core.schema import Field, FieldKey, ValueType
from ctexport_dagster.core.source import ProfileInput, SourceMode
from ctexport_dagster.lake.compact import compact
from ctexport_dagster.lake.intake import Intake, Normalising
from ctexport_dagster.lake.known import Known
from ctexport_dagster.lake.notes import NOTE_COLUMNS, held_notes, merged_notes, moved_notes
from ctexport_dagster.lake.places import Places
from ctexport_dagster.lake.refused import RefusedRows
from ctexport_dagster.lake.spill import Part, Spill
from ctexport_dagster.lake.tuning import Tuning

Progress = Callable[[int], None]
"""Told after each batch how many rows of the source have been read so far."""
_MOST_BUCKETS = 4096
_ROW_BYTES_GUESS = 300


@dataclass(frozen=True)
class Gathering:
    """How a partition is taken in."""

    folder: Path
    tuning: Tuning
    mode: SourceMode
    instance_count: int
    is_first: bool
    """Nothing lies before the partition."""
    may_move: bool
    """The source names instances itself, so that any profile may stand elsewhere than its hash says."""
    known: Known | None
    """The state before, where rows that stand in it as they are may be passed over."""
    remembers: bool
    """Rows carry the hash of their raw row, for the next partition."""

    def spills(self, row_estimate: int, row_bytes: int) -> tuple[Spill, Spill]:
        """Where rows and notes go: buckets a little smaller than a slice, by what is known beforehand."""
        bytes_each = row_estimate * row_bytes // self.instance_count
        buckets = min(_MOST_BUCKETS, max(1, -(-bytes_each * 4 // (self.tuning.slice_bytes * 3))))
        rows = Spill(self.folder / "rows", buckets, self.tuning.spill_bytes)
        return rows, Spill(self.folder / "notes", buckets, self.tuning.spill_bytes // 4)

    def notes(self, frame: pl.DataFrame, quarantined: pl.DataFrame) -> Iterator[pl.DataFrame]:
        """What a batch's rows say about others, as far as it matters in this mode."""
        count = self.instance_count
        if self.mode == "changes" or not self.is_first:
            yield merged_notes(frame, count)
        if self.mode == "snapshot":
            yield held_notes(quarantined, count)
        if self.may_move:
            yield moved_notes(frame, count)


@dataclass
class Gathered:
    """A partition's rows and notes on disk, by instance and range of h, and what was counted on the way."""

    rows: Spill
    notes: Spill
    refused: RefusedRows
    places: Places = field(default_factory=Places)
    present: tuple[Field, ...] = ()
    wide_integers: frozenset[FieldKey] = frozenset()
    living: int = 0
    """Living rows that could be used."""
    names_instances: bool = False

    def note_places(self, instance_count: int) -> None:
        """Notes where the rows so far stand, as those to come may stand elsewhere."""
        self.rows.flush()
        for frame in self.rows.every():
            self.notes.add(compact(moved_notes(frame, instance_count)))

    @property
    def row_bytes(self) -> int:
        return max(1, self.rows.bytes // self.rows.row_count) if self.rows.row_count else 1

    def notes_on(self, instance: int, part: Part, *, anywhere: bool) -> pl.DataFrame:
        """The notes on an instance; those of all homes, where profiles may stand elsewhere than their hash says."""
        homes = self.notes.instances if anywhere else (instance,)
        frames = [frame for home in homes for frame in self.notes.read(home, part)]
        notes = pl.concat(frames) if frames else pl.DataFrame(schema=NOTE_COLUMNS)
        return notes.filter(pl.col("given_in").ne_missing(instance))


def gather(
    given: ProfileInput,
    normaliser: Normalising,
    gathering: Gathering,
    refused: RefusedRows,
    progress: Progress | None,
) -> Gathered:
    """Takes the whole input in, in one pass."""
    gathered: Gathered | None = None
    intake = Intake(normaliser, gathering.known, remembers=gathering.remembers)
    places = Places()
    read = 0
    for raw in given.batches():
        if not gathering.may_move and "instanceId" in raw.frame.columns:
            gathering = replace(gathering, may_move=True)
            if gathered is not None:
                gathered.note_places(gathering.instance_count)
        for taken in intake.take(raw):
            if gathered is None:
                gathered = Gathered(*gathering.spills(given.row_estimate, _bytes_per_row(taken.frame)), refused)
            _take(gathered, taken, gathering)
        places.add(raw)
        read += raw.frame.height + raw.unreadable.height
        if progress:
            progress(read)
    for taken in intake.finish():
        gathered = gathered or Gathered(*gathering.spills(given.row_estimate, _bytes_per_row(taken.frame)), refused)
        _take(gathered, taken, gathering)
    gathered = gathered or Gathered(*gathering.spills(0, 1), refused)
    gathered.places = places
    gathered.living += intake.passed
    gathered.rows.flush()
    gathered.notes.flush()
    gathered.wide_integers = normaliser.wide_integers
    gathered.present = _with_named(normaliser.present, given.present)
    return gathered


def _take(gathered: Gathered, taken: Normalised, gathering: Gathering) -> None:
    frame, quarantined = taken.frame, taken.quarantined
    gathered.refused.add(quarantined)
    gathered.living += frame.height - int(frame["deleted"].sum())
    gathered.names_instances |= not _named(frame, gathering.instance_count).is_empty()
    told = compact(frame.filter(~pl.Series(gathering.known.recognised(frame)))) if gathering.known else frame
    gathered.rows.add(told)
    for notes in gathering.notes(told, quarantined):
        gathered.notes.add(compact(notes))


def _named(frame: pl.DataFrame, instance_count: int) -> pl.DataFrame:
    """The rows whose instance is not the hash's."""
    return frame.filter(pl.col("instance") != pl.col("h") % instance_count)


def _bytes_per_row(frame: pl.DataFrame) -> int:
    return int(frame.estimated_size()) // frame.height if frame.height else _ROW_BYTES_GUESS


def _with_named(present: tuple[Field, ...], named: tuple[str, ...]) -> tuple[Field, ...]:
    """The fields seen, and those that the input is known to have a column for."""
    seen = {field.name for field in present}
    missing = [name for name in named if name not in seen and name not in KEY_NAMES]
    return (*present, *(_unknown(name) for name in missing))


def _unknown(name: str) -> Field:
    return Field("preference" if name in PREFERENCES else "property", name, ValueType.UNKNOWN)
