"""Rows in buffers of their own."""

import polars as pl


def compact(rows: pl.DataFrame) -> pl.DataFrame:
    """The same rows, holding on to nothing else: views of text keep all text alive that they were picked from.

    Without this, 1 % of 1 M rows held 600 MiB.
    """
    return pl.DataFrame(rows.to_arrow(compat_level=pl.CompatLevel.oldest()), schema_overrides=rows.schema)
