"""The lake: the state of each source as a Delta table, written one partition at a time and read as of any of them.

    lake.py     Lake: where it lies; view() to read, sweep() to tidy
    view.py     LakeView: records, schema, slices as of a partition, what partitions touched, one profile
    ingest.py   one partition's input in, its log committed;  job.py: what it is about, and whether it may begin
                gather.py takes the input in, known.py passes over what stands as it stood, settling.py goes through
                the rest range by range, settle.py decides what is logged
    base.py     maintain(): the state written out, so that reads need fewer logs
    record.py   what is known of each partition, and which ones are stale
    table.py    Delta: listing and commits;  files.py, cursor.py, spill.py: rows on disk;  stack.py, layers.py: folding

What must not live here: formats, exports, Dagster.
"""

from ctexport_dagster.lake.base import maintain
from ctexport_dagster.lake.ingest import ingest
from ctexport_dagster.lake.lake import Lake
from ctexport_dagster.lake.record import PartitionRecord, Tally
from ctexport_dagster.lake.tuning import Tuning
from ctexport_dagster.lake.view import LakeView, Touched

__all__ = ["Lake", "LakeView", "PartitionRecord", "Tally", "Touched", "Tuning", "ingest", "maintain"]
