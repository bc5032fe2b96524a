"""Delta tables as a source: what `resources/*.yaml` declares.

type: delta
profiles:
  table: s3://acme-lake/customers      # or a folder of this machine
  by: version                          # or: predicate
storage_options:
  AWS_REGION: eu-west-1
  AWS_SECRET_ACCESS_KEY: {env: LAKE_SECRET}
"""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.declared import Declared
from ctexport_dagster.core.secret import Secret
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.delta.predicate import binds_of, checked_predicate

if TYPE_CHECKING:
    from ctexport_dagster.resources.delta.source import DeltaTables

_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<rest>.*)", re.DOTALL)
_SCHEMES = ("s3", "s3a", "gs", "az", "abfs", "abfss")
_SECRET_OPTION = re.compile(
    r"secret|password|token|sas|credential|private|access_key$|account_key|master_key$|customer_key|service_account_key",
    re.IGNORECASE,
)


def is_url(table: str) -> bool:
    """Whether a table lies in a bucket, not on a disk."""
    return _URL.fullmatch(table) is not None


def _checked_table(table: str) -> str:
    url = _URL.fullmatch(table)
    if not table.strip():
        raise ValueError("write the table's folder, or its URL, as s3://bucket/table")
    if url is None:
        return table
    if url["scheme"] not in _SCHEMES:
        raise ValueError(f"write a folder, or a URL that begins with one of {', '.join(_SCHEMES)}")
    user = url["rest"].split("/", 1)[0].rpartition("@")[0]
    if ":" in user or "?" in url["rest"]:
        raise ValueError("a secret never stands in a URL; write it under `storage_options:`, as {env: NAME}")
    return table.rstrip("/")


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


def _table_alone(declared: object) -> object:
    return {"table": declared} if isinstance(declared, str) else declared


class DeltaSource(SourceDeclaration):
    """Declares Delta tables of profiles, of events or of datasets, on a disk or in a bucket."""

    type: Literal["delta"] = "delta"
    profiles: Annotated[TableRows, BeforeValidator(_table_alone, json_schema_input_type=str | TableRows)] | None = None
    """The table of profiles; a snapshot is the table as it stood at the window's end, changes what came since."""
    events: Annotated[EventRows, BeforeValidator(_table_alone, json_schema_input_type=str | EventRows)] | None = None
    """The table of events; those that were added within the window."""
    datasets: dict[
        str, Annotated[DeltaDataset, BeforeValidator(_table_alone, json_schema_input_type=str | DeltaDataset)]
    ] = Field(default_factory=dict)
    """Tables that are exported as they are, by name."""
    storage_options: dict[str, Secret | str] = Field(default_factory=dict)
    """Options of the store, as delta-rs has them (AWS_REGION, …); secrets as {env: NAME}."""

    @field_validator("storage_options")
    @classmethod
    def _no_secret_in_clear(cls, options: dict[str, Secret | str]) -> dict[str, Secret | str]:
        clear = next((k for k, v in options.items() if isinstance(v, str) and _SECRET_OPTION.search(k)), None)
        if clear is not None:
            raise ValueError(f"{clear}: a secret never stands in a file; write {{env: NAME}}")
        return options

    @model_validator(mode="after")
    def _has_tables(self) -> Self:
        if self.profiles is None and self.events is None and not self.datasets:
            raise ValueError("write `profiles:`, `events:` or `datasets:`, each with its `table:`")
        return self

    @property
    def has_profiles(self) -> bool:
        return self.profiles is not None

    @property
    def has_events(self) -> bool:
        return self.events is not None

    @property
    def declared_datasets(self) -> Mapping[str, DeclaredDataset]:
        return self.datasets

    @property
    def tables(self) -> tuple[str, ...]:
        """Every table that is declared, once."""
        parts = (self.profiles, self.events, *self.datasets.values())
        return tuple(dict.fromkeys(part.table for part in parts if part is not None))

    def open(self, surroundings: Surroundings) -> "DeltaTables":
        """The source; nothing is read yet, no secret resolved."""
        from ctexport_dagster.resources.delta.source import DeltaTables  # half a second that other homes needn't wait

        return DeltaTables(self, surroundings)
