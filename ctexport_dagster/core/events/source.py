"""What a source of events must give: the raw events of one partition, with the input's fingerprint."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.source import RawBatch

RawEvents: TypeAlias = RawBatch
"""Events as the source gives them, one a row, columns named as in the event model; no `variants`.

`eventName`, `clevertapId`, `objectId` (the same), `identity`, `controlGroupName`, `instanceId` as for profiles. `ts`: a
timestamp, or text or a number as `normalise_times.event_instants` reads it. `profile`, `deviceInfo`, `eventProps`,
`sessionProps`: the text of one JSON object, a struct or a map. Columns may be missing; others are passed over.
"""


@dataclass(frozen=True)
class EventInput:
    """One partition of a source's events: those that arrived in its window, whenever they happened.

    `fingerprint` changes exactly when the input's content does. `batches` starts a fresh pass each time it is called,
    in the same order, in batches of at most some 32 MB.
    """

    fingerprint: str
    places: tuple[str, ...]
    batches: Callable[[], Iterator[RawEvents]]
    row_estimate: int


@runtime_checkable
class EventSource(Protocol):
    """An opened source that has events."""

    def events(self, partition: str, window: Interval) -> EventInput:
        """The input of one partition.

        Raises:
            SourceMissing: nothing lies where the partition should be.
        """
        ...
