"""A database as a source of profiles: what `resources/*.yaml` declares.

    type: sql
    url: {env: CRM_DATABASE_URL}        # as SQLAlchemy writes them: postgresql+psycopg://user:password@host/database
    mode: changes
    profiles: |
      SELECT * FROM customers WHERE updated_at >= :start AND updated_at < :end

`:start` and `:end` are the window's instants, `:partition` is its key. A database holds the present alone: a query of a
`snapshot` source that names none of them gives today's state for whatever day is run.
"""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from ctexport_dagster.core.secret import Secret
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.extras import extra

if TYPE_CHECKING:
    from ctexport_dagster.resources.sql.source import Database

BINDS = ("start", "end", "partition")


class SqlSource(SourceDeclaration):
    """Declares a query for each partition of profiles."""

    type: Literal["sql"] = "sql"
    url: Secret
    """The database, as SQLAlchemy writes it: postgresql+psycopg://user:password@host/database."""
    profiles: str
    """One SELECT, in which :start, :end (instants) and :partition (its key) stand for the window's."""
    fetch_rows: int = Field(default=20_000, ge=1, le=1_000_000)
    """How many rows are held at once."""

    @field_validator("profiles")
    @classmethod
    def _one_select(cls, query: str) -> str:
        plain = query.strip().rstrip(";").rstrip()
        if ";" in plain:
            raise ValueError("write one SELECT; `;` may stand at its end alone")
        if plain.split(None, 1)[0].lower() not in ("select", "with", "values", "table"):
            raise ValueError("write a SELECT: a source only reads")
        unknown = [name for name in _binds(plain) if name not in BINDS]
        if unknown:
            raise ValueError(
                f":{unknown[0]} is no variable of a query: those are :start, :end, :partition; a plain : is \\:"
            )
        return plain

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed, but probably not meant."""
        if _binds(self.profiles):
            return ()
        if self.mode == "changes":
            return ("the query names neither :start nor :end: every partition would hold every row",)
        return ("the query names none of :start, :end, :partition: a day that is run late gets the state of then",)

    def open(self, surroundings: Surroundings) -> "Database":
        """The source; nothing is connected yet.

        Raises:
            ConfigurationError: the extra isn't installed.
        """
        with extra("sql", self.name):
            from ctexport_dagster.resources.sql.source import Database
        return Database(self, surroundings.environment)


def _binds(query: str) -> list[str]:
    from sqlalchemy import text  # a second of imports that homes without a database needn't wait for

    return sorted(text(query).compile().params)
