"""Databases as sources of datasets: PostgreSQL with its types, SQLite without any."""

import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import partial
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from databases import DAYS, execute, opened, rows_of, window
from line_fakes import TinyHome
from pydantic import ValidationError

from ctexport_dagster.core.datasets.source import DatasetInput, DatasetSource, Span
from ctexport_dagster.core.errors import SourceUnreadable
from ctexport_dagster.resources.sql.source import Database
from ctexport_dagster.stages.datasets import ingest_dataset_partition

pytestmark = pytest.mark.xdist_group("postgres")  # one server for all of them

EVERYTHING = "SELECT * FROM orders"


@pytest.fixture
def postgres_orders(postgres_url: str) -> Iterator[str]:
    yield postgres_url
    execute(postgres_url, "DROP TABLE IF EXISTS orders")


@pytest.fixture(params=["postgresql", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each database in turn."""
    return f"sqlite:///{tmp_path}/crm.db" if request.param == "sqlite" else request.getfixturevalue("postgres_orders")


def source(url: str, query: str = EVERYTHING, **declared: object) -> Database:
    return opened(url, datasets={"orders": {"query": query, **declared}})


def read(database: Database, day: str, since: str | None = None, upto: str | None = None) -> DatasetInput:
    return database.dataset("orders", Span(day, window(day), since, upto))


def ids(given: DatasetInput) -> list[object]:
    return [row["id"] for row in rows_of(list(given.batches()))]


@pytest.mark.req("B9", "A3", "S12")
def test_a_number_tells_what_is_new_and_a_second_reading_takes_in_no_more(url: str) -> None:
    execute(url, "CREATE TABLE orders (id bigint, what text)", "INSERT INTO orders VALUES (2, 'b'), (1, 'a')")
    database = source(url, cursor="id")
    assert isinstance(database, DatasetSource)
    first = read(database, DAYS[0])
    execute(url, "INSERT INTO orders VALUES (4, 'd'), (3, 'c')")
    second = read(database, DAYS[1], first.upto)
    third = read(database, DAYS[2], second.upto)
    again = read(database, DAYS[0], None, first.upto)
    assert [ids(part) for part in (first, second, third, again)] == [[1, 2], [3, 4], [], [1, 2]]
    assert (again.fingerprint, again.upto, third.upto) == (first.fingerprint, first.upto, second.upto)
    assert database.declaration.declared_datasets["orders"].is_chained


@pytest.mark.req("A3")
@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("timestamptz", ["2026-11-18T23:59:59.999999Z", "2026-11-19T00:00:00Z", "2026-11-21T00:00Z"]),
        ("timestamp", ["2026-11-18T23:59:59.999999", "2026-11-19T00:00:00", "2026-11-21T00:00"]),
        ("date", ["2026-11-18", "2026-11-19", "2026-11-21"]),
    ],
)
def test_instants_and_days_follow_the_windows(postgres_orders: str, dtype: str, values: list[str]) -> None:
    rows = ", ".join(f"({place}, '{value}')" for place, value in enumerate(values))
    execute(postgres_orders, f"CREATE TABLE orders (id int, c {dtype})", f"INSERT INTO orders VALUES {rows}")
    database = source(postgres_orders, cursor="c")
    first = read(database, DAYS[0])
    second = read(database, DAYS[1], first.upto)
    assert [ids(part) for part in (first, second)] == [[0], [1]]


def test_wall_clocks_are_those_of_the_sources_time_zone(postgres_orders: str) -> None:
    execute(
        postgres_orders,
        "CREATE TABLE orders (id int, c timestamp)",
        "INSERT INTO orders VALUES (1, '2026-11-19T05:29'), (2, '2026-11-19T05:30')",
    )
    declared = {"query": EVERYTHING, "cursor": "c"}
    database = opened(postgres_orders, datasets={"orders": declared}, timezone="Asia/Kolkata")
    assert ids(read(database, DAYS[0])) == [1]  # the window ends at midnight UTC


@pytest.mark.req("A3")
def test_texts_follow_the_databases_own_order(url: str) -> None:
    execute(url, "CREATE TABLE orders (id int, c varchar(9))", "INSERT INTO orders VALUES (1, 'a'), (2, 'ä')")
    database = source(url, cursor="c")
    first = read(database, DAYS[0])
    execute(url, "INSERT INTO orders VALUES (3, 'ö''')")
    assert (sorted(map(str, ids(first))), ids(read(database, DAYS[1], first.upto))) == (["1", "2"], [3])


def test_an_empty_table_has_no_bound_and_the_next_partition_has_everything(url: str) -> None:
    execute(url, "CREATE TABLE orders (id int, c int)")
    database = source(url, cursor="c")
    first = read(database, DAYS[0])
    (batch,) = first.batches()
    execute(url, "INSERT INTO orders VALUES (1, 5)")
    assert (batch.frame.columns, batch.frame.height) == (["id", "c"], 0)
    assert ids(read(database, DAYS[1], first.upto)) == [1]


def test_rows_without_a_cursor_come_with_each_partition_so_that_they_are_told(url: str) -> None:
    execute(url, "CREATE TABLE orders (id int, c int)", "INSERT INTO orders VALUES (1, 5), (2, NULL)")
    database = source(url, cursor="c")
    first = read(database, DAYS[0])
    assert sorted(map(str, ids(first))) == ["1", "2"]
    assert ids(read(database, DAYS[1], first.upto)) == [2]


@pytest.mark.req("P25")
def test_rows_of_one_cursor_value_have_one_order(url: str) -> None:
    execute(url, "CREATE TABLE orders (id int, c int)", "INSERT INTO orders VALUES (3, 1), (1, 1), (2, 1)")
    first = read(source(url, cursor="c"), DAYS[0])
    execute(url, "DELETE FROM orders", "INSERT INTO orders VALUES (2, 1), (3, 1), (1, 1)")
    again = read(source(url, cursor="c"), DAYS[0], None, first.upto)
    assert (ids(again), again.fingerprint) == (ids(first), first.fingerprint)


def test_a_query_may_say_itself_what_is_new(url: str) -> None:
    execute(url, "CREATE TABLE orders (id int, day varchar(10))", "INSERT INTO orders VALUES (1, '2026-11-18')")
    execute(url, "INSERT INTO orders VALUES (2, '2026-11-19')")
    database = source(url, f"{EVERYTHING} WHERE day = :partition ORDER BY id;")
    assert [ids(read(database, day)) for day in DAYS] == [[1], [2], []]
    assert read(database, DAYS[0]).upto is None
    assert database.declaration.warnings == ()


def test_a_dataset_that_holds_all_is_the_whole_answer(url: str) -> None:
    execute(url, "CREATE TABLE orders (id int)", "INSERT INTO orders VALUES (1), (2)")
    database = source(url, holds="all")
    assert [sorted(map(str, ids(read(database, day)))) for day in DAYS[:2]] == [["1", "2"], ["1", "2"]]
    assert database.declaration.warnings == ()


def test_a_query_that_would_give_the_same_rows_each_time_is_warned_of() -> None:
    (warning,) = opened("sqlite://", datasets={"orders": EVERYTHING}).declaration.warnings
    assert "orders has neither a cursor nor :start" in warning


TYPED = {
    "small": ("smallint", "7"),
    "big": ("bigint", "9007199254740993"),
    "exact": ("numeric(38,10)", "1234567890123456789012345678.0000000001"),
    "any_digits": ("numeric", "0.10000000000000000000000000000000000000000000001"),
    "real": ("real", "0.5"),
    "float": ("double precision", "'NaN'"),
    "yes": ("boolean", "true"),
    "born": ("date", "'0001-01-01'"),
    "at": ("time", "'23:59:59.999999'"),
    "seen": ("timestamptz", "'2026-11-18T23:30:00.000001+05:30'"),
    "wall": ("timestamp", "'2026-11-18T01:00'"),
    "long": ("interval", "'1 month 2 hours'"),
    "words": ("text[]", "'{x,NULL,\"y,z\"}'"),
    "counts": ("int[]", "'{1,NULL}'"),
    "prices": ("numeric[]", "'{1.10,NULL}'"),
    "extra": ("jsonb", '\'{"b": [1, null], "a": 0.1000000000000000055}\''),
    "raw": ("json", '\'{"b":1,   "b":2}\''),
    "blob": ("bytea", "'\\x00ff'"),
    "id": ("uuid", "'123e4567-e89b-12d3-a456-426614174000'"),
    "span": ("int4range", "'[1,5)'"),
    "address": ("inet", "'10.0.0.1/8'"),
    "none": ("int", "NULL"),
}
ARRIVED = {
    "small": (pl.Int16(), 7),
    "big": (pl.Int64(), 9007199254740993),
    "exact": (pl.Decimal(38, 10), Decimal("1234567890123456789012345678.0000000001")),
    "any_digits": (pl.String(), "0.10000000000000000000000000000000000000000000001"),
    "real": (pl.Float32(), 0.5),
    "float": (pl.Float64(), None),
    "yes": (pl.Boolean(), True),
    "born": (pl.Date(), date(1, 1, 1)),
    "at": (pl.Time(), time(23, 59, 59, 999999)),
    "seen": (pl.Datetime("us", "UTC"), datetime(2026, 11, 18, 18, 0, 0, 1, tzinfo=UTC)),
    "wall": (pl.Datetime("us"), datetime(2026, 11, 18, 1)),  # noqa: DTZ001 (a wall clock)
    "long": (pl.String(), "P1MT2H"),
    "words": (pl.List(pl.String), ["x", None, "y,z"]),
    "counts": (pl.List(pl.Int32), [1, None]),
    "prices": (pl.List(pl.String), ["1.10", None]),
    "extra": (pl.String(), '{"a": 0.1000000000000000055, "b": [1, null]}'),
    "raw": (pl.String(), '{"b":1,   "b":2}'),
    "blob": (pl.Binary(), b"\x00\xff"),
    "id": (pl.String(), "123e4567-e89b-12d3-a456-426614174000"),
    "span": (pl.String(), "[1,5)"),
    "address": (pl.String(), "10.0.0.1/8"),
    "none": (pl.Int32(), None),
}


@pytest.mark.req("B9")
@pytest.mark.parametrize("is_empty", [False, True])
def test_every_type_of_postgresql_arrives_as_it_is(postgres_orders: str, is_empty: bool) -> None:
    columns = ", ".join(f"{name} {dtype}" for name, (dtype, _) in TYPED.items())
    execute(postgres_orders, f"CREATE TABLE orders ({columns})")
    if not is_empty:
        values = ", ".join(value for _, value in TYPED.values())
        execute(postgres_orders, f"INSERT INTO orders VALUES ({values})")
    (batch,) = read(source(postgres_orders, holds="all"), DAYS[0]).batches()
    assert dict(batch.frame.schema) == {name: dtype for name, (dtype, _) in ARRIVED.items()}
    expected = [] if is_empty else [{name: value for name, (_, value) in ARRIVED.items()}]
    assert [{**row, "float": None} for row in batch.frame.to_dicts()] == expected
    assert [value is not None and value != value for value in batch.frame["float"]] == [True] * (not is_empty)


def test_a_row_with_nan_in_a_decimal_column_is_told_and_the_others_go_on(postgres_orders: str) -> None:
    execute(postgres_orders, "CREATE TABLE orders (id int, n numeric(9,2))")
    execute(postgres_orders, "INSERT INTO orders VALUES (1, 'NaN'), (2, 1.5)")
    (batch,) = read(source(postgres_orders, cursor="id"), DAYS[0]).batches()
    assert batch.frame.rows() == [(2, Decimal("1.50"))]
    assert batch.unreadable.select("reason", "field", "value").rows() == [("not_finite", "n", "NaN")]
    assert batch.numbers is not None
    assert batch.numbers.to_list() == [2]


def test_arrays_of_arrays_are_refused_by_the_columns_name(postgres_orders: str) -> None:
    execute(postgres_orders, "CREATE TABLE orders (id int, m int[])", "INSERT INTO orders VALUES (1, '{{1,2},{3,4}}')")
    with pytest.raises(SourceUnreadable, match="m holds values"):
        read(source(postgres_orders, cursor="id"), DAYS[0])


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("timestamptz", "infinity"),
        ("timestamp", "-infinity"),
        ("date", "infinity"),
        ("date", "0044-03-15 BC"),
        ("timestamp", "10000-01-01 00:00:00"),
        ("time", "24:00:00"),
        ("date[]", "infinity"),
    ],
)
def test_a_time_that_python_has_none_for_sets_its_row_aside(postgres_orders: str, dtype: str, value: str) -> None:
    written = f"ARRAY['{value}']::{dtype}" if dtype.endswith("[]") else f"'{value}'"
    execute(postgres_orders, f"CREATE TABLE orders (id int, n numeric(9,2), t {dtype})")
    execute(postgres_orders, f"INSERT INTO orders VALUES (1, 'NaN', NULL), (2, 1, {written}), (3, 2, NULL)")
    (batch,) = read(source(postgres_orders, cursor="id"), DAYS[0]).batches()
    assert batch.frame["id"].to_list() == [3]
    assert batch.numbers is not None
    assert batch.numbers.to_list() == [3]
    told = batch.unreadable.filter(pl.col("reason") == "unreadable").select("field", "value", "place").row(0)
    assert told == ("t", f'["{value}"]' if dtype.endswith("[]") else value, "the query of orders:2")
    assert batch.unreadable.height == 2


def test_a_time_with_a_zone_is_text_whatever_it_is(postgres_orders: str) -> None:
    execute(postgres_orders, "CREATE TABLE orders (id int, t timetz)", "INSERT INTO orders VALUES (1, '10:00+02')")
    (batch,) = read(source(postgres_orders, cursor="id"), DAYS[0]).batches()
    assert batch.frame["t"].to_list() == ["10:00:00+02:00"]


def test_ranges_and_records_are_the_databases_own_text(postgres_orders: str) -> None:
    execute(postgres_orders, "CREATE TABLE orders (id int)", "INSERT INTO orders VALUES (1)")
    query = (
        "SELECT id, daterange('2026-11-18', NULL) AS d, ARRAY[int4range(1, 3)] AS r, row(1, NULL, 'x') AS w FROM orders"
    )
    (batch,) = read(source(postgres_orders, query, cursor="id"), DAYS[0]).batches()
    assert batch.frame.rows() == [(1, "[2026-11-18,)", ["[1,3)"], "(1,,x)")]


def test_a_cursor_of_a_uuid_is_told_to_be_cast(postgres_orders: str) -> None:
    execute(postgres_orders, "CREATE TABLE orders (id uuid)", "INSERT INTO orders VALUES (gen_random_uuid())")
    with pytest.raises(SourceUnreadable, match="cast it to text"):
        read(source(postgres_orders, cursor="id"), DAYS[0])
    assert (
        len(ids(read(source(postgres_orders, "SELECT CAST(id AS text) AS id FROM orders", cursor="id"), DAYS[0]))) == 1
    )


def test_text_that_is_no_utf8_sets_its_row_aside(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/crm.db"
    execute(url, "CREATE TABLE orders (id int, t text, b blob)")
    execute(url, "INSERT INTO orders VALUES (1, 'ü', x'ff'), (2, CAST(x'61ff' AS text), x'ff'), (3, NULL, NULL)")
    (batch,) = read(source(url, cursor="id"), DAYS[0]).batches()
    assert batch.frame.rows() == [(1, "ü", b"\xff"), (3, None, None)]
    assert batch.unreadable.select("reason", "field", "value").rows() == [("invalid_text", "t", "a\\xff")]


def test_a_mistyped_path_makes_no_database(tmp_path: Path) -> None:
    database = source(f"sqlite:///{tmp_path}/no such #1.db", cursor="id")
    (problem,) = database.check()
    assert "Check that the path" in problem
    with pytest.raises(SourceUnreadable, match="Check that the path"):
        read(database, DAYS[0])
    assert list(tmp_path.iterdir()) == []


def test_a_database_may_have_any_path(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a %41 #1.db"
    execute(url, "CREATE TABLE orders (id int)", "INSERT INTO orders VALUES (1)")
    assert ids(read(source(url, cursor="id"), DAYS[0])) == [1]


def test_two_columns_of_one_name_are_refused(url: str) -> None:
    execute(url, "CREATE TABLE orders (id int)")
    with pytest.raises(SourceUnreadable, match="two columns of the query are called id"):
        read(source(url, "SELECT id, id FROM orders", holds="all"), DAYS[0])


def test_a_query_that_writes_is_refused_by_the_database(url: str) -> None:
    execute(url, "CREATE TABLE orders (id int)", "INSERT INTO orders VALUES (1)")
    query = "WITH gone AS (DELETE FROM orders RETURNING id) SELECT * FROM gone"
    with pytest.raises(SourceUnreadable):
        read(source(url, query, holds="all"), DAYS[0])
    assert ids(read(source(url, holds="all"), DAYS[0])) == [1]


@pytest.mark.parametrize(
    ("column", "expected"), [("price", "can't serve as a cursor"), ("nowhere", "nowhere|UndefinedColumn")]
)
def test_a_cursor_that_cant_grow_or_isnt_there_is_told(url: str, column: str, expected: str) -> None:
    execute(url, "CREATE TABLE orders (id int, price double precision)", "INSERT INTO orders VALUES (1, 0.5)")
    with pytest.raises(SourceUnreadable, match=expected):
        read(source(url, cursor=column), DAYS[0])


def test_a_cursor_whose_type_changed_is_told(url: str) -> None:
    execute(url, "CREATE TABLE orders (id int)", "INSERT INTO orders VALUES (1)")
    first = read(source(url, cursor="id"), DAYS[0])
    with pytest.raises(SourceUnreadable, match="was a number"):
        read(source(url, "SELECT CAST(id AS varchar(9)) AS id FROM orders", cursor="id"), DAYS[1], first.upto)


@pytest.mark.req("A3")
def test_rows_that_are_inserted_while_partitions_are_read_belong_to_exactly_one(url: str) -> None:
    execute(url, "CREATE TABLE orders (id int)", "INSERT INTO orders VALUES (0)")
    engine = sa.create_engine(url, connect_args={"timeout": 60} if url.startswith("sqlite") else {})

    def insert() -> None:
        for number in range(1, 200):
            with engine.begin() as connection:
                connection.exec_driver_sql(f"INSERT INTO orders VALUES ({number})")

    writer = threading.Thread(target=insert, daemon=True)
    writer.start()
    database, got, since = source(url, cursor="id"), [], None
    while is_running := writer.is_alive():
        part = read(database, DAYS[0], since)
        got += ids(part)
        again = read(database, DAYS[0], since, part.upto)
        assert again.fingerprint == part.fingerprint
        since = part.upto
    writer.join()
    engine.dispose()
    assert not is_running
    assert got + ids(read(database, DAYS[0], since)) == list(range(200))


@pytest.mark.req("B1", "B6", "B9")
def test_a_database_feeds_the_lake_of_datasets_and_its_odd_values_are_set_aside(
    postgres_orders: str, tmp_path: Path
) -> None:
    execute(postgres_orders, "CREATE TABLE orders (id int, n numeric(9,2), doc jsonb)")
    execute(postgres_orders, "INSERT INTO orders VALUES (1, 1.5, '{}'), (2, 'NaN', NULL), (NULL, 1, NULL)")
    database = source(postgres_orders, cursor="id")
    home = TinyHome(tmp_path, database.declaration)
    run = partial(ingest_dataset_partition, database.declaration, database, "orders", folders=home.folders)
    first = run(DAYS[0], run_id="r")
    execute(postgres_orders, "INSERT INTO orders VALUES (3, 2.25, NULL)")
    second, again = run(DAYS[1], run_id="r"), run(DAYS[0], run_id="r2")
    told = [(part.rows.source, part.rows.quarantined, part.rows.kept) for part in (first, second)]
    assert told == [(3, 2, 1), (2, 1, 1)]
    assert not again.is_new
    rows = pl.concat(home.folders.dataset_lake("crm", "orders").view().frames(DAYS[:2]))
    assert rows["n"].to_list() == [Decimal("1.50"), Decimal("2.25")]


def test_wide_rows_come_in_small_batches(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/crm.db"
    execute(url, "CREATE TABLE orders (id int, t text)")
    rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)"
    execute(url, f"INSERT INTO orders {rows} SELECT i, hex(zeroblob(2000)) FROM n")
    batches = list(read(source(url, cursor="id"), DAYS[0]).batches())
    assert max(batch.frame.estimated_size() for batch in batches) < 8_000_000
    assert sum(batch.frame.height for batch in batches) == 3000


def test_no_more_very_wide_rows_are_held_than_fit(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/crm.db"
    execute(url, "CREATE TABLE orders (id int, t text)")
    rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60)"
    execute(url, f"INSERT INTO orders {rows} SELECT i, hex(zeroblob(200000)) FROM n")
    batches = list(read(source(url, cursor="id"), DAYS[0]).batches())
    assert max(batch.frame.estimated_size() for batch in batches) < 8_000_000
    assert sum(batch.frame.height for batch in batches) == 60


def test_a_fingerprint_doesnt_depend_on_how_many_rows_are_held(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/crm.db"
    execute(url, "CREATE TABLE orders (id int)", "INSERT INTO orders VALUES (1), (2), (3), (9223372036854775807)")
    declared = {"datasets": {"orders": {"query": EVERYTHING, "cursor": "id"}}}
    one_by_one, at_once = (read(opened(url, fetch_rows=rows, **declared), DAYS[0]) for rows in (1, 100))
    assert [len(list(given.batches())) for given in (one_by_one, at_once)] == [4, 1]
    assert one_by_one.fingerprint == at_once.fingerprint


@pytest.mark.parametrize(
    "query",
    [
        "/* all; of them */ SELECT id FROM orders",
        "-- don't; stop\nSELECT id FROM orders",
        "(SELECT id FROM orders)",
        "SELECT id, ';' AS s, 'it''s;' AS t, \"a;b\" FROM orders;",
        "SELECT id, $q$;'$q$ AS s FROM orders",
    ],
)
def test_a_query_may_begin_with_a_comment_or_a_parenthesis_and_hold_semicolons_in_texts(query: str) -> None:
    assert opened("sqlite://", datasets={"orders": query}).declaration.datasets["orders"].query == query.rstrip(";")


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        ({"query": "/* SELECT */ DELETE FROM orders"}, "a source only reads"),
        ({"query": "-- SELECT"}, "a source only reads"),
        ({"query": "SELECT ';' AS s; DELETE FROM orders"}, "one SELECT"),
        ({"query": EVERYTHING, "cursor": "id", "holds": "all"}, "one of them says"),
        ({"query": "DELETE FROM orders"}, "a source only reads"),
        ({"query": " ; "}, "a source only reads"),
        ({"query": "SELECT :since"}, ":since is no variable"),
    ],
)
def test_a_mistaken_dataset_is_refused(declared: dict[str, object], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        opened("sqlite://", datasets={"orders": declared})


def test_a_source_needs_at_least_one_query() -> None:
    with pytest.raises(ValidationError, match="write `profiles:`, `events:` or `datasets:`"):
        opened("sqlite://")
