"""The record of a partition of events: what was written, and from what."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from ctexport_dagster.core.interval import Interval
from ctexport_dagster.lake.partition_records import PartitionRecords, digest


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
    happened: tuple[datetime, datetime] | None
    """When the first and the last of the kept events happened; None where there are none."""
    names_instances: bool
    """Whether an event stands in another instance than its id's hash says, as the source named it."""
    is_new: bool = True
    """False where the ingest found the partition as it should be, and wrote nothing. Not stored."""

    @property
    def state(self) -> str:
        """A fingerprint of the kept events."""
        return digest(self.input, self.shape)

    def may_hold(self, span: Interval) -> bool:
        """Whether an event of this span may be among the kept ones."""
        return self.happened is not None and self.happened[0] < span.end and span.start <= self.happened[1]

    def to_json(self) -> str:
        window = [self.window.start.isoformat(), self.window.end.isoformat()]
        happened = [instant.isoformat() for instant in self.happened or ()]
        names = [[count.event, count.rows, count.bytes] for count in self.names]
        document = asdict(self) | {"window": window, "names": names, "happened": happened}
        del document["is_new"]
        return json.dumps(document, ensure_ascii=False)

    @staticmethod
    def from_json(text: str) -> "EventRecord":
        document = json.loads(text)
        start, end = document["window"]
        document["window"] = Interval(datetime.fromisoformat(start), datetime.fromisoformat(end))
        document["rows"] = EventTally(**document["rows"])
        document["happened"] = tuple(map(datetime.fromisoformat, document["happened"])) or None
        document["names"] = tuple(NameCount(*count) for count in document["names"])
        document["instances"] = tuple(document["instances"])
        return EventRecord(**document)


class EventHistory(PartitionRecords[EventRecord]):
    """The records of a source's events."""

    @staticmethod
    def of(source: str, records: Iterable[EventRecord]) -> "EventHistory":
        return EventHistory(f"{source}/events", tuple(sorted(records, key=lambda record: record.window)))
