"""The lake of a dataset: the rows of each partition of a table, as the source gave them, in the table's own types.

    lake.py      DatasetLake: where it lies; view() to read, sweep() to tidy
    view.py      DatasetView: records, columns and rows of some partitions
    ingest.py    one partition's input in, published whole;  chain.py: where it begins and ends
    record.py    what is known of each partition;  segments.py: the files that hold its rows

It is no Delta table, as those of profiles and events are, for two reasons. Types: Delta has no times of day, durations,
unsigned numbers, nanoseconds or columns of nulls, and refuses `plan` beside `Plan`; a dataset goes out as it is. And
merging: a partition is replaced as a whole and never folded with others, so that a rename is all the commit it needs.

    <root>/<partition>.json                       its record: publishes the rows, by rename
    <root>/<partition>-g<generation>-<attempt>/   its rows: 000000.parquet, …; upto: where it ends
    <root>/.<attempt>.part/                       the rows of an ingest at work

Replaced rows stay for a day, for whoever is reading them.
"""

from ctexport_dagster.lake.datasets.ingest import ingest_dataset
from ctexport_dagster.lake.datasets.lake import DatasetLake
from ctexport_dagster.lake.datasets.record import DatasetRecord, DatasetTally
from ctexport_dagster.lake.datasets.view import DatasetView

__all__ = ["DatasetLake", "DatasetRecord", "DatasetTally", "DatasetView", "ingest_dataset"]
