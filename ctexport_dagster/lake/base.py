"""Bases: the state as of a partition, written out so that later reads need fewer logs. A cache, never the truth.

A base is valid for exactly the writes that it was folded from; its files' names carry that lineage. A commit to a log
drops the bases at and after it, and one that slips through a race is never read, as its lineage fits nothing.
"""

import secrets

from ctexport_dagster.core.errors import ConcurrentWrite
from ctexport_dagster.lake.files import DataFile, Place, SortedWriter, stored_columns
from ctexport_dagster.lake.lake import Lake
from ctexport_dagster.lake.record import History
from ctexport_dagster.lake.stack import state_slices
from ctexport_dagster.lake.table import Listing, Replacement, StoredFile
from ctexport_dagster.lake.view import LakeView

_KEPT = 2
"""The newest base, and the one before it for re-runs of recent days."""


def maintain(lake: Lake, partition: str) -> bool:
    """Writes a base as of `partition` where reads from there on gain by it; whether it did.

    Raises:
        PartitionMissing, PartitionStale.
    """
    view = lake.view()
    history = view.sound(partition)
    if not _is_due(view, history):
        return False
    attempt = secrets.token_hex(8)
    files = tuple(file for instance in view.instances(partition) for file in _written(view, history, instance, attempt))

    def plan(listing: Listing) -> Replacement:
        if partition not in listing.history or listing.history.upto(partition).lineage != history.lineage:
            raise ConcurrentWrite(
                "Writing a base", "a log below it was written anew meanwhile", "The next run does it."
            )
        return Replacement(files, _outlived(listing, partition), history.schema.fields)

    try:
        lake.table.commit(plan)
    except ConcurrentWrite:
        lake.table.discard(attempt, partition)
        return False
    return True


def _is_due(view: LakeView, history: History) -> bool:
    """Whether the logs above the lowest layer have grown too many, or hold too large a share of its rows."""
    rows = logs = bottom = 0
    for instance in view.instances(history.records[-1].partition):
        stack = view.stack_of(history, instance)
        lowest = sum(layer.rows for layer in stack.layers if layer.upto == stack.heights[0])
        bottom += lowest
        rows += stack.rows - lowest
        logs = max(logs, len(stack.heights) - 1)
    tuning = view.tuning
    return logs > tuning.base_after_logs or rows > tuning.base_after_share * bottom


def _written(view: LakeView, history: History, instance: int, attempt: str) -> list[DataFile]:
    place = Place(view.root, history.records[-1].partition, "base", instance)
    prefix = f"base-{history.lineage}-{attempt}"
    writer = SortedWriter(place, prefix, stored_columns(history.schema.fields), view.tuning, small_groups=False)
    with view.stack(history, instance) as stack:
        for rows in state_slices(stack, history, view.tuning):
            writer.write(rows)
    return writer.finish()


def _outlived(listing: Listing, partition: str) -> tuple[StoredFile, ...]:
    """The bases that are replaced by one as of `partition`, and all but the newest of those before it."""
    windows = {record.partition: record.window for record in listing.history.records}
    earlier = {b.partition for b in listing.bases if windows[b.partition] < windows[partition]}
    by_time = sorted(earlier, key=lambda key: windows[key])
    gone = {partition, *by_time[: 1 - _KEPT]}
    return tuple(base for base in listing.bases if base.partition in gone)
