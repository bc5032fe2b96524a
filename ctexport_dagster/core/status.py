"""The status of an export, as people read it. Source: REQUIREMENTS P33, P34, S9.

    Running     a run is at work on one of its partitions
    Done        everything that it was declared for is delivered: a one-time export, or one past its `end`
    Stopped     somebody stopped it, or it was edited in a way that is refused: it won't run by itself
    Pending     it waits for its next run; so does a recurring export after each success

Beside it stands whether it needs attention: a due partition failed and isn't delivered, or the export is disabled.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from ctexport_dagster.core.history import Attempt, latest_by_partition

Status = Literal["Pending", "Running", "Stopped", "Done"]
STATUSES: tuple[Status, ...] = get_args(Status)


@dataclass(frozen=True)
class Standing:
    """An export's status, and what it needs attention for: a sentence, empty where it needs none."""

    status: Status
    attention: str = ""

    @property
    def needs_attention(self) -> bool:
        return bool(self.attention)


def standing(
    attempts: Iterable[Attempt],
    *,
    undelivered: frozenset[str],
    is_over: bool,
    is_on: bool,
    is_running: bool,
    refusal: str | None,
) -> Standing:
    """How an export stands.

    `attempts`: those at what isn't delivered. `undelivered`: the keys of the due partitions that weren't delivered.
    `is_over`: no window is yet to come. `is_running`: a run of it has begun and not ended.
    """
    latest = latest_by_partition(attempts)
    failed = sorted(key for key in undelivered if key in latest and latest[key].state == "failed")
    status = _status(
        is_running=is_running,
        is_done=is_over and not undelivered,
        is_off=not is_on or refusal is not None,
    )
    return Standing(status, refusal or _failed(failed))


def _status(*, is_running: bool, is_done: bool, is_off: bool) -> Status:
    if is_running:
        return "Running"
    if is_done:
        return "Done"
    return "Stopped" if is_off else "Pending"


def _failed(partitions: list[str]) -> str:
    if not partitions:
        return ""
    more = f" and {len(partitions) - 1} more" if len(partitions) > 1 else ""
    return f"partition {partitions[0]}{more} failed"
