"""Fresh well-mixed numbers for made-up rows, the same ones for a row whichever batch it is made in."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from ctexport_dagster.resources.demo.history import Numbers, mixed


class Draws:
    """One number for each row with every call; `keys` tells the rows apart, `salt` sets of draws of the same rows."""

    def __init__(self, keys: Numbers, salt: int) -> None:
        self._keys = keys
        self._salt = salt

    @classmethod
    def of_step(cls, numbers: Numbers, step: int, seed: int, salt: int) -> "Draws":
        """Those of the rows of one step, by their numbers within it."""
        return cls(mixed(numbers + (np.uint64(step) << np.uint64(40)), seed), salt)

    def __call__(self) -> Numbers:
        self._salt += 1
        return mixed(self._keys, self._salt)

    def below(self, limit: int) -> pl.Series:
        return pl.Series(self() % np.uint64(limit)).cast(pl.Int64)

    def chance(self, of: int) -> pl.Series:
        """True for one row in so many."""
        return self.below(of) == 0

    def pick(self, choices: Sequence[str]) -> pl.Series:
        return pl.Series(choices, dtype=pl.String).gather(self.below(len(choices)))
