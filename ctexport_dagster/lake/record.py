"""The record of a partition: what was written, from what, and whether it still rests on what lies before it."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import cached_property

from ctexport_dagster.core.errors import PartitionMissing, PartitionStale
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.manifest import Mode
from ctexport_dagster.core.schema import Field, FieldKey, Role, SourceSchema, ValueType, schema_as_of
from ctexport_dagster.core.source import SourceMode

NOTHING = ""
"""The state before the first partition."""


@dataclass(frozen=True)
class Tally:
    """What became of the rows that the source gave: source = unchanged + superseded + quarantined + logged.

    `source` counts living rows and refused ones. Apart from them stand the tombstones in the log: `deleted` (marked,
    or absent from a snapshot), `merged` (another profile lists the id) and `moved` (the row that counts stands
    in another instance); a tombstone that a *changes* source implies may name an id that never lived. `held`: profiles
    that a snapshot doesn't show, and that live on as one of its refused rows may be theirs.
    """

    source: int = 0
    unchanged: int = 0
    superseded: int = 0
    quarantined: int = 0
    logged: int = 0
    deleted: int = 0
    merged: int = 0
    moved: int = 0
    held: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        mine, theirs = asdict(self), asdict(other)
        return Tally(**{name: mine[name] + theirs[name] for name in mine})

    @property
    def log_rows(self) -> int:
        """The rows that the log holds, tombstones among them."""
        return self.logged + self.deleted + self.merged + self.moved


@dataclass(frozen=True)
class PartitionRecord:
    """One partition of a source, as it was last written; kept in the same commit as its rows."""

    partition: str
    window: Interval
    mode: SourceMode
    generation: int
    attempt: str
    input: str
    """The input's fingerprint."""
    shape: str
    """A fingerprint of what else shapes the rows: the declaration, and the version of this code's rules."""
    previous_state: str
    carries: bool
    """Whether values or profiles of the state before live on unseen in this one (or may do so)."""
    present: tuple[Field, ...]
    rows: Tally
    row_bytes: int
    instance_count: int
    reach: tuple[int, ...]
    """The instances in which it could leave tombstones: those known when it was written."""
    instances: tuple[int, ...]
    names_instances: bool
    """Whether the source itself named an instance that isn't the hash's."""
    quarantine: str | None
    run_id: str
    wide_integers: tuple[FieldKey, ...] = ()
    """The fields that held integers beyond 2^53 by then: they never widen to float, which would change them."""
    is_new: bool = True
    """False where the ingest found the partition as it should be, and wrote nothing. Not stored."""

    def state_after(self, before: str) -> str:
        """The fingerprint of the living profiles after this partition.

        A snapshot is a state of its own, whatever came before, unless it carries something on.
        """
        return self.given if self.mode == "snapshot" and not self.carries else _digest(before, self.given)

    @property
    def given(self) -> str:
        """A fingerprint of what the source gave, as it was read."""
        return _digest(self.input, self.shape)

    def rests_on(self, before: str, instances: frozenset[int]) -> bool:
        """Whether the log is still right, on a state before it that lies in these instances.

        A snapshot's log is the difference to that very state. A log of changes is right on any, but for two things: the
        first one leaves out tombstones, as nothing lies before it; and none has any in an instance not known then.
        """
        if self.mode == "snapshot":
            return self.previous_state == before
        return instances <= set(self.reach) and (self.previous_state != NOTHING or before == NOTHING)

    def to_json(self) -> str:
        document = asdict(self) | {
            "window": [self.window.start.isoformat(), self.window.end.isoformat()],
            "present": [[field.role, field.name, field.type] for field in self.present],
        }
        del document["is_new"]
        return json.dumps(document, ensure_ascii=False)

    @staticmethod
    def from_json(text: str) -> "PartitionRecord":
        document = json.loads(text)
        start, end = document["window"]
        document["window"] = Interval(datetime.fromisoformat(start), datetime.fromisoformat(end))
        document["present"] = tuple(Field(role, name, ValueType(type_)) for role, name, type_ in document["present"])
        document["rows"] = Tally(**document["rows"])
        document["wide_integers"] = tuple((role, name) for role, name in document["wide_integers"])
        document["instances"], document["reach"] = tuple(document["instances"]), tuple(document["reach"])
        return PartitionRecord(**document)


