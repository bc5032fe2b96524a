"""Raw batches normalised, but for the rows that are known as they are."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from ctexport_dagster.core.normalise.normaliser import Normalised
from ctexport_dagster.core.schema import Field, FieldKey, SourceSchema
from ctexport_dagster.core.source import RawBatch, SourceDeclaration
from ctexport_dagster.lake.compact import compact
from ctexport_dagster.lake.known import Known
from ctexport_dagster.lake.raw_rows import raw_hashes

_ENOUGH_ROWS = 5_000
"""What is left of batches is gathered up to here: a normalisation costs as much for 200 rows as for 2,000."""


class Normalising(Protocol):
    """What brings raw batches to the profile model, in order (core/normalise)."""

    def normalise(self, raw: RawBatch) -> Normalised: ...

    @property
    def present(self) -> tuple[Field, ...]: ...

    @property
    def wide_integers(self) -> frozenset[FieldKey]: ...


NormaliserOf = Callable[[SourceDeclaration, SourceSchema, frozenset[FieldKey]], Normalising]


@dataclass(frozen=True)
class _Rest:
    """Rows of a batch that are to be normalised, their numbers among all raw rows, and their hashes."""

    raw: RawBatch
    seqs: npt.NDArray[np.uint64]
    hashes: npt.NDArray[np.uint64]

    def goes_on(self, other: RawBatch) -> bool:
        """Whether another batch's rows may be normalised with these: to the same end, and told in the same order."""
        first = self.raw
        alike = first.frame.schema == other.frame.schema and list(first.frame.schema) == list(other.frame.schema)
        numbered = (first.numbers is None) == (other.numbers is None)
        whole = first.unreadable.is_empty() and not first.variants and not other.variants
        return alike and numbered and whole and first.origin == other.origin

    def and_then(self, other: "_Rest") -> "_Rest":
        mine, others = self.raw, other.raw
        numbers = None
        if mine.numbers is not None and others.numbers is not None:
            numbers = pl.concat([mine.numbers, others.numbers])
        raw = replace(others, frame=pl.concat([mine.frame, others.frame]), numbers=numbers)
        seqs, hashes = ((self.seqs, other.seqs), (self.hashes, other.hashes))
        return _Rest(raw, np.concatenate(seqs), np.concatenate(hashes))


class Intake:
    """Takes the raw batches of one partition, in order, and gives profile frames (core/normalise).

    Their `seq` counts all raw rows; their further column `raw` (UInt64) is there where hashes are remembered.
    """

    def __init__(self, normaliser: Normalising, known: Known | None, *, remembers: bool) -> None:
        self._normaliser, self._known, self._remembers = normaliser, known, remembers
        self._given = self._normalised = 0
        self._rest: _Rest | None = None
        self.passed = 0
        """Rows that could be passed over."""

    def take(self, raw: RawBatch) -> Iterator[Normalised]:
        """What there is to tell by now."""
        if not self._remembers:
            yield self._normaliser.normalise(raw)
            return
        if self._rest and not self._rest.goes_on(raw):
            yield from self.finish()
        rest = self._unknown(raw)
        self._rest = self._rest.and_then(rest) if self._rest else rest
        if not self._known or len(self._rest.seqs) >= _ENOUGH_ROWS:
            yield from self.finish()

    def finish(self) -> Iterator[Normalised]:
        """What was held back."""
        rest, self._rest = self._rest, None
        if rest is None:
            return
        normalised = self._normaliser.normalise(rest.raw)
        at = (normalised.frame["seq"] - self._normalised).to_numpy()
        self._normalised += len(rest.seqs)
        numbered = normalised.frame.with_columns(seq=pl.Series(rest.seqs[at]), raw=pl.Series(rest.hashes[at]))
        yield replace(normalised, frame=numbered)

    def _unknown(self, raw: RawBatch) -> _Rest:
        """The batch less the rows that are passed over."""
        hashes = raw_hashes(raw)
        seqs = np.arange(self._given, self._given + len(hashes), dtype=np.uint64)
        self._given += len(hashes)
        if not self._known:
            return _Rest(raw, seqs, hashes)
        left = ~self._known.recognised_raw(raw, hashes)
        self.passed += len(hashes) - int(left.sum())
        if left.all():
            return _Rest(raw, seqs, hashes)
        numbers = None if raw.numbers is None else raw.numbers.filter(pl.Series(left))
        frame = compact(raw.frame.filter(pl.Series(left)))
        return _Rest(replace(raw, frame=frame, numbers=numbers), seqs[left], hashes[left])
