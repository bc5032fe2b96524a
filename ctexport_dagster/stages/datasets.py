"""Source → lake: one partition of a dataset, with the rows that the source has for its window."""

from ctexport_dagster.core.datasets.source import DatasetSource
from ctexport_dagster.core.errors import SourceMissing
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.lake.datasets import DatasetRecord, ingest_dataset
from ctexport_dagster.lake.datasets.chain import check_before, span_of
from ctexport_dagster.stages.progress import Progress, unseen
from ctexport_dagster.state import StateFolders


def ingest_dataset_partition(
    declaration: SourceDeclaration,
    source: object,
    dataset: str,
    partition: str,
    *,
    folders: StateFolders,
    run_id: str,
    progress: Progress = unseen,
) -> DatasetRecord:
    """Brings a partition of a dataset into the lake; does nothing where it is there already.

    Raises:
        SourceMissing, SourceUnreadable, TooManyQuarantined: the source can't give the partition.
        PartitionMissing: it begins where the one before ends, and that must be materialized first.
        Busy (filelock.Timeout): another run works on this dataset.
    """
    declared = declaration.declared_datasets.get(dataset)
    if declared is None or not isinstance(source, DatasetSource):
        raise SourceMissing(
            f"Looking for the dataset {dataset} of {declaration.name} for {partition}",
            "the source declares none of that name",
            "Declare it there, or name another one.",
        )
    window = declaration.cadence.window_of(partition)
    lake = folders.dataset_lake(declaration.name, dataset)
    with folders.ingest_lock(declaration.name, dataset):
        lake.sweep()
        view = lake.view()
        given = source.dataset(dataset, span_of(view, declared, declaration.cadence, window))
        if given.upto is not None and declared.holds == "added":
            check_before(view, declared, declaration.cadence, window)
        return ingest_dataset(
            lake,
            declaration=declaration,
            partition=partition,
            window=window,
            input=given,
            run_id=run_id,
            progress=progress,
        )
