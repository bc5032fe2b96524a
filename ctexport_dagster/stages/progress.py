"""How a stage tells what it has done so far: a callable that takes a count of rows or bytes."""

from collections.abc import Callable
from typing import TypeAlias

Progress: TypeAlias = Callable[[int], None]


def unseen(_count: int) -> None:
    """Progress that nobody watches."""
