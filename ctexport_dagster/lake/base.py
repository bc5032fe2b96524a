"""Bases: the state as of a partition, written out so that later reads need fewer logs. A cache, never the truth.

A base is valid for exactly the writes that it was folded from; its files' names carry that lineage. A commit to a log
drops the bases at and after it, and one that slips through a race is never read, as its lineage fits nothing.
"""

import secrets
from dataclasses import dataclass

from ctexport_dagster.lake.files import DataFile, Place, SortedWriter
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
        still = listing.history.upto(partition).lineage == history.lineage
        return Replacement(files, _outlived(listing, partition), history.schema.fields) if still else Replacement((), ())

    lake.table.commit(plan)
    return True
