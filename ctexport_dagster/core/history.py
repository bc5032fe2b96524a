"""What has been tried for an export: all that status, catch-up and notices decide by."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ctexport_dagster.core.errors import (
    Busy,
    ConcurrentWrite,
    ConfigurationError,
    DeliveryError,
    ExportError,
    LakeError,
    NamingError,
    SourceError,
    StagingMissing,
)
from ctexport_dagster.core.failure import FailureClass

AttemptState = Literal["waiting", "running", "succeeded", "failed", "canceled"]
Whose = FailureClass | Literal["input"]
"""Whose a failure is to mend: as in core/failure.py; `input` where the source, an earlier partition or the declaration
must change first, which neither the destination's owner nor waiting mends."""


@dataclass(frozen=True)
class Attempt:
    """One run's attempt at one partition of an export; `partition` is the export's own key (core/interval.py).

    `succeeded` means that the partition was delivered. `whose` is None unless it failed; a run that died without a
    word is `ours`.
    """

    run_id: str
    partition: str
    state: AttemptState
    launched: datetime
    ended: datetime | None = None
    whose: Whose | None = None

    @property
    def is_open(self) -> bool:
        return self.state in ("waiting", "running")


def whose_is(problem: BaseException) -> Whose:
    """Whose an error of a run is to mend. Source: REQUIREMENTS S11 and ARCHITECTURE, rule 7."""
    match problem:
        case DeliveryError():
            return problem.failure.whose
        case Busy() | ConcurrentWrite():
            return "transient"
        case SourceError() | LakeError() | StagingMissing() | NamingError() | ConfigurationError():
            return "input"
        case ExportError() | _:
            return "ours"


def latest_by_partition(attempts: Iterable[Attempt]) -> dict[str, Attempt]:
    """The last attempt at each partition, by when it was launched."""
    return {attempt.partition: attempt for attempt in sorted(attempts, key=lambda a: (a.launched, a.run_id))}


def last_success(attempts: Sequence[Attempt]) -> Attempt | None:
    """The attempt that delivered last, by when it ended."""
    done = [attempt for attempt in attempts if attempt.state == "succeeded" and attempt.ended]
    return max(done, key=lambda attempt: (attempt.ended or attempt.launched, attempt.run_id), default=None)
