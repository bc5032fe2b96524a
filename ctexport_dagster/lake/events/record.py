"""The record of a partition of events: what was written, and from what."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property

from ctexport_dagster.core.errors import PartitionMissing
from ctexport_dagster.core.interval import Interval


@dataclass(frozen=True)
class EventTally:
    """What became of the rows that the source gave: source = quarantined + kept."""

    source: int = 0
    quarantined: int = 0
    kept: int = 0


@dataclass(frozen=True)
class NameCount:
    """The kept events of one name, and the bytes of their maps' text."""

    event: str
    rows: int
    bytes: int


@dataclass(frozen=True)
class EventRecord:
    """One partition of a source's events, as it was last written; kept in the same commit as its rows."""

    partition: str
    window: Interval
    generation: int
    attempt: str
    input: str
    """The input's fingerprint."""
    shape: str
    """A fingerprint of what else shapes the rows: the declaration, and the version of this code's rules."""
    rows: EventTally
    names: tuple[NameCount, ...]
    """By first appearance."""
    row_bytes: int
    """The bytes that a row takes in memory."""
    instance_count: int
    instances: tuple[int, ...]
    quarantine: str | None
    run_id: str
    is_new: bool = True
    """False where the ingest found the partition as it should be, and wrote nothing. Not stored."""

    @property
    def state(self) -> str:
        """A fingerprint of the kept events."""
        return _digest(self.input, self.shape)

    def to_json(self) -> str:
        window = [self.window.start.isoformat(), self.window.end.isoformat()]
        names = [[count.event, count.rows, count.bytes] for count in self.names]
        document = asdict(self) | {"window": window, "names": names}
        del document["is_new"]
        return json.dumps(document, ensure_ascii=False)

    @staticmethod
    def from_json(text: str) -> "EventRecord":
        document = json.loads(text)
        start, end = document["window"]
        document["window"] = Interval(datetime.fromisoformat(start), datetime.fromisoformat(end))
        document["rows"] = EventTally(**document["rows"])
        document["names"] = tuple(NameCount(*count) for count in document["names"])
        document["instances"] = tuple(document["instances"])
        return EventRecord(**document)


@dataclass(frozen=True)
class EventHistory:
    """The records of a source's events, oldest window first."""

    source: str
    records: tuple[EventRecord, ...] = ()

    @staticmethod
    def of(source: str, records: Iterable[EventRecord]) -> "EventHistory":
        return EventHistory(source, tuple(sorted(records, key=lambda record: record.window)))

    def find(self, partition: str) -> EventRecord | None:
        return self._by_partition.get(partition)

    def record(self, partition: str) -> EventRecord:
        """Raises: PartitionMissing: it isn't in the lake."""
        found = self.find(partition)
        if found is None:
            raise PartitionMissing(
                f"Reading {self.source}/events of {partition}",
                "the partition is not in the lake",
                f"Materialize {self.source}/events for {partition} first.",
            )
        return found

    def state_of(self, partitions: Iterable[str]) -> str:
        """A fingerprint of all that a read of these partitions gives. Raises: PartitionMissing."""
        return _digest(*(f"{partition} {self.record(partition).state}" for partition in partitions))

    @cached_property
    def _by_partition(self) -> dict[str, EventRecord]:
        return {record.partition: record for record in self.records}


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
