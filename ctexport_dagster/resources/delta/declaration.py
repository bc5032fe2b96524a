"""Delta tables as a source: what `resources/*.yaml` declares.

type: delta
profiles:
  table: s3://acme-lake/customers      # or a folder of this machine
  by: version                          # or: predicate
storage:                               # as of files in a bucket (resources/storage.py)
  region: eu-west-1
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.declared import Declared
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.declared_source import DeclaredSource, alone
from ctexport_dagster.resources.delta.predicate import binds_of, checked_predicate
from ctexport_dagster.resources.storage import BucketUrl, Storage, bucket_url, is_url

if TYPE_CHECKING:
    from ctexport_dagster.resources.delta.source import DeltaTables

_LOG = "_delta_log"


def table_url(table: str) -> BucketUrl:
    """The URL of what every table has; the table itself may be the whole bucket.

    Raises:
        ValueError: it is no URL of a bucket's.
    """
    return bucket_url(f"{table}/{_LOG}")


def _checked_table(table: str) -> str:
    if not table.strip():
        raise ValueError("write the table's folder, or its URL, as s3://bucket/table")
    if not is_url(table):
        return table
    if "?" in table:
        raise ValueError("a secret never stands in a URL; write it under `storage:`, as {env: NAME}")
    whole = table.rstrip("/")
    table_url(whole)
    return whole


class TableRows(Declared):
    """Which rows of which table: `customers` alone, its folder or URL, or a mapping with more."""

    table: str
    """The table's folder, relative to the home, or its URL: s3://, gs://, az:// or abfss://."""
    by: Literal["version", "predicate"] = "version"
    """version: by the commits before the window's end; predicate: the rows for which `where` holds at the reading."""
    where: str | None = None
    """A condition in SQL, in which :start, :end (instants) and :partition (its key) stand for the window's."""

    _table = field_validator("table")(_checked_table)
    _where = field_validator("where")(checked_predicate)

    @model_validator(mode="after")
    def _predicate_names_the_window(self) -> Self:
        if self.by == "predicate" and not (self.where and binds_of(self.where)):
            raise ValueError("`by: predicate` needs a `where:` that names :start, :end or :partition")
        return self


class EventRows(TableRows):
    """Which rows of which table are events."""

    cursor: str | None = None
    """A column of instants or days that tells when an event arrived; rows are new by it, not by version."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.cursor is not None and self.by == "predicate":
            raise ValueError("write `cursor:` or `by: predicate`, not both")
        return self


class DeltaDataset(TableRows, DeclaredDataset):
    """One table as a dataset: its folder or URL alone, or a mapping with more."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.cursor is not None and (self.by == "predicate" or self.holds == "all"):
            raise ValueError("write `cursor:`, or `by: predicate`, or `holds: all`: one of them says which rows")
        return self

    @property
    def is_chained(self) -> bool:
        return self.cursor is not None or (self.holds == "added" and self.by == "version")


class DeltaSource(DeclaredSource[TableRows, EventRows, DeltaDataset]):
    """Declares Delta tables of profiles, of events or of datasets, on a disk or in a bucket."""

    what_places_are: ClassVar[str] = "each with its `table:`"

    type: Literal["delta"] = "delta"
    profiles: Annotated[TableRows, alone("table", TableRows)] | None = None
    """The table of profiles; a snapshot is the table as it stood at the window's end, changes what came since."""
    events: Annotated[EventRows, alone("table", EventRows)] | None = None
    """The table of events; those that were added within the window."""
    datasets: dict[str, Annotated[DeltaDataset, alone("table", DeltaDataset)]] = Field(default_factory=dict)
    """Tables that are exported as they are, by name."""
    storage: Storage = Storage()
    """Of tables in a bucket: how it is reached. Credentials that are left out are looked for on this machine."""

    @model_validator(mode="after")
    def _storage_suffices(self) -> Self:
        self.storage.refuse_unless_enough_for(map(table_url, filter(is_url, self.tables)))
        return self

    @property
    def tables(self) -> tuple[str, ...]:
        """Every table that is declared, once."""
        parts = (self.profiles, self.events, *self.datasets.values())
        return tuple(dict.fromkeys(part.table for part in parts if part is not None))

    def open(self, surroundings: Surroundings) -> "DeltaTables":
        """The source; nothing is read yet, no secret resolved."""
        from ctexport_dagster.resources.delta.source import DeltaTables  # half a second that other homes needn't wait

        return DeltaTables(self, surroundings)
