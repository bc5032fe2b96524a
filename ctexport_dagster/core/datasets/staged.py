"""What the first stage of a flow leaves for delivery: for each dataset, what was chosen, and its formatted chunks."""

from ctexport_dagster.core.staging import ResolvedRows, StagedChunks


class ChosenRows(ResolvedRows):
    """What was chosen of one dataset for one partition; there is no column plan, so `columns` is empty."""

    dataset: str
    schema_text: str
    """The columns with their types (core/datasets/schema_text.py)."""
    too_old: int
    """How many rows were left out for their age; they stand apart from the sum of `rows`."""


class DatasetChunks(StagedChunks[ChosenRows]):
    """The chunks of one dataset, by index."""
