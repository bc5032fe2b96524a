"""A database as a source: what `resources/*.yaml` declares.

    type: sql
    url: {env: CRM_DATABASE_URL}        # as SQLAlchemy writes them: postgresql+psycopg://user:password@host/database
    mode: changes
    profiles: |
      SELECT * FROM customers WHERE updated_at >= :start AND updated_at < :end
    datasets:
      orders: {query: SELECT * FROM orders, cursor: id}

`:start` and `:end` are the window's instants, `:partition` is its key. A database holds the present alone: a query of a
`snapshot` source that names none of them gives today's state for whatever day is run.
"""

import re
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.secret import Secret
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.declared_source import DeclaredSource, alone
from ctexport_dagster.resources.extras import extra

if TYPE_CHECKING:
    from ctexport_dagster.resources.sql.source import Database

BINDS = ("start", "end", "partition")
_READS = re.compile(r"[\s(]*(select|with|values|table)\b", re.IGNORECASE)
_ASIDE = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|(\$\w*\$).*?\1|--[^\n]*|/\*.*?\*/", re.DOTALL)
"""Texts, quoted names and comments of a query."""


def _one_select(query: str) -> str:
    plain = query.strip().rstrip(";").rstrip()
    bare = _ASIDE.sub(" ", plain)
    if not _READS.match(bare):
        raise ValueError("write a SELECT: a source only reads")
    if ";" in bare:
        raise ValueError("write one SELECT; `;` may stand at its end alone")
    unknown = [name for name in binds_of(plain) if name not in BINDS]
    if unknown:
        raise ValueError(
            f":{unknown[0]} is no variable of a query: those are :start, :end, :partition; a plain : is \\:"
        )
    return plain


class SqlDataset(DeclaredDataset):
    """A query whose rows are exported as they are: the query alone, or a mapping with more."""

    query: str
    """One SELECT, in which :start, :end (instants) and :partition (its key) stand for the window's."""

    _query = field_validator("query")(_one_select)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.cursor is not None and self.holds == "all":
            raise ValueError("write `cursor:` or `holds: all`: one of them says which rows a partition has")
        return self

    @property
    def gives_the_same_each_time(self) -> bool:
        """Whether nothing tells a partition's rows from those of another one, though it holds what was added."""
        return self.holds == "added" and self.cursor is None and not binds_of(self.query)


class SqlSource(DeclaredSource[str, str, SqlDataset]):
    """Declares queries for each partition of profiles, of events or of datasets."""

    what_places_are: ClassVar[str] = "each a SELECT"

    type: Literal["sql"] = "sql"
    url: Secret
    """The database, as SQLAlchemy writes it: postgresql+psycopg://user:password@host/database."""
    profiles: str | None = None
    """One SELECT, in which :start, :end (instants) and :partition (its key) stand for the window's."""
    events: str | None = None
    """One SELECT of the events that arrived within the window, as `profiles`."""
    datasets: dict[str, Annotated[SqlDataset, alone("query", SqlDataset)]] = Field(default_factory=dict)
    """Queries whose rows are exported as they are, by name."""
    fetch_rows: int = Field(default=20_000, ge=1, le=1_000_000)
    """How many rows are held at once, at most: wide ones are held in smaller numbers."""

    _queries = field_validator("profiles", "events")(lambda query: None if query is None else _one_select(query))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed, but probably not meant."""
        found: list[str] = []
        if self.profiles is not None and not binds_of(self.profiles):
            found.append(_unbound(self.mode))
        if self.events is not None and not binds_of(self.events):
            found.append("the query of events names neither :start nor :end: every partition would hold every event")
        same = [name for name, declared in self.datasets.items() if declared.gives_the_same_each_time]
        found += [f"{name} has neither a cursor nor :start: every partition would hold every row" for name in same]
        return tuple(found)

    def open(self, surroundings: Surroundings) -> "Database":
        """The source; nothing is connected yet.

        Raises:
            ConfigurationError: the extra isn't installed.
        """
        with extra("sql", self.name):
            from ctexport_dagster.resources.sql.source import Database
        return Database(self, surroundings.environment)


def binds_of(query: str) -> list[str]:
    """The variables that a query names."""
    from sqlalchemy import text  # a second of imports that homes without a database needn't wait for

    return sorted(text(query).compile().params)


def _unbound(mode: str) -> str:
    if mode == "changes":
        return "the query names neither :start nor :end: every partition would hold every row"
    return "the query names none of :start, :end, :partition: a day that is run late gets the state of then"
