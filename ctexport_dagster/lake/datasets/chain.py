"""Partitions that follow from one another: where each begins, by what the one before wrote down."""

from collections.abc import Iterator
from functools import partial

from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.datasets.source import Span
from ctexport_dagster.core.errors import PartitionMissing
from ctexport_dagster.core.interval import Cadence, Interval
from ctexport_dagster.lake.datasets.view import DatasetView

_AFTER_AN_EDIT = (
    " It may take in other rows than before, which flows that delivered it don't send: run their next partition with"
    " `--full`. Or declare the table as another dataset, which begins with everything."
)


def span_of(view: DatasetView, declared: DeclaredDataset, cadence: Cadence, window: Interval) -> Span:
    """Which rows a partition has: from where the one before it ended, to where it ended itself if it was read before.

    A reading by another cursor than today's, or in another time zone, has no end that would mean anything now.

    Raises:
        PartitionMissing: the one before isn't in the lake, or was read by another cursor; the message names it.
    """
    partition = cadence.key_of(window)
    if declared.is_chained and declared.holds == "added":
        check_before(view, declared, cadence, window)
    previous = cadence.before(window)
    return Span(
        partition,
        window,
        since=_upto(view, declared, cadence, cadence.key_of(previous)) if previous else None,
        upto=_upto(view, declared, cadence, partition),
        earlier=partial(_earlier, view, declared, cadence, previous),
    )


def check_before(view: DatasetView, declared: DeclaredDataset, cadence: Cadence, window: Interval) -> None:
    """Raises PartitionMissing where the partition before must come first; the source's first one has none."""
    previous = cadence.before(window)
    if previous is None:
        return
    key, name = cadence.key_of(previous), view.history.name
    next_step = f"Materialize {name} for {key} first."
    if view.find(key) is None:
        why = f"the partition before it, {key}, is not in the lake"
    elif _upto(view, declared, cadence, key) is None:
        why = f"the partition before it, {key}, was read in another way, so that nothing tells where it ended"
        next_step += _AFTER_AN_EDIT
    else:
        return
    raise PartitionMissing(f"Writing {name} of {cadence.key_of(window)}", why, next_step)


def _upto(view: DatasetView, declared: DeclaredDataset, cadence: Cadence, key: str) -> str | None:
    """Where a partition ended, if it was read by today's cursor, whose instants may be those of the source's zone."""
    found = view.find(key)
    if found is None or found.cursor != declared.cursor:
        return None
    is_elsewhere = found.cursor is not None and found.zone not in (None, cadence.zone.key)
    return None if is_elsewhere else view.upto_of(found)


def _earlier(
    view: DatasetView, declared: DeclaredDataset, cadence: Cadence, previous: Interval | None
) -> Iterator[str]:
    """Where all partitions before the previous one ended, oldest first."""
    for tile in cadence.windows(until=previous.start) if previous else ():
        following = cadence.window_from(tile.end)
        check_before(view, declared, cadence, following)
        upto = _upto(view, declared, cadence, cadence.key_of(tile))
        assert upto is not None
        yield upto
