"""What a source declares of each of its datasets; each kind of source adds where it lies."""

from typing import Literal

from pydantic import Field

from ctexport_dagster.core.declared import Declared
from ctexport_dagster.core.schema import ValueType

Holds = Literal["added", "all"]


class DeclaredDataset(Declared):
    """One table of a source."""

    id: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$")
    """What {{Dataset-id}} stands for in paths; the dataset's name if left out."""
    holds: Holds = "added"
    """added: each partition has the rows that came since the one before; all: each has the whole table."""
    cursor: str | None = None
    """A column that only grows (a timestamp, a number): rows are new by its value. Without it, by how they arrive."""
    timestamp: str | None = None
    """The column that tells a row's age, for `max_age` of an export; the cursor if that is a timestamp."""
    types: dict[str, ValueType] = Field(default_factory=dict)
    """Column: type, where the source has none of its own (CSV) or a wrong one."""

    @property
    def is_chained(self) -> bool:
        """Whether a partition begins where the one before ended, so that they must be read in order."""
        return self.cursor is not None
