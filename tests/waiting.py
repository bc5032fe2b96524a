"""Waiting for what another process does: asked for, never slept for."""

from collections.abc import Callable
from contextlib import suppress

import stamina


class _NotYet(Exception):
    """What is waited for hasn't come."""


def comes_true(said: Callable[[], bool], seconds: float, *, every: float = 0.5) -> bool:
    """Asks twice a second, or more often, until it is so; False when the time is over."""
    with suppress(_NotYet):
        for attempt in stamina.retry_context(
            _NotYet, attempts=None, timeout=seconds, wait_initial=every, wait_max=every
        ):
            with attempt:
                if not said():
                    raise _NotYet
                return True
    return False
