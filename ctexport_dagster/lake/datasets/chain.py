"""Partitions that follow from one another: where each begins, by what the one before wrote down."""

from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.datasets.source import Span
from ctexport_dagster.core.errors import PartitionMissing
from ctexport_dagster.core.interval import Cadence, Interval
from ctexport_dagster.lake.datasets.record import DatasetRecord
from ctexport_dagster.lake.datasets.view import DatasetView


def span_of(view: DatasetView, declared: DeclaredDataset, cadence: Cadence, window: Interval) -> Span:
    """Which rows a partition has: from where the one before it ended, to where it ended itself if it was read before.

    A reading by another cursor than today's has no end that would mean anything now.

    Raises:
        PartitionMissing: the one before isn't in the lake, or was read by another cursor; the message names it.
    """
    partition = cadence.key_of(window)
    if declared.is_chained and declared.holds == "added":
        check_before(view, declared, cadence, window)
    before = _before(view, cadence, window)
    own = view.find(partition)
    return Span(
        partition,
        window,
        since=before.upto if before and before.cursor == declared.cursor else None,
        upto=own.upto if own and own.cursor == declared.cursor else None,
    )


def check_before(view: DatasetView, declared: DeclaredDataset, cadence: Cadence, window: Interval) -> None:
    """Raises PartitionMissing where the partition before must come first; the source's first one has none."""
    previous = cadence.before(window)
    if previous is None:
        return
    key, name = cadence.key_of(previous), view.history.name
    found = view.find(key)
    if found is None:
        why = f"the partition before it, {key}, is not in the lake"
    elif found.upto is None or found.cursor != declared.cursor:
        why = f"the partition before it, {key}, was read in another way, so that nothing tells where it ended"
    else:
        return
    raise PartitionMissing(f"Writing {name} of {cadence.key_of(window)}", why, f"Materialize {name} for {key} first.")


def _before(view: DatasetView, cadence: Cadence, window: Interval) -> DatasetRecord | None:
    previous = cadence.before(window)
    return view.find(cadence.key_of(previous)) if previous else None
