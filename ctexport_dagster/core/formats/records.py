"""Records as text: literal markup and values in turn, where the markup of a missing value goes with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from ctexport_dagster.core.formats.escapes import text_bytes


@dataclass(frozen=True)
class Entry:
    """One value of a record and the markup around it; a null value leaves neither."""

    before: str
    key: str
    after: str


Piece = str | Entry


def markup_bytes(pieces: Sequence[Piece]) -> int:
    """The bytes of a record beside its values, when none is missing."""
    texts = [piece if isinstance(piece, str) else piece.before + piece.after for piece in pieces]
    return sum(len(text.encode()) for text in texts)


def joined_records(texts: Mapping[str, pl.Series], pieces: Sequence[Piece]) -> memoryview:
    """The records, one after the other: `pieces` in order, with the texts (String, escaped) of their keys.

    A value that no record lacks is joined with its literal neighbours; one that some lack gets its markup in a step of
    its own, so that null swallows both.
    """
    parts: list[pl.Expr] = []
    literal = ""
    for piece in pieces:
        if isinstance(piece, str):
            literal += piece
            continue
        value = pl.col(piece.key)
        if texts[piece.key].null_count() == 0:
            parts += [pl.lit(literal + piece.before), value]
            literal = piece.after
        elif texts[piece.key].null_count() < len(texts[piece.key]):
            parts += [pl.lit(literal), pl.concat_str(pl.lit(piece.before), value, pl.lit(piece.after))]
            literal = ""
    parts.append(pl.lit(literal))
    columns = {key: series.alias(key) for key, series in texts.items()}
    records = pl.DataFrame(columns).select(pl.concat_str(parts, ignore_nulls=True).alias("record"))
    return text_bytes(records["record"])
