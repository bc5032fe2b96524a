"""Source → lake: one partition of a source's profiles becomes the state at its window's end."""

from ctexport_dagster.core.asset_names import PROFILES
from ctexport_dagster.core.source import Source, SourceDeclaration
from ctexport_dagster.lake import PartitionRecord, ingest, maintain
from ctexport_dagster.stages.progress import Progress, unseen
from ctexport_dagster.stages.unfinished import sweep_unfinished
from ctexport_dagster.state import StateFolders


def ingest_partition(
    declaration: SourceDeclaration,
    source: Source,
    partition: str,
    *,
    folders: StateFolders,
    run_id: str,
    progress: Progress = unseen,
) -> PartitionRecord:
    """Brings the lake to the state at the end of a partition's window; does nothing where it has it already.

    Raises:
        SourceMissing, SourceUnreadable, SourceShrunk, TooManyQuarantined: the source can't give the partition.
        PartitionMissing, PartitionStale: an earlier partition must be materialized first; the message names it.
        Busy (filelock.Timeout): another run works on this source.
    """
    window = declaration.cadence.window_of(partition)
    before = declaration.cadence.before(window)
    lake = folders.lake(declaration.name)
    with folders.ingest_lock(declaration.name, PROFILES):
        lake.sweep()
        sweep_unfinished(folders.root)
        record = ingest(
            lake,
            declaration=declaration,
            partition=partition,
            window=window,
            previous=declaration.cadence.key_of(before) if before else None,
            input=source.profiles(partition, window),
            run_id=run_id,
            scratch=lake.scratch,
            progress=progress,
        )
        maintain(lake, partition)
    return record
