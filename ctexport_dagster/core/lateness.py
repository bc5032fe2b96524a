"""Lateness: whether an export's newest partitions that are due have been delivered in time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ctexport_dagster.core.interval import Interval

GRACE = timedelta(hours=1)
"""How long after its run is due a partition may take before it is late."""

Punctuality = Literal["nothing due", "on time", "late", "far behind"]


@dataclass(frozen=True)
class Standing:
    """How an export stands; `newest`: the last window that should be delivered by now, None for none.

    `late`: that one isn't delivered. `far behind`: nor is the one before it.
    """

    punctuality: Punctuality
    newest: Interval | None = None
    due: datetime | None = None

    @property
    def is_late(self) -> bool:
        return self.punctuality in ("late", "far behind")


def standing(
    due: Sequence[Interval], due_at: Callable[[Interval], datetime], is_delivered: Callable[[Interval], bool]
) -> Standing:
    """How an export stands, by the windows that were due an hour ago (`now - GRACE`), oldest first."""
    if not due:
        return Standing("nothing due")
    newest = due[-1]
    if is_delivered(newest):
        punctuality: Punctuality = "on time"
    else:
        punctuality = "far behind" if len(due) > 1 and not is_delivered(due[-2]) else "late"
    return Standing(punctuality, newest, due_at(newest))
