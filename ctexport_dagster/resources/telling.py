"""What every way of telling people must be able to do: hand one letter over, or say why it couldn't."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal, Protocol

import stamina

from ctexport_dagster.core.errors import ExportError
from ctexport_dagster.core.letter import Letter

Obstacle = Literal["down", "misconfigured", "refused"]
"""down: may pass by itself; misconfigured: a credential or setting is wrong; both hold for every letter. refused: this
letter or this recipient alone."""

TRIES = 3
TRIES_SECONDS = 10
"""After so long it is not tried again: a sensor's tick may take a minute in all, and the next tick goes on."""


class NotSent(ExportError):
    """A letter was not accepted; nothing of it was sent, as far as we know. `obstacle` says whether others may be."""

    def __init__(self, attempted: str, happened: str, next_step: str, obstacle: Obstacle) -> None:
        self.obstacle: Obstacle = obstacle
        super().__init__(attempted, happened, next_step)


class Channel(Protocol):
    """One way of telling people."""

    def send(self, letter: Letter, *, to: str, now: datetime) -> None:
        """Hands a letter over; after it returns, the other side has taken it.

        Raises:
            NotSent: it has not. No message of it holds a secret, nor what the other side said.
        """
        ...


def patiently(send: Callable[[], None]) -> None:
    """Sends, again after short waits where the other side is down.

    Raises:
        NotSent: it stayed so.
    """
    for attempt in stamina.retry_context(on=_may_pass, attempts=TRIES, timeout=TRIES_SECONDS, wait_initial=0.5):
        with attempt:
            send()


def _may_pass(error: Exception) -> bool:
    return isinstance(error, NotSent) and error.obstacle == "down"
