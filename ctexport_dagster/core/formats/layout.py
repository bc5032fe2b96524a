"""What every format gives: a file's first bytes, its rows as bytes, and its last bytes.

A file is `head`, the content of any number of `Rows`, and the `tail` for them. All of it is pure, so rows can be
formatted in several threads and put into whichever file has room for them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from ctexport_dagster.core.formats.row_group import RowGroup


@dataclass(frozen=True)
class Rows:
    """Some rows of a file: their bytes before any outer gzip, and for Parquet what the file's tail must say of them."""

    content: memoryview
    row_count: int
    row_group: RowGroup | None = None


class RowFormat(Protocol):
    """One declared format for one column plan."""

    @property
    def head(self) -> bytes:
        """The file's first bytes."""
        ...

    @property
    def slice_bytes(self) -> int:
        """The bytes of row values that are best formatted at once."""
        ...

    @property
    def extra_bytes(self) -> int | pl.Expr:
        """About the bytes of a row beside its values: markup, keys, separators; of each row where they differ."""
        ...

    def rows(self, frame: pl.DataFrame) -> Rows:
        """The rows of a resolved frame (at least one), formatted. Called from several threads at once."""
        ...

    def tail(self, row_groups: Sequence[RowGroup]) -> bytes:
        """The file's last bytes; `row_groups` are those of all its rows, in order (empty for the text formats)."""
        ...
