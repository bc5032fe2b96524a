"""What a source of datasets must give: the rows of one partition of one table, and where the next one begins."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.source import RawBatch

RawRows: TypeAlias = RawBatch
"""Rows of a table, columns named and typed as in the source, as nearly as Polars has the type (docs/sources.md).

Columns may differ from batch to batch. Text is String, known to be UTF-8; Binary is bytes. `variants` as for profiles:
text formats whose columns hold values of several types. `unreadable`: rows that could not be read at all.
"""


@dataclass(frozen=True)
class DatasetInput:
    """One partition of a dataset.

    `fingerprint` changes exactly when the rows do. `batches` starts a fresh pass each time it is called, in the same
    order, in batches of at most some 32 MB; a table with columns but no rows gives one empty batch. `upto` tells where
    this partition ends and the next one begins, as the source writes it down for itself (JSON), captured before
    anything is read; None where partitions don't follow from one another.
    """

    fingerprint: str
    places: tuple[str, ...]
    batches: Callable[[], Iterator[RawRows]]
    row_estimate: int
    upto: str | None = None


@dataclass(frozen=True)
class Span:
    """Which partition of a dataset is asked for.

    `since` is the `upto` of the partition before: None for the source's first one, which holds everything so far.
    `upto` is this partition's own, where it was read before: a second reading takes in the same rows and no later ones.
    `earlier` looks up those of all partitions before that one, oldest first, for a source whose `upto` tells of one
    partition alone; it raises PartitionMissing where one isn't in the lake, or was read in another way.
    """

    partition: str
    window: Interval
    since: str | None
    upto: str | None = None
    earlier: Callable[[], Iterable[str]] = field(default=tuple, compare=False)


@runtime_checkable
class DatasetSource(Protocol):
    """An opened source that has datasets."""

    def dataset(self, name: str, span: Span) -> DatasetInput:
        """The input of one partition of a declared dataset.

        Raises:
            SourceMissing: nothing lies where the partition should be.
            SourceUnreadable: it is there and can't be read; or rows since `since` can't be told from older ones.
        """
        ...
