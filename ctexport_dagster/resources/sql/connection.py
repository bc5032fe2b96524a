"""Connections to the database of one declaration: read only, in one transaction, told apart from its secrets.

What goes wrong is told without the URL, the query's values or the database's own words.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, create_engine
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from ctexport_dagster.core.errors import ConfigurationError, Mistake, SourceUnreadable
from ctexport_dagster.core.secret import Secret
from ctexport_dagster.resources.sql.postgres_types import speak_as_it_is, speak_exactly
from ctexport_dagster.resources.sql.unread import read_on


@dataclass(frozen=True)
class Access:
    """How the database of one source is reached; its repr shows no secret."""

    source: str
    url: Secret
    environment: Mapping[str, str] = field(repr=False)

    @contextmanager
    def connected(self, attempted: str, *, exactly: bool = False) -> Iterator[Connection]:
        """A connection in a transaction that sees one state of the database, and can't change it.

        `exactly`: JSON and intervals come as their texts, so that no digit is lost (PostgreSQL).

        Raises:
            SourceUnreadable: the database can't be reached, or refuses what it is asked.
            ConfigurationError: the URL means no database, or its driver isn't installed.
        """
        engine = self._engine()
        try:
            with engine.connect() as connection:
                _hold_still(connection)
                read_on(connection)
                speak_as_it_is(connection)
                if exactly:
                    speak_exactly(connection)
                yield connection
        except DBAPIError as problem:
            raise SourceUnreadable(attempted, _told(problem), _next_step(problem)) from None
        except SQLAlchemyError as problem:
            what = f"the query can't be run ({type(problem).__name__})"
            raise SourceUnreadable(attempted, what, "Compare the query with the database's tables.") from None
        finally:
            engine.dispose()

    def _engine(self) -> Engine:
        url = self.url.resolve(self.environment)
        try:
            return create_engine(_of_what_is_there(make_url(url)), pool_size=1, max_overflow=0, hide_parameters=True)
        except NoSuchModuleError:
            message = "names a database that SQLAlchemy doesn't know; write it as postgresql+psycopg://…"
        except ModuleNotFoundError as problem:
            message = (
                f'needs the driver {problem.name}: run pip install "ctexport-dagster[sql]", or install that driver'
            )
        except (ArgumentError, ValueError):
            message = f"{self.url.env} holds no URL of a database; write postgresql+psycopg://user:…@host/db"
        raise ConfigurationError([Mistake(f"resources/{self.source}.yaml", 0, "url", message)]) from None


def quoted(connection: Connection, column: str) -> str:
    """A column's name as it stands in a text of SQLAlchemy: whatever is in it, it names no variable."""
    preparer = connection.dialect.identifier_preparer
    if not column:
        return preparer.quote_identifier(column)
    # Percent signs are doubled by some dialects here, and once more in the text.
    return preparer.quote(column.replace("%", "\0")).replace("\0", "%").replace(":", "\\:")


def _hold_still(connection: Connection) -> None:
    """All that is asked sees the database as it was when first asked; a query that writes is refused."""
    match connection.dialect.name:
        case "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        case "sqlite":
            connection.exec_driver_sql("PRAGMA query_only = ON")
            connection.exec_driver_sql("BEGIN")  # its driver begins a transaction for writing statements alone
        case _:
            pass


def _of_what_is_there(url: URL) -> URL:
    """SQLite makes an empty database of a mistyped path, and answers from that, unless it is told not to."""
    if (url.get_backend_name(), url.get_driver_name()) != ("sqlite", "pysqlite"):
        return url
    if url.database in (None, "", ":memory:") or "uri" in url.query:
        return url
    return url.set(database=f"file:{quote(str(Path(url.database).absolute()))}").update_query_dict(
        {"uri": "true", "mode": "rw"}  # not `ro`: what a writer left half done is to be rolled back
    )


def _told(problem: DBAPIError) -> str:
    code, name = _code(problem), type(problem.orig).__name__
    return f"the database answered with {name}{f' ({code})' if code else ''}"


def _code(problem: DBAPIError) -> str | None:
    names = ("sqlstate", "pgcode", "sqlite_errorname")
    return next((code for name in names if (code := getattr(problem.orig, name, None))), None)


def _next_step(problem: DBAPIError) -> str:
    code, name = _code(problem), type(problem.orig).__name__
    is_the_query = code == "SQLITE_ERROR"
    if code == "42883":
        return (
            "If the cursor is a uuid or an enumeration, cast it to text in the query. Else run the query by hand in the"
            " database: its own message says what is missing."
        )
    if code is None and name == "DataError":
        return "It holds a value that the driver can't read: cast that column to text in the query, or leave it out."
    if code is not None and code.startswith("SQLITE_") and not is_the_query:
        return (
            "Check that the path in the URL is that of a database, which may be read and isn't locked; then run again."
        )
    if not is_the_query and (problem.connection_invalidated or name == "OperationalError"):
        return (
            "Check that the database is up, and the host, user and password in the URL; then run the partition again."
        )
    return "Run the query by hand in the database: its own message says what is wrong with it."
