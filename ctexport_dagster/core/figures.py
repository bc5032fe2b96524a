"""Figures of an export's rows, counted as they stream by: how many are blank in each column, and whether ids repeat."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from ctexport_dagster.core.columns import ColumnPlan, OutputColumn


@dataclass(frozen=True)
class Figures:
    """Counts of the rows that a partition sends.

    `blanks`: header → rows without a value there, in plan order; for identifiers, empty ones are without.
    `repeated`: rows whose clevertapId the row before has as well. `misplaced`: rows that come before the row that
    they follow; as rows are sorted by (h, clevertapId), ids are surely unique in an instance where both are 0.
    """

    rows: int = 0
    blanks: Mapping[str, int] = field(default_factory=dict)
    repeated: int = 0
    misplaced: int = 0

    def __add__(self, other: "Figures") -> "Figures":
        """The figures over both, as of two instances."""
        headers = dict.fromkeys((*self.blanks, *other.blanks))
        return Figures(
            self.rows + other.rows,
            {header: self.blanks.get(header, 0) + other.blanks.get(header, 0) for header in headers},
            self.repeated + other.repeated,
            self.misplaced + other.misplaced,
        )


@dataclass
class FigureCount:
    """Takes the rows of one instance, a batch at a time and in order."""

    plan: ColumnPlan
    figures: Figures = field(default_factory=Figures)
    """What was counted so far."""
    _last: tuple[int, str] | None = None

    def add(self, profiles: pl.DataFrame, resolved: pl.DataFrame) -> None:
        """Counts a profile frame (core/profile.py) and the resolved frame made of it (core/columns.py)."""
        if profiles.is_empty():
            return
        repeated, misplaced = self._order(profiles)
        blanks = {column.header: _blanks(resolved[column.key], column) for column in self.plan.columns}
        self.figures += Figures(profiles.height, blanks, repeated, misplaced)

    def _order(self, profiles: pl.DataFrame) -> tuple[int, int]:
        """How many rows repeat the id of the one before, and how many should have come before it.

        Hashes of neighbours are equal about once in 900 pairs of 5 M profiles, so ids themselves are hardly compared.
        """
        hashes, ids = profiles["h"], profiles["clevertapId"]
        if self._last is not None:
            hashes = pl.concat([pl.Series("h", [self._last[0]], dtype=pl.UInt32()), hashes])
            ids = pl.concat([pl.Series("clevertapId", [self._last[1]]), ids])
        self._last = (hashes[-1], ids[-1])
        before, after = hashes[:-1], hashes[1:]
        ties = (before == after).arg_true()
        repeated = int((ids[:-1].gather(ties) == ids[1:].gather(ties)).sum())
        return repeated, int((after < before).sum()) + int((ids[1:].gather(ties) < ids[:-1].gather(ties)).sum())


def _blanks(values: pl.Series, column: OutputColumn) -> int:
    """Nulls; of identifiers, which are never null, the empty ones."""
    match column.role:
        case "identity" | "all_identities" if column.is_list:
            return int((values.list.len() == 0).sum())
        case "identity":
            return int((values.str.len_bytes() == 0).sum())
        case _:
            return values.null_count()
