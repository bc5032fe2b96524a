"""The lake of events: a Delta table per source, written one partition at a time; partitions never touch each other.

    lake.py     EventLake: where it lies; view() to read, sweep() to tidy
    view.py     EventView: records, groups, slices and keys of some partitions;  merging.py: side by side, in order
    ingest.py   one partition's input in, committed whole
    record.py   what is known of each partition
    table.py    what its Delta table looks like

A partition and instance has two kinds of data files. `log`: the events whose clevertapId is known, sorted by (h,
clevertapId, ts, seq). `anonymous`: all others, in the source's order. Beside them stand its record and its keys.
"""

from ctexport_dagster.lake.events.ingest import ingest_events
from ctexport_dagster.lake.events.lake import EventLake
from ctexport_dagster.lake.events.record import EventRecord, EventTally, NameCount
from ctexport_dagster.lake.events.view import EventView

__all__ = ["EventLake", "EventRecord", "EventTally", "EventView", "NameCount", "ingest_events"]
