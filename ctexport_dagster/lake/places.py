"""Where each row of a partition stood, in a few bytes: for the quarantine of rows that turn out wrong late."""

from dataclasses import dataclass, field

import polars as pl

from ctexport_dagster.core.source import RawBatch


@dataclass(frozen=True)
class _Batch:
    first: int
    origin: str
    numbers: pl.Series | None
    start: int


@dataclass
class Places:
    """Remembers the batches of one partition, in order; `seq` counts their rows through."""

    _batches: list[_Batch] = field(default_factory=list)
    _rows: int = 0

    def add(self, raw: RawBatch) -> None:
        """Notes where the next rows stand; line numbers that run on are kept as their first alone."""
        numbers = raw.numbers
        start = int(numbers[0]) if numbers is not None and len(numbers) else 0
        if numbers is None or not len(numbers) or int(numbers[-1]) - start == len(numbers) - 1:
            self._batches.append(_Batch(self._rows, raw.origin, None, start if numbers is not None else -1))
        else:
            self._batches.append(_Batch(self._rows, raw.origin, numbers.cast(pl.UInt32), start))
        self._rows += raw.frame.height

    def of(self, seqs: pl.Series) -> pl.Series:
        """The place of each of these rows, as `<file name>:<row or line number>`."""
        firsts = pl.Series([batch.first for batch in self._batches], dtype=pl.UInt64)
        at = firsts.search_sorted(seqs.cast(pl.UInt64), side="right").to_list()
        places = [_place(self._batches[i - 1], seq) for i, seq in zip(at, seqs.to_list(), strict=True)]
        return pl.Series(places, dtype=pl.String)


def _place(batch: _Batch, seq: int) -> str:
    if batch.numbers is not None:
        return f"{batch.origin}:{batch.numbers[seq - batch.first]}"
    return f"{batch.origin}:{batch.start + seq - batch.first}" if batch.start >= 0 else batch.origin
