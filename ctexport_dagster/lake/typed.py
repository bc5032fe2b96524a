"""Frames whose fields stand in columns of whichever type a batch had them in, brought to one set of columns."""

from collections.abc import Iterable

import polars as pl

from ctexport_dagster.core.schema import Field, ValueType


def typed(pieces: Iterable[pl.DataFrame], columns: dict[str, pl.DataType], fields: tuple[Field, ...]) -> pl.DataFrame:
    """Pieces of profile frames, whose fields may stand in columns of narrower types, as one frame of these columns."""
    targets = {Field(f.role, f.name, narrow).column: f.column for f in fields for narrow in ValueType}
    frames = [_cast(piece, columns, targets) for piece in pieces]
    return pl.concat(frames) if frames else pl.DataFrame(schema=columns)


def _cast(piece: pl.DataFrame, columns: dict[str, pl.DataType], targets: dict[str, str]) -> pl.DataFrame:
    sources: dict[str, list[str]] = {}
    for name in piece.columns:
        sources.setdefault(targets.get(name, name), []).append(name)
    return piece.select(_value(sources.get(name, []), dtype).alias(name) for name, dtype in columns.items())


def _value(sources: list[str], dtype: pl.DataType) -> pl.Expr:
    if not sources:
        return pl.lit(None, dtype=dtype)
    values = [pl.col(name).cast(dtype) for name in sources]
    return values[0] if len(values) == 1 else pl.coalesce(values)
