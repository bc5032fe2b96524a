"""Which lines of a file are meant, by their numbers: held in little room, for they may be millions."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence


class Lines:
    """Numbers of lines, from 1, in ascending order."""

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self._numbers = array("Q", numbers)

    def add(self, numbers: Iterable[int]) -> None:
        """Takes in further ones, beyond those that are there."""
        self._numbers.extend(numbers)

    def between(self, first: int, after: int) -> Sequence[int]:
        """Those from `first` on that lie before `after`."""
        return self._numbers[bisect_left(self._numbers, first) : bisect_left(self._numbers, after)]
