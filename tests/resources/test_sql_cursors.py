"""Cursors of databases where they are hard: rows that go, values of several kinds, odd names, ends of queries."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from databases import DAYS, execute, opened, rows_of, window

from ctexport_dagster.core.datasets.source import DatasetInput, Span
from ctexport_dagster.core.errors import SourceUnreadable
from ctexport_dagster.resources.sql.source import Database
from ctexport_dagster.stages.datasets import ingest_dataset_partition
from ctexport_dagster.state import StateFolders

pytestmark = pytest.mark.xdist_group("postgres")  # one server for all of them

EVERYTHING = "SELECT * FROM tickets"


@pytest.fixture
def postgres_tickets(postgres_url: str) -> Iterator[str]:
    yield postgres_url
    execute(postgres_url, "DROP TABLE IF EXISTS tickets")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/crm.db"


@pytest.fixture(params=["postgresql", "sqlite"])
def url(request: pytest.FixtureRequest) -> str:
    """Each database in turn."""
    return request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_tickets")


def source(url: str, query: str = EVERYTHING, **declared: object) -> Database:
    return opened(url, datasets={"tickets": {"query": query, **declared}})


def read(database: Database, day: str, since: str | None = None, upto: str | None = None) -> DatasetInput:
    return database.dataset("tickets", Span(day, window(day), since, upto))


def written(url: str, name: str) -> str:
    """A name as a statement of `execute` has it: psycopg undoubles percent signs, SQLite's driver doesn't."""
    return name if url.startswith("sqlite") else name.replace("%", "%%")


def ids(given: DatasetInput) -> list[object]:
    return [row["id"] for row in rows_of(list(given.batches()))]


@pytest.mark.req("A3")
@pytest.mark.parametrize(
    ("dtype", "values"),
    [("integer", ["1", "2", "10"]), ("varchar(10)", ["'2026-11-01'", "'2026-11-02'", "'2026-11-03'"])],
)
def test_a_row_that_goes_and_comes_back_is_in_one_partition_alone(url: str, dtype: str, values: list[str]) -> None:
    rows = ", ".join(f"({number}, {value})" for number, value in enumerate(values))
    execute(url, f"CREATE TABLE tickets (id integer, c {dtype})", f"INSERT INTO tickets VALUES {rows}")
    database = source(url, cursor="c")
    first = read(database, DAYS[0])
    execute(url, "DELETE FROM tickets WHERE id = 2")
    second = read(database, DAYS[1], first.upto)
    execute(url, f"INSERT INTO tickets VALUES (2, {values[2]})")
    third = read(database, DAYS[2], second.upto)
    assert [ids(part) for part in (first, second, third)] == [[0, 1, 2], [], []]
    assert [second.upto, third.upto] == [first.upto, first.upto]


def test_a_table_that_was_emptied_goes_on_from_where_it_was(url: str) -> None:
    execute(url, "CREATE TABLE tickets (id integer)", "INSERT INTO tickets VALUES (7)")
    database = source(url, cursor="id")
    first = read(database, DAYS[0])
    execute(url, "DELETE FROM tickets")
    second = read(database, DAYS[1], first.upto)
    execute(url, "INSERT INTO tickets VALUES (7), (8)")
    assert ids(read(database, DAYS[2], second.upto)) == [8]


@pytest.mark.parametrize("values", ["(1), ('x'), (2)", "('x'), (0.5)"])
def test_a_cursor_of_numbers_and_texts_is_told_before_a_row_is_lost(sqlite_url: str, values: str) -> None:
    execute(sqlite_url, "CREATE TABLE tickets (id)", f"INSERT INTO tickets VALUES {values}")
    with pytest.raises(SourceUnreadable, match=r"id holds both numbers and texts.*typeof\(id\) = 'integer'"):
        read(source(sqlite_url, cursor="id"), DAYS[0])
    numbers = source(sqlite_url, f"{EVERYTHING} WHERE typeof(id) = 'integer'", cursor="id")
    assert ids(read(numbers, DAYS[0])) == ([1, 2] if "1" in values else [])


def test_a_text_that_came_later_among_numbers_is_told(sqlite_url: str) -> None:
    execute(sqlite_url, "CREATE TABLE tickets (id)", "INSERT INTO tickets VALUES (1)")
    database = source(sqlite_url, cursor="id")
    first = read(database, DAYS[0])
    execute(sqlite_url, "INSERT INTO tickets VALUES ('2')")
    with pytest.raises(SourceUnreadable, match="both numbers and texts"):
        read(database, DAYS[1], first.upto)


def test_a_partition_before_that_was_read_otherwise_is_told(sqlite_url: str) -> None:
    execute(sqlite_url, "CREATE TABLE tickets (id integer)")
    with pytest.raises(SourceUnreadable, match="read in another way"):
        read(source(sqlite_url, cursor="id"), DAYS[1], '{"table": "t", "version": 3}')


@pytest.mark.parametrize("name", ["a :b", "a:start", "a::b", "a\\:b", "a%b", "a%(b)s", "Id", "^x$", "*"])
def test_a_cursor_may_have_any_name(url: str, name: str) -> None:
    execute(url, f'CREATE TABLE tickets ("{written(url, name)}" integer, x integer)')
    execute(url, "INSERT INTO tickets VALUES (1, 9), (2, 9)")
    database = source(url, cursor=name)
    first = read(database, DAYS[0])
    execute(url, "INSERT INTO tickets VALUES (3, 9)")
    second = read(database, DAYS[1], first.upto)
    assert [rows_of(list(part.batches())) for part in (first, second)] == [
        [{name: 1, "x": 9}, {name: 2, "x": 9}],
        [{name: 3, "x": 9}],
    ]


@pytest.mark.req("B1", "B9")
def test_columns_of_any_name_reach_the_lake(sqlite_url: str, tmp_path: Path) -> None:
    execute(sqlite_url, 'CREATE TABLE tickets ("", "*" integer, "^a$", a integer)')
    execute(sqlite_url, "INSERT INTO tickets VALUES (1, 2, 3, 4), (5, 6, 'x', 8)")
    database = source(sqlite_url, cursor="")
    folders = StateFolders(tmp_path / "state")
    run = partial(ingest_dataset_partition, database.declaration, database, "tickets", folders=folders)
    run(DAYS[0], run_id="r")
    execute(sqlite_url, "INSERT INTO tickets VALUES (9, 10, 11, 12)")
    run(DAYS[1], run_id="r")
    view = folders.dataset_lake("crm", "tickets").view()
    assert [row for frame in view.frames(DAYS[:2]) for row in frame.to_dicts()] == [
        {"": 1, "*": 2, "^a$": "3", "a": 4},
        {"": 5, "*": 6, "^a$": "x", "a": 8},
        {"": 9, "*": 10, "^a$": "11", "a": 12},
    ]


def test_a_row_with_nan_is_told_by_its_column_whatever_that_is_called(postgres_tickets: str) -> None:
    execute(postgres_tickets, 'CREATE TABLE tickets (id int, "^id$" numeric(9,2))')
    execute(postgres_tickets, "INSERT INTO tickets VALUES (1, 'NaN'), (2, 1.5)")
    (batch,) = read(source(postgres_tickets, cursor="id"), DAYS[0]).batches()
    assert batch.frame["id"].to_list() == [2]
    assert batch.unreadable.select("field", "value").rows() == [("^id$", "NaN")]


def test_events_with_several_types_in_a_column_of_any_name_are_spelt_out(sqlite_url: str) -> None:
    execute(sqlite_url, 'CREATE TABLE tickets (eventName, ts, identity, "^ts$")')
    execute(sqlite_url, "INSERT INTO tickets VALUES ('Bought', 1, 'me', 2), ('Bought', 3, 'me', 'x')")
    database = opened(sqlite_url, events=EVERYTHING, columns={"controlGroupName": "^ts$"})
    rows = rows_of(list(database.events(DAYS[0], window(DAYS[0])).batches()))
    assert [row["controlGroupName"] for row in rows] == ["2", "x"]


@pytest.mark.parametrize("ending", [" -- all of them", " /* all */", ";\n"])
def test_a_query_may_end_in_a_comment(url: str, ending: str) -> None:
    execute(url, "CREATE TABLE tickets (id integer)", "INSERT INTO tickets VALUES (1), (2)")
    assert ids(read(source(url, EVERYTHING + ending, cursor="id"), DAYS[0])) == [1, 2]


@pytest.mark.parametrize("name", ["clevertapId", "a :b", "a%b"])
def test_a_query_of_profiles_may_end_in_a_comment_whatever_its_id_is_called(url: str, name: str) -> None:
    execute(url, f'CREATE TABLE tickets ("{written(url, name)}" varchar(9))', "INSERT INTO tickets VALUES ('a')")
    database = opened(url, profiles=f"{EVERYTHING} -- all of them", columns={"clevertapId": name})
    assert rows_of(list(database.profiles(DAYS[0], window(DAYS[0])).batches())) == [{"clevertapId": "a"}]
