"""Source → lake: one partition of a source's events, as they arrived in its window."""

from ctexport_dagster.core.asset_names import EVENTS
from ctexport_dagster.core.errors import SourceMissing
from ctexport_dagster.core.events.source import EventSource
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.lake.events import EventRecord, ingest_events
from ctexport_dagster.stages.progress import Progress, unseen
from ctexport_dagster.state import StateFolders


def ingest_event_partition(
    declaration: SourceDeclaration,
    source: object,
    partition: str,
    *,
    folders: StateFolders,
    run_id: str,
    progress: Progress = unseen,
) -> EventRecord:
    """Brings a partition of events into the lake; does nothing where it is there already. No partition needs another.

    Raises:
        SourceMissing, SourceUnreadable, TooManyQuarantined: the source can't give the partition.
        Busy (filelock.Timeout): another run works on this source's events.
    """
    if not isinstance(source, EventSource):
        raise SourceMissing(
            f"Looking for the events of {declaration.name} for {partition}",
            "it is a source of profiles alone",
            "Name a source that has events in the export's declaration.",
        )
    window = declaration.cadence.window_of(partition)
    lake = folders.event_lake(declaration.name)
    with folders.ingest_lock(declaration.name, EVENTS):
        lake.sweep()
        return ingest_events(
            lake,
            declaration=declaration,
            partition=partition,
            window=window,
            input=source.events(partition, window),
            run_id=run_id,
            scratch=lake.scratch,
            progress=progress,
        )
