"""Checks: a partition's figures beside those of the partitions before it, and what is out of line.

What is usual follows from the median m of the last partitions and their median absolute deviation (MAD): a count is
usual within m ± max(4 × 1.4826 × MAD, floor). Neither a single odd day nor a slow trend moves these bounds. The floors
keep steady series from crying over every trifle: half of m for the rows of an increment, a fifth for those of a full
partition, 5 percentage points for a share; none is narrower than four times what chance alone does to so few rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median

from ctexport_dagster.core.figures import Figures
from ctexport_dagster.core.manifest import Mode
from ctexport_dagster.core.schema import ValueType

COMPARED = 14
"""How many partitions of the same mode a partition is compared with, at most."""
FEWEST = 5
"""With fewer there is nothing to call usual: such checks pass, and say so."""
_SPREAD = 4 * 1.4826
"""Four standard deviations, were the figures normal."""
_SLUMP = 0.1
"""Less than a tenth of the median is never usual, however much the rows swing."""
_CHANCE = 4
_ROWS_FLOOR: Mapping[Mode, float] = {"incremental": 0.5, "full": 0.2}
_SHARE_FLOOR = 0.05


@dataclass(frozen=True)
class Bounds:
    """From where to where a figure is usual, both included."""

    low: float
    high: float

    def hold(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True)
class UnusualShare:
    """A column whose share of blank values, from 0 to 1, is out of line."""

    header: str
    share: float
    usual: Bounds


@dataclass(frozen=True)
class Drift:
    """How the columns differ from those of the partition before: names, and `name: type → type`."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    retyped: tuple[str, ...] = ()

    @property
    def is_none(self) -> bool:
        return not (self.added or self.removed or self.retyped)


def usual_rows(past: Sequence[int], mode: Mode) -> Bounds | None:
    """The usual number of rows, from those of earlier partitions of the same mode; None for too few of them."""
    if len(past) < FEWEST:
        return None
    middle = median(past)
    around = _around(middle, past, max(_ROWS_FLOOR[mode] * middle, _CHANCE * sqrt(middle)))
    return Bounds(max(around.low, _SLUMP * middle), around.high)


def usual_share(past: Sequence[float], rows: int) -> Bounds | None:
    """The usual share of blank values among so many rows; None for too few earlier shares."""
    if len(past) < FEWEST:
        return None
    return _around(median(past), past, max(_SHARE_FLOOR, _CHANCE * sqrt(0.25 / rows)))


def unusual_shares(now: Figures, past: Sequence[Figures]) -> list[UnusualShare]:
    """The columns whose share of blank values is out of line, in column order.

    A column that fewer than `FEWEST` of the earlier partitions had isn't judged, nor is anything by empty partitions.
    """
    found: list[UnusualShare] = []
    filled = [figures for figures in past if figures.rows]
    for header, blanks in now.blanks.items() if now.rows else ():
        shares = [figures.blanks[header] / figures.rows for figures in filled if header in figures.blanks]
        bounds = usual_share(shares, now.rows)
        if bounds and not bounds.hold(blanks / now.rows):
            found.append(UnusualShare(header, blanks / now.rows, bounds))
    return found


def drift(before: Mapping[str, str], now: Mapping[str, str]) -> Drift:
    """How columns, name → type in order, differ from those before.

    A column that held nothing but nulls so far has no type that could change.
    """
    return Drift(
        added=tuple(name for name in now if name not in before),
        removed=tuple(name for name in before if name not in now),
        retyped=tuple(
            f"{name}: {before[name]} → {type_}"
            for name, type_ in now.items()
            if before.get(name, ValueType.UNKNOWN) not in (type_, ValueType.UNKNOWN)
        ),
    )


def _around(middle: float, past: Sequence[float], floor: float) -> Bounds:
    deviation = median(abs(value - middle) for value in past)
    width = max(_SPREAD * deviation, floor)
    return Bounds(max(middle - width, 0), middle + width)
