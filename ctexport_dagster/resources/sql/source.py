"""A database as an opened source: one connection, one query and one transaction a partition."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, TextClause, create_engine, text
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from ctexport_dagster.core.errors import ConfigurationError, Mistake, SourceUnreadable
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.source import ProfileInput
from ctexport_dagster.resources.sql.declaration import SqlSource
from ctexport_dagster.resources.sql.extract import Extract, extracted, renamed

_READING = 1
"""Raise it when the same rows come to be read differently: it stands in the fingerprint."""


@dataclass(frozen=True)
class Database:
    """The database of one declaration; its repr shows no secret."""

    declaration: SqlSource
    environment: Mapping[str, str] = field(repr=False)

    def profiles(self, partition: str, window: Interval) -> ProfileInput:
        """The answer to the query for one partition, read now and in order of the clevertapId.

        Raises:
            SourceUnreadable: the database can't be reached, refuses the query, or gives no column for the clevertapId.
        """
        declared = self.declaration
        attempted = f"Querying the profiles of {declared.name} for {partition}"
        id_column = declared.columns.get("clevertapId", "clevertapId")
        with self._answering(attempted) as connection:
            quoted = connection.dialect.identifier_preparer.quote(id_column)
            ordered = text(f"SELECT * FROM ({declared.profiles}) AS given ORDER BY {quoted}")  # noqa: S608 (declared)
            extract = extracted(connection, _bound(ordered, partition, window), declared.fetch_rows, "the query")
        if id_column not in extract.names:  # SQLite orders by a text of that name without a word
            what = f"the query gives no column {id_column!r} for the clevertapId"
            raise SourceUnreadable(attempted, what, "Select it, or name the right one under `columns:`.")
        _refuse_clashes(extract, declared, attempted)
        columns = dict(declared.columns)
        return ProfileInput(
            fingerprint=self._fingerprint(extract),
            places=(f"the query of {declared.name}",),
            batches=lambda: (renamed(batch, columns) for batch in extract.batches()),
            row_estimate=extract.row_count,
            present=tuple(_model_names(extract, declared)),
        )

    def check(self) -> str | None:
        """Why nothing could be read now, in a sentence; None where the database answers."""
        try:
            with self._answering("Connecting") as connection:
                connection.execute(text("SELECT 1"))
        except (SourceUnreadable, ConfigurationError) as problem:
            return str(problem)
        return None

    @contextmanager
    def _answering(self, attempted: str) -> Iterator[Connection]:
        """A connection; what goes wrong is told without the URL, the query's values or the database's own words."""
        engine = self._engine()
        try:
            with engine.connect() as connection:
                yield connection
        except DBAPIError as problem:
            raise SourceUnreadable(attempted, _told(problem), _next_step(problem)) from None
        except SQLAlchemyError as problem:
            what = f"the query can't be run ({type(problem).__name__})"
            raise SourceUnreadable(attempted, what, "Compare the query with the database's tables.") from None
        finally:
            engine.dispose()

    def _engine(self) -> Engine:
        place = f"resources/{self.declaration.name}.yaml"
        url = self.declaration.url.resolve(self.environment)
        try:
            return create_engine(make_url(url), pool_size=1, max_overflow=0, hide_parameters=True)
        except NoSuchModuleError:
            message = "names a database that SQLAlchemy doesn't know; write it as postgresql+psycopg://…"
        except ModuleNotFoundError as problem:
            message = (
                f'needs the driver {problem.name}: run pip install "ctexport-dagster[sql]", or install that driver'
            )
        except (ArgumentError, ValueError):
            message = (
                f"{self.declaration.url.env} holds no URL of a database; write postgresql+psycopg://user:…@host/db"
            )
        raise ConfigurationError([Mistake(place, 0, "url", message)]) from None

    def _fingerprint(self, extract: Extract) -> str:
        shape = self.declaration.model_dump(mode="json", include={"columns", "types", "timezone", "mode"})
        return hashlib.sha256(json.dumps([_READING, extract.fingerprint, shape], sort_keys=True).encode()).hexdigest()


def _bound(query: TextClause, partition: str, window: Interval) -> TextClause:
    given = {"start": window.start, "end": window.end, "partition": partition}
    return query.bindparams(**{name: given[name] for name in query.compile().params})


def _model_names(extract: Extract, declared: SqlSource) -> list[str]:
    models = {given: model for model, given in declared.columns.items()}
    return [models.get(name, name) for name in extract.names]


def _refuse_clashes(extract: Extract, declared: SqlSource, attempted: str) -> None:
    """Two columns of one name, of the query's own or by `columns:`, would lose one of them."""
    names = _model_names(extract, declared)
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice:
        what = f"two columns of the query are called {twice}"
        raise SourceUnreadable(attempted, what, "Give one of them another name with AS, or mend `columns:`.")


def _told(problem: DBAPIError) -> str:
    code = getattr(problem.orig, "sqlstate", None) or getattr(problem.orig, "pgcode", None)
    name = type(problem.orig).__name__
    return f"the database answered with {name}{f' ({code})' if code else ''}"


def _next_step(problem: DBAPIError) -> str:
    if problem.connection_invalidated or type(problem.orig).__name__ == "OperationalError":
        return (
            "Check that the database is up, and the host, user and password in the URL; then run the partition again."
        )
    return "Run the query by hand in the database: its own message says what is wrong with it."
