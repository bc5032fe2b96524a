"""Records as text: markup and values in turn, where the markup around a missing value goes with it.

Most of a record is markup, so its pieces are never joined value by value. What stands between two texts (the end of
one entry, whole entries of booleans, the start of the next) is a *seam*: which of its few possible texts it is follows
from what is missing and which booleans are true, and they are all written out beforehand. A record is then joined from
seams and texts in one step. Measured on the XML of 25 columns: half the time of wrapping each value first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import polars as pl

from ctexport_dagster.core.formats.escapes import text_bytes

_SEAM_TEXTS = 2048
"""A seam with more possible texts is split in two."""


@dataclass(frozen=True)
class Entry:
    """One value of a record and the markup around it; a null value leaves neither."""

    before: str
    key: str
    after: str
    is_boolean: bool = False


Piece = str | Entry


class RecordLayout:
    """The pieces of a record, in order, laid out as seams and texts."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.markup_bytes = sum(_markup_bytes(piece) for piece in pieces)
        self._parts: list[_Seam | str] = []
        choices: list[_Choice] = []
        for piece in pieces:
            match piece:
                case str():
                    choices.append(_Choice(None, (piece,)))
                case Entry(before, key, after, is_boolean=True):
                    texts = ("", f"{before}false{after}", f"{before}true{after}")
                    choices.append(_Choice(key, texts))
                case Entry(before, key, after):
                    self._parts += [*_seams([*choices, _Choice(key, ("", before))]), key]
                    choices = [_Choice(key, ("", after))]
        self._parts += _seams(choices)

    def joined(self, values: Mapping[str, pl.Series]) -> memoryview:
        """The records, one after the other; `values` are escaped texts (String) and Booleans, by the entries' keys."""
        return text_bytes(self.records(values))

    def records(self, values: Mapping[str, pl.Series]) -> pl.Series:
        """The records (String); `values` as for `joined`."""
        states = {key: _states(series) for key, series in values.items()}
        count = len(next(iter(values.values())))
        columns = [
            (part.texts(states, count) if isinstance(part, _Seam) else values[part]).alias(str(place))
            for place, part in enumerate(self._parts)
        ]
        return pl.DataFrame(columns).select(pl.concat_str(pl.all(), ignore_nulls=True).alias("record"))["record"]


@dataclass(frozen=True)
class _Choice:
    """One of several texts, by the state of a column: missing, present (or false), true."""

    key: str | None
    texts: tuple[str, ...]


class _Seam:
    """Choices in a row, with all their combined texts."""

    def __init__(self, choices: Sequence[_Choice]) -> None:
        self._texts = pl.Series(["".join(texts) for texts in product(*(choice.texts for choice in choices))])
        self._steps: list[tuple[str, int]] = []
        step = len(self._texts)
        for choice in choices:
            step //= len(choice.texts)
            if choice.key is not None:
                self._steps.append((choice.key, step))

    def texts(self, states: Mapping[str, np.ndarray | int], count: int) -> pl.Series:
        """The seam's text in each of `count` records."""
        place = np.zeros(count, np.uint32)
        for key, step in self._steps:
            place += np.multiply(states[key], step, dtype=np.uint32)
        return self._texts.gather(pl.Series(place))


def _seams(choices: Sequence[_Choice]) -> list[_Seam]:
    seams: list[_Seam] = []
    start = 0
    count = 1
    for end, choice in enumerate(choices):
        if count * len(choice.texts) > _SEAM_TEXTS:
            seams.append(_Seam(choices[start:end]))
            start, count = end, 1
        count *= len(choice.texts)
    return [*seams, _Seam(choices[start:])]


def _states(values: pl.Series) -> np.ndarray | int:
    """0 where the value is missing, else 1, or 2 for true (uint8); a number where that holds for all."""
    if values.dtype == pl.Boolean:
        return (values.cast(pl.UInt8) + 1).fill_null(0).to_numpy()
    return values.is_not_null().to_numpy().view(np.uint8) if values.null_count() else 1


def _markup_bytes(piece: Piece) -> int:
    return len((piece if isinstance(piece, str) else piece.before + piece.after).encode())
