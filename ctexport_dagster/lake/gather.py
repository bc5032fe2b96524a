"""Taking a partition's input in: normalised batch by batch, spilled by range of h, the refused rows set apart."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import polars as pl

from ctexport_dagster.core.normalise import Normalised
from ctexport_dagster.core.normalise_keys import KEY_NAMES
from ctexport_dagster.core.profile import PREFERENCES
from ctexport_dagster.core.schema import Field, SourceSchema, ValueType
from ctexport_dagster.core.source import ProfileInput, RawBatch, SourceDeclaration
from ctexport_dagster.lake.notes import held_notes, merged_notes, moved_notes
from ctexport_dagster.lake.places import Places
from ctexport_dagster.lake.refused import RefusedRows
from ctexport_dagster.lake.spill import Spill
from ctexport_dagster.lake.tuning import Tuning

Progress = Callable[[int], None]
"""Told after each batch how many rows of the source have been read so far."""
_MOST_BUCKETS = 4096


class Normalising(Protocol):
    """What brings raw batches to the profile model, in order (core/normalise.py)."""

    def normalise(self, raw: RawBatch) -> Normalised: ...

    @property
    def present(self) -> tuple[Field, ...]: ...


NormaliserOf = Callable[[SourceDeclaration, SourceSchema], Normalising]


@dataclass
class Gathered:
    """A partition's rows and notes on disk, by instance and range of h, and what was counted on the way."""

    rows: Spill
    notes: Spill
    refused: RefusedRows
    places: Places = field(default_factory=Places)
    present: tuple[Field, ...] = ()
    living: int = 0
    """Living rows that could be used."""
    given: int = 0
    """Rows that could be used, marked deletions among them."""
    names_instances: bool = False

    @property
    def row_bytes(self) -> int:
        return max(1, self.rows.bytes // self.given) if self.given else 1

    def notes_for(self, instance: int, buckets: range, *, anywhere: bool) -> list[pl.DataFrame]:
        """The notes on an instance; those of all homes, where profiles may stand elsewhere than their hash says."""
        homes = self.notes.instances if anywhere else (instance,)
        return [frame for home in homes for frame in self.notes.read(home, buckets)]


def gather(
    input: ProfileInput,
    normaliser: Normalising,
    gathered: Gathered,
    *,
    instance_count: int,
    may_move: bool,
    progress: Progress | None,
) -> Gathered:
    """Fills `gathered` with the whole input. `may_move`: an earlier partition named instances itself."""
    read = 0
    for raw in input.batches():
        normalised = normaliser.normalise(raw)
        gathered.places.add(raw)
        _take_rows(gathered, normalised.frame, instance_count, may_move=may_move)
        gathered.notes.add(held_notes(normalised.quarantined, instance_count))
        gathered.refused.add(normalised.quarantined)
        read += raw.frame.height + raw.unreadable.height
        if progress:
            progress(read)
    gathered.rows.flush()
    gathered.notes.flush()
    gathered.present = _with_named(normaliser.present, input.present)
    return gathered


def bucket_count(bytes: int, tuning: Tuning) -> int:
    """How many ranges of h so many bytes of one instance are parted into: each a little less than a slice."""
    return min(_MOST_BUCKETS, max(1, -(-bytes * 4 // (tuning.slice_bytes * 3))))


def _take_rows(gathered: Gathered, frame: pl.DataFrame, instance_count: int, *, may_move: bool) -> None:
    gathered.rows.add(frame)
    gathered.notes.add(merged_notes(frame, instance_count))
    named = frame.filter(pl.col("instance") != pl.col("h") % instance_count)
    gathered.names_instances |= not named.is_empty()
    gathered.notes.add(moved_notes(frame if may_move else named, instance_count))
    gathered.given += frame.height
    gathered.living += frame.height - int(frame["deleted"].sum())


def _with_named(present: tuple[Field, ...], named: tuple[str, ...]) -> tuple[Field, ...]:
    """The fields seen, and those that the input is known to have a column for."""
    seen = {field.name for field in present}
    missing = [name for name in named if name not in seen and name not in KEY_NAMES]
    return (*present, *(_unknown(name) for name in missing))


def _unknown(name: str) -> Field:
    return Field("preference" if name in PREFERENCES else "property", name, ValueType.UNKNOWN)


def typed(pieces: list[pl.DataFrame], columns: dict[str, pl.DataType], fields: tuple[Field, ...]) -> pl.DataFrame:
    """Pieces of profile frames, whose fields may stand in columns of narrower types, as one frame of these columns."""
    targets = {Field(f.role, f.name, narrow).column: f.column for f in fields for narrow in ValueType}
    frames = [_cast(piece, columns, targets) for piece in pieces]
    return pl.concat(frames) if frames else pl.DataFrame(schema=columns)


def _cast(piece: pl.DataFrame, columns: dict[str, pl.DataType], targets: dict[str, str]) -> pl.DataFrame:
    sources: dict[str, list[str]] = {}
    for name in piece.columns:
        sources.setdefault(targets.get(name, name), []).append(name)
    return piece.select(_value(sources.get(name, []), dtype).alias(name) for name, dtype in columns.items())


def _value(sources: list[str], dtype: pl.DataType) -> pl.Expr:
    if not sources:
        return pl.lit(None, dtype=dtype)
    values = [pl.col(name).cast(dtype) for name in sources]
    return values[0] if len(values) == 1 else pl.coalesce(values)


def buckets_of(spill: Spill, instance: int, state_rows: int, most_rows: int) -> Iterator[tuple[range, int, int]]:
    """Ranges of an instance to be settled one by one: their buckets, lower and upper h; together they cover all h.

    Small buckets are joined, a large one is parted, so that neither the source's rows nor the state's are many more
    than `most_rows`.
    """
    start = held = 0
    state_share = state_rows // spill.buckets
    for bucket in range(spill.buckets):
        load = max(spill.rows(instance, bucket), state_share)
        if bucket > start and held + load > most_rows:
            yield _range(spill, start, bucket)
            start, held = bucket, 0
        held += load
        if held > 2 * most_rows:
            yield from _parted(spill, bucket, -(-held // most_rows))
            start, held = bucket + 1, 0
    if start < spill.buckets:
        yield _range(spill, start, spill.buckets)


def _range(spill: Spill, start: int, stop: int) -> tuple[range, int, int]:
    return range(start, stop), spill.upper(start - 1), spill.upper(stop - 1)


def _parted(spill: Spill, bucket: int, count: int) -> Iterator[tuple[range, int, int]]:
    lower, upper = spill.upper(bucket - 1), spill.upper(bucket)
    bounds = [lower + (upper - lower) * part // count for part in range(count + 1)]
    for part in range(count):
        yield range(bucket, bucket + 1), bounds[part], bounds[part + 1]
