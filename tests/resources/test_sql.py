"""Databases as sources: SQLite, and a real PostgreSQL."""

import gc
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from line_fakes import TinyHome
from postgres import PASSWORD

from ctexport_dagster.core.errors import ConfigurationError, SourceUnreadable
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.normalise.normaliser import Normaliser
from ctexport_dagster.core.schema import SourceSchema
from ctexport_dagster.core.source import RawBatch
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.declarations.reading import read_declarations
from ctexport_dagster.resources.registry import RESOURCE_KINDS
from ctexport_dagster.resources.sql.declaration import SqlSource
from ctexport_dagster.resources.sql.source import Database
from ctexport_dagster.stages.profiles import ingest_partition

pytestmark = pytest.mark.xdist_group("postgres")  # one server for all of them

DAY = "2026-11-18"
WINDOW = Interval(datetime(2026, 11, 18, tzinfo=UTC), datetime(2026, 11, 19, tzinfo=UTC))
EVERYTHING = "SELECT * FROM customers"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/crm.db"


def execute(url: str, *statements: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()


def source(url: str, query: str = EVERYTHING, **declared: object) -> Database:
    declaration = SqlSource.model_validate(
        {"name": "crm", "url": {"env": "URL"}, "profiles": query, "start": date(2026, 11, 18), **declared}
    )
    return declaration.open(Surroundings(Path(), {"URL": url}))


def batches(database: Database) -> list[RawBatch]:
    return list(database.profiles(DAY, WINDOW).batches())


def rows(database: Database) -> list[dict[str, object]]:
    return [row for batch in batches(database) for row in batch.frame.to_dicts()]


def normalised(database: Database) -> pl.DataFrame:
    normaliser = Normaliser(database.declaration, SourceSchema(()))
    frames = [normaliser.normalise(batch).frame for batch in database.profiles(DAY, WINDOW).batches()]
    return pl.concat(frames, how="diagonal_relaxed")


def refusals(database: Database) -> list[tuple[object, ...]]:
    normaliser = Normaliser(database.declaration, SourceSchema(()))
    given = [normaliser.normalise(batch) for batch in batches(database)]
    return [row for part in given for row in part.quarantined.select("clevertapId", "reason", "field", "value").rows()]


def test_a_profile_whose_text_is_no_utf8_is_refused_by_its_id(sqlite_url: str) -> None:
    execute(sqlite_url, 'CREATE TABLE customers ("clevertapId" text, name text)')
    execute(sqlite_url, "INSERT INTO customers VALUES ('a', 'Ann'), ('b', CAST(x'42ff' AS text)), ('c', 'Cy')")
    database = source(sqlite_url)
    assert refusals(database) == [("b", "invalid_text", "name", "B\\xff")]
    assert normalised(database)["clevertapId"].to_list() == ["a", "c"]


@pytest.fixture
def until(postgres_url: str) -> Iterator[str]:
    """Profiles of which one has no end."""
    execute(postgres_url, 'CREATE TABLE customers ("clevertapId" text, until timestamptz)')
    execute(postgres_url, "INSERT INTO customers VALUES ('a', '2026-11-18'), ('b', 'infinity'), ('c', '2026-11-18')")
    yield postgres_url
    execute(postgres_url, "DROP TABLE customers")


def test_a_profile_with_an_infinite_time_is_refused_by_its_id(until: str) -> None:
    assert refusals(source(until)) == [("b", "contradicts_type", "until", "infinity")]


def test_a_profiles_ranges_are_the_databases_own_text(until: str) -> None:
    query = """SELECT "clevertapId", int4range(1, 3) AS one, ARRAY[int4range(1, 3)] AS more FROM customers"""
    assert rows(source(until, query))[0] == {"clevertapId": "a", "one": "[1,3)", "more": ["[1,3)"]}


def test_a_value_that_the_driver_cant_read_is_told_to_be_cast(until: str) -> None:
    query = """SELECT "clevertapId", interval '3000000 years' AS long FROM customers"""
    with pytest.raises(SourceUnreadable, match="cast that column to text"):
        batches(source(until, query))


TYPED = (
    'CREATE TABLE customers ("clevertapId" text, name text, age bigint, score double precision, paid numeric(20,4),'
    " vip boolean, born date, seen timestamptz, wall timestamp, tags text[], extra jsonb, blob bytea, id uuid)"
)
TYPED_ROW = (
    "INSERT INTO customers VALUES ('a', 'Zoë 🎉', 9007199254740993, 0.1, 1234567890123456.7891, true, '1990-02-28',"
    " '2026-11-18T23:30:00+05:30', '2026-11-18T01:00', '{x,\"y,z\"}', '{\"b\": [1, null], \"a\": \"é\"}', '\\x00ff',"
    " '123e4567-e89b-12d3-a456-426614174000')"
)


@pytest.fixture
def customers(postgres_url: str) -> Iterator[str]:
    execute(postgres_url, TYPED, TYPED_ROW)
    yield postgres_url
    execute(postgres_url, "DROP TABLE customers")


@pytest.mark.req("B9")
def test_every_type_of_postgresql_arrives_as_it_is(customers: str) -> None:
    (row,) = rows(source(customers))
    assert row == {
        "clevertapId": "a",
        "name": "Zoë 🎉",
        "age": 9007199254740993,
        "score": 0.1,
        "paid": Decimal("1234567890123456.7891"),
        "vip": True,
        "born": date(1990, 2, 28),
        "seen": datetime(2026, 11, 18, 18, tzinfo=UTC),
        "wall": datetime(2026, 11, 18, 1),  # noqa: DTZ001 (a wall clock)
        "tags": ["x", "y,z"],
        "extra": '{"a":"é","b":[1,null]}',
        "blob": b"\x00\xff",
        "id": "123e4567-e89b-12d3-a456-426614174000",
    }


@pytest.mark.req("B9")
def test_a_window_takes_the_rows_changed_in_it_and_no_others(customers: str) -> None:
    execute(
        customers,
        "INSERT INTO customers (\"clevertapId\", seen) VALUES ('start', '2026-11-18T00:00Z')",
        "INSERT INTO customers (\"clevertapId\", seen) VALUES ('end', '2026-11-19T00:00Z')",
    )
    query = f"{EVERYTHING} WHERE seen >= :start AND seen < :end;"
    assert [row["clevertapId"] for row in rows(source(customers, query, mode="changes"))] == ["a", "start"]


def test_the_partitions_key_may_stand_in_a_query(customers: str) -> None:
    query = f"{EVERYTHING} WHERE CAST(wall AS date) = CAST(:partition AS date) AND extra::text <> 'it''s \\:here'"
    assert [row["clevertapId"] for row in rows(source(customers, query))] == ["a"]


@pytest.mark.req("B6")
def test_a_value_of_another_kind_keeps_its_own_and_is_told_apart(sqlite_url: str) -> None:
    execute(
        sqlite_url,
        'CREATE TABLE customers ("clevertapId" text, plan)',
        "INSERT INTO customers VALUES ('a', 1), ('b', 2), ('c', 'gold'), ('d', NULL), ('e', 9.5)",
    )
    (batch,) = batches(source(sqlite_url))
    assert batch.frame["plan"].to_list() == [1, 2, None, None, None]
    further = [batch.frame[name].to_list() for name in batch.variants["plan"]]
    assert further == [[None, None, None, None, 9.5], [None, None, "gold", None, None]]


def test_rows_come_in_order_of_the_id_whatever_order_the_database_has_them_in(sqlite_url: str) -> None:
    execute(
        sqlite_url,
        'CREATE TABLE customers (user_id text, "Email" text)',
        "INSERT INTO customers VALUES ('c', '3'), ('a', '1'), ('b', '2')",
    )
    database = source(sqlite_url, columns={"clevertapId": "user_id"}, fetch_rows=2)
    assert [row["clevertapId"] for row in rows(database)] == ["a", "b", "c"]
    numbers = [batch.numbers.to_list() for batch in batches(database) if batch.numbers is not None]
    assert numbers == [[1, 2], [3]]


def test_the_fingerprint_follows_the_rows_alone(sqlite_url: str) -> None:
    execute(
        sqlite_url, 'CREATE TABLE customers ("clevertapId" text, n)', "INSERT INTO customers VALUES ('a', 1), ('b', 2)"
    )
    first = source(sqlite_url).profiles(DAY, WINDOW).fingerprint
    execute(sqlite_url, "DELETE FROM customers WHERE n = 1", "INSERT INTO customers VALUES ('a', 1)")
    assert source(sqlite_url).profiles(DAY, WINDOW).fingerprint == first
    execute(sqlite_url, "UPDATE customers SET n = 3 WHERE n = 1")
    assert source(sqlite_url).profiles(DAY, WINDOW).fingerprint != first


def test_what_is_taken_in_is_what_was_fingerprinted_though_the_table_changes_meanwhile(sqlite_url: str) -> None:
    execute(sqlite_url, 'CREATE TABLE customers ("clevertapId" text)', "INSERT INTO customers VALUES ('a')")
    given = source(sqlite_url).profiles(DAY, WINDOW)
    execute(sqlite_url, "INSERT INTO customers VALUES ('b')")
    taken = [[row["clevertapId"] for batch in given.batches() for row in batch.frame.to_dicts()] for _ in range(2)]
    assert taken == [["a"], ["a"]]


def test_the_copy_on_disk_goes_with_the_input(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    execute(sqlite_url, 'CREATE TABLE customers ("clevertapId" text)', "INSERT INTO customers VALUES ('a')")
    given = source(sqlite_url).profiles(DAY, WINDOW)
    assert len(list(tmp_path.glob("ctexport-sql-*"))) == 1
    del given
    gc.collect()
    assert list(tmp_path.glob("ctexport-sql-*")) == []


def test_an_empty_answer_is_a_partition_with_columns_and_no_rows(sqlite_url: str) -> None:
    execute(sqlite_url, 'CREATE TABLE customers ("clevertapId" text, "Email" text)')
    (batch,) = batches(source(sqlite_url))
    assert (batch.frame.columns, batch.frame.height) == (["clevertapId", "Email"], 0)


@pytest.mark.req("P25", "B9")
def test_a_database_feeds_the_lake(customers: str, tmp_path: Path) -> None:
    execute(customers, "INSERT INTO customers (\"clevertapId\", age) VALUES ('b', 5)")
    database = source(customers, 'SELECT "clevertapId", age FROM customers', max_deleted=1)
    home = TinyHome(tmp_path, database.declaration)
    record = ingest_partition(database.declaration, database, DAY, folders=home.folders, run_id="r")
    again = ingest_partition(database.declaration, database, DAY, folders=home.folders, run_id="r2")
    assert (record.rows.logged, record.is_new, again.is_new) == (2, True, False)


def test_binary_that_is_no_text_is_refused_as_a_value_and_the_row_told(customers: str) -> None:
    normaliser = Normaliser(source(customers).declaration, SourceSchema(()))
    told = [normaliser.normalise(batch) for batch in batches(source(customers))]
    assert [part.quarantined.height for part in told] == [1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT nothing FROM customers", "UndefinedColumn (42703)"),
        ("SELECT * FROM nowhere", "UndefinedTable (42P01)"),
        ("SELECT name FROM customers", "UndefinedColumn (42703)"),
        ('SELECT *, name AS "clevertapId" FROM customers', "(42702)"),
    ],
)
def test_a_query_that_the_database_refuses_says_so_without_a_value(customers: str, query: str, expected: str) -> None:
    with pytest.raises(SourceUnreadable) as caught:
        source(customers, query).profiles(DAY, WINDOW)
    assert expected in str(caught.value)
    assert "Zoë" not in str(caught.value)


def test_a_query_without_the_id_is_refused_by_name(sqlite_url: str) -> None:
    execute(sqlite_url, "CREATE TABLE customers (name text)")
    with pytest.raises(SourceUnreadable, match="no column 'clevertapId'"):
        source(sqlite_url).profiles(DAY, WINDOW)


def test_two_columns_of_one_name_are_refused(sqlite_url: str) -> None:
    execute(sqlite_url, 'CREATE TABLE customers ("clevertapId" text, mail text, "Email" text)')
    with pytest.raises(SourceUnreadable, match="two columns of the query are called Email"):
        source(sqlite_url, columns={"Email": "mail"}).profiles(DAY, WINDOW)


@pytest.mark.parametrize("change", [("Wombat", "Wrongbat"), ("127.0.0.1:", "127.0.0.1:1")])
def test_a_wrong_password_or_port_names_the_next_step_and_no_secret(customers: str, change: tuple[str, str]) -> None:
    url = customers.replace(*change) if change[0] == "Wombat" else customers.rsplit(":", 1)[0] + ":1/postgres"
    (problem,) = source(url).check()
    assert problem
    assert "host, user and password" in problem
    assert not any(secret in problem for secret in (PASSWORD, "Wrongbat"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [("nonsense", "holds no URL"), ("oracle9://u@h/d", "doesn't know"), ("mysql+pymysql://u@h/d", "needs the driver")],
)
def test_a_url_that_means_no_database_is_a_mistake_of_the_declaration(url: str, expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        source(url).profiles(DAY, WINDOW)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("DELETE FROM customers", "a source only reads"),
        ("SELECT 1; SELECT 2", "one SELECT"),
        ("SELECT * FROM c WHERE t > :begin", ":begin is no variable"),
    ],
)
def test_a_mistaken_query_is_told_with_its_line(tmp_path: Path, query: str, expected: str) -> None:
    (tmp_path / "resources").mkdir()
    content: Mapping[str, object] = {"type": "sql", "url": {"env": "U"}, "profiles": query, "start": "2026-11-18"}
    lines = [f"{key}: {json.dumps(value)}" for key, value in content.items()]
    (tmp_path / "resources" / "crm.yaml").write_text("\n".join(lines))
    (mistake,) = read_declarations(tmp_path, RESOURCE_KINDS).mistakes
    assert (mistake.file, mistake.line, mistake.field) == ("resources/crm.yaml", 3, "profiles")
    assert expected in mistake.message


def test_a_query_that_names_no_window_is_warned_of() -> None:
    assert source("sqlite://").declaration.warnings != ()
    assert source("sqlite://", f"{EVERYTHING} WHERE d = :partition").declaration.warnings == ()


def test_the_declaration_and_the_source_show_no_secret(customers: str) -> None:
    assert PASSWORD not in repr(source(customers))
    assert PASSWORD not in repr(source(customers).declaration)