@dataclass(frozen=True)
class History:
    """The records of a source, oldest first."""

    source: str
    records: tuple[PartitionRecord, ...] = ()

    @staticmethod
    def of(source: str, records: Iterable[PartitionRecord]) -> "History":
        return History(source, tuple(sorted(records, key=lambda record: record.window)))

    def __contains__(self, partition: str) -> bool:
        return partition in self._places

    def record(self, partition: str) -> PartitionRecord:
        """Raises: PartitionMissing: it isn't in the lake."""
        if partition not in self._places:
            raise PartitionMissing(
                f"Reading {self.source}/profiles of {partition}",
                "the partition is not in the lake",
                f"Materialize {self.source}/profiles for {partition} first.",
            )
        return self.records[self._places[partition]]

    def upto(self, partition: str) -> "History":
        """The records up to this partition, itself included."""
        return self.before(self.record(partition).window, and_itself=True)

    def before(self, window: Interval, *, and_itself: bool = False) -> "History":
        """The records of earlier windows."""
        kept = (r for r in self.records if r.window.start < window.start or (and_itself and r.window == window))
        return History(self.source, tuple(kept))

    def without(self, partition: str) -> "History":
        return replace(self, records=tuple(r for r in self.records if r.partition != partition))

    @cached_property
    def states(self) -> tuple[str, ...]:
        """The state after each record."""
        states: list[str] = []
        for record in self.records:
            states.append(record.state_after(states[-1] if states else NOTHING))
        return tuple(states)

    @property
    def state(self) -> str:
        """The state after the last record."""
        return self.states[-1] if self.records else NOTHING

    @cached_property
    def stale(self) -> tuple[str, ...]:
        """The partitions that must be written anew, oldest first; those after one may turn out stale later."""
        stale: list[str] = []
        before, instances = NOTHING, frozenset[int]()
        for record, after in zip(self.records, self.states, strict=True):
            if not record.rests_on(before, instances):
                stale.append(record.partition)
            before, instances = after, instances | set(record.instances)
        return tuple(stale)

    def check(self) -> None:
        """Raises: PartitionStale: a partition rests on an older version of the one before it."""
        if self.stale:
            oldest = self.stale[0]
            raise PartitionStale(
                f"Reading {self.source}/profiles of {self.records[-1].partition}",
                f"{oldest} was written against an older version of the partition before it",
                f"Materialize {self.source}/profiles for {oldest} again.",
            )

    @cached_property
    def schema(self) -> SourceSchema:
        """The schema after the last record."""
        return schema_as_of(record.present for record in self.records)

    @property
    def wide_integers(self) -> frozenset[FieldKey]:
        """The fields that hold integers which a float64 can't."""
        return frozenset(field for record in self.records for field in record.wide_integers)

    @cached_property
    def absent(self) -> tuple[frozenset[tuple[Role, str]], ...]:
        """For each record the (role, name) of the fields known before that its partition has no column for."""
        known: set[tuple[Role, str]] = set()
        absent: list[frozenset[tuple[Role, str]]] = []
        for record in self.records:
            present: set[tuple[Role, str]] = {(field.role, field.name) for field in record.present}
            absent.append(frozenset(known - present))
            known |= present
        return tuple(absent)

    @property
    def names_instances(self) -> bool:
        """Whether a profile may stand in another instance than its id's hash says, and move."""
        return any(record.names_instances for record in self.records)

    @property
    def fingerprint(self) -> str:
        """The state and the schema after the last record: equal where every read gives the same."""
        return _fingerprint(self.state, self.schema)

    @cached_property
    def fingerprints(self) -> Mapping[str, str]:
        """The fingerprint after each record, by its partition."""
        found, schema = dict[str, str](), SourceSchema()
        for record, state in zip(self.records, self.states, strict=True):
            schema = schema.evolved(record.present)
            found[record.partition] = _fingerprint(state, schema)
        return found

    def basis_of(self, partitions: Sequence[str], mode: Mode) -> str:
        """A fingerprint of what an export's partition made of these consecutive ones, oldest first, follows from.

        Of a full one: the state after them. Of an increment: what the source gave in them and, of snapshots, the state
        before, as their rows are the difference to it. Rows of a *changes* source are compared with the state before
        as well, but it shows in those alone whose profiles it changed: counting it would put every later partition in
        doubt for each day that is mended.

        Raises:
            PartitionMissing: one of them isn't in the lake.
        """
        records = [self.record(partition) for partition in partitions]
        first, last = self._places[partitions[0]], self._places[partitions[-1]]
        if mode == "full":
            return self.states[last]
        before = self.states[first - 1] if first and records[0].mode == "snapshot" else NOTHING
        return _digest(before, *(record.given for record in records))

    @property
    def lineage(self) -> str:
        """Which writes, exactly, this history consists of: a base made of them is valid for them alone."""
        return _digest(*(f"{r.partition} {r.generation} {r.attempt}" for r in self.records))[:32]

    @property
    def row_bytes(self) -> int:
        """The bytes that a row takes in memory, as the widest partition has them."""
        return max((record.row_bytes for record in self.records), default=1)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {record.partition: place for place, record in enumerate(self.records)}


def _fingerprint(state: str, schema: SourceSchema) -> str:
    return _digest(state, *(f"{field.role} {field.type} {field.name}" for field in schema.fields))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
