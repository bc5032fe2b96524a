"""Delta tables as sources of profiles and events."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from delta_tables import FEED, append, at, edit_commit, log_file, mark_deleted, opened, rows_of, window
from deltalake import DeltaTable
from hypothesis import given
from hypothesis import strategies as st
from line_fakes import TinyHome

from ctexport_dagster.core.datasets.source import Span
from ctexport_dagster.core.errors import SourceMissing, SourceUnreadable
from ctexport_dagster.declarations.reading import read_declarations
from ctexport_dagster.resources.delta.predicate import Predicate, conjuncts
from ctexport_dagster.resources.delta.source import DeltaTables
from ctexport_dagster.resources.registry import RESOURCE_KINDS
from ctexport_dagster.stages.profiles import ingest_partition

FIRST, SECOND, THIRD = "2026-11-18", "2026-11-19", "2026-11-20"


def people(*ids: str, **columns: object) -> pl.DataFrame:
    return pl.DataFrame({"clevertapId": list(ids)}).with_columns(**{name: pl.lit(v) for name, v in columns.items()})


def ids(source: DeltaTables, day: str) -> list[object]:
    given = source.profiles(day, window(day))
    return [row["clevertapId"] for row in rows_of(list(given.batches()))]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Version 0 on the first day, 1 on the second, each with one profile more."""
    append(tmp_path / "t", people("a"), "2026-11-18T10:00")
    append(tmp_path / "t", people("b"), "2026-11-19T10:00")
    return tmp_path / "t"


@pytest.mark.req("B9")
def test_a_snapshot_is_the_table_as_of_the_last_version_before_the_windows_end(table: Path) -> None:
    source = opened(table.parent, profiles="t")
    assert [sorted(ids(source, day)) for day in (FIRST, SECOND, THIRD)] == [["a"], ["a", "b"], ["a", "b"]]


@pytest.mark.req("P25")
def test_a_partition_that_is_run_again_later_has_the_same_rows_and_fingerprint(table: Path) -> None:
    source = opened(table.parent, profiles="t")
    before = source.profiles(FIRST, window(FIRST))
    append(table, people("c"), "2026-11-19T12:00")
    DeltaTable(table).optimize.compact()
    at(table, "2026-11-19T13:00")
    again = source.profiles(FIRST, window(FIRST))
    assert before.fingerprint == again.fingerprint
    assert rows_of(list(before.batches())) == rows_of(list(again.batches()))


def test_a_commit_at_the_windows_very_end_belongs_to_the_next_one(tmp_path: Path) -> None:
    append(tmp_path / "t", people("a"), "2026-11-18T10:00")
    append(tmp_path / "t", people("b"), "2026-11-19T00:00")
    assert ids(opened(tmp_path, profiles="t"), FIRST) == ["a"]


def test_a_writer_whose_clock_is_behind_adds_to_what_was_committed_after_it(tmp_path: Path) -> None:
    for who, when in (("a", "2026-11-18T10:00"), ("b", "2026-11-19T01:00"), ("c", "2026-11-18T23:59")):
        append(tmp_path / "t", people(who), when)
    source = opened(tmp_path, profiles="t")
    assert (ids(source, FIRST), len(ids(source, SECOND))) == (["a"], 3)


def test_the_instant_that_the_commit_itself_promises_counts_before_that_of_its_writer(table: Path) -> None:
    promised = int(datetime(2026, 11, 18, 23, tzinfo=UTC).timestamp() * 1000)
    edit_commit(table, 1, lambda actions: actions[0]["commitInfo"].update(inCommitTimestamp=promised))
    assert len(ids(opened(table.parent, profiles="t"), FIRST)) == 2


@pytest.mark.req("B9")
def test_changes_by_the_feed_are_inserts_updates_and_deletions(tmp_path: Path) -> None:
    append(tmp_path / "t", people("a", "b", "c", name="old"), "2026-11-18T10:00", configuration=FEED)
    table = DeltaTable(tmp_path / "t")
    table.update({"name": "'new'"}, predicate="\"clevertapId\" = 'a'")
    at(tmp_path / "t", "2026-11-19T10:00")
    table = DeltaTable(tmp_path / "t")
    table.delete("\"clevertapId\" = 'b'")
    at(tmp_path / "t", "2026-11-19T11:00")
    append(tmp_path / "t", people("d", name="new"), "2026-11-19T12:00")
    given = opened(tmp_path, profiles="t", mode="changes").profiles(SECOND, window(SECOND))
    told = {(row["clevertapId"], row["name"], row.get("deleted")) for row in rows_of(list(given.batches()))}
    assert told == {("a", "new", None), ("b", "old", True), ("d", "new", None)}


def test_the_first_partition_of_changes_has_everything_so_far(table: Path) -> None:
    source = opened(table.parent, profiles="t", mode="changes", start=date(2026, 11, 19))
    assert sorted(map(str, ids(source, SECOND))) == ["a", "b"]


def test_appends_alone_need_no_feed_and_an_optimized_table_gives_nothing_twice(table: Path) -> None:
    DeltaTable(table).optimize.compact()
    at(table, "2026-11-20T10:00")
    append(table, people("c"), "2026-11-20T11:00")
    source = opened(table.parent, profiles="t", mode="changes")
    assert [ids(source, day) for day in (FIRST, SECOND, THIRD)] == [["a"], ["b"], ["c"]]


def test_a_day_without_commits_is_empty_but_has_the_columns(table: Path) -> None:
    given = opened(table.parent, profiles="t", mode="changes").profiles(THIRD, window(THIRD))
    (batch,) = given.batches()
    assert (batch.frame.columns, batch.frame.height) == (["clevertapId"], 0)


def test_rewritten_rows_without_a_feed_are_refused_and_the_ways_out_named(table: Path) -> None:
    DeltaTable(table).delete("\"clevertapId\" = 'a'")
    at(table, "2026-11-20T10:00")
    with pytest.raises(SourceUnreadable, match=r"version 2 of t changed.*enableChangeDataFeed.*snapshot"):
        opened(table.parent, profiles="t", mode="changes").profiles(THIRD, window(THIRD))


def test_a_feed_that_was_turned_on_midway_counts_from_then_on(table: Path) -> None:
    DeltaTable(table).alter.set_table_properties(FEED)
    at(table, "2026-11-20T09:00")
    DeltaTable(table).delete("\"clevertapId\" = 'a'")
    at(table, "2026-11-20T10:00")
    given = opened(table.parent, profiles="t", mode="changes").profiles(THIRD, window(THIRD))
    assert rows_of(list(given.batches())) == [{"clevertapId": "a", "deleted": True}]


@pytest.mark.req("B9")
def test_rows_that_a_deletion_vector_marks_are_not_read(tmp_path: Path) -> None:
    append(tmp_path / "t", people(*"abcde"), "2026-11-18T10:00")
    mark_deleted(tmp_path / "t", [1, 3])
    at(tmp_path / "t", "2026-11-18T11:00")
    assert ids(opened(tmp_path, profiles="t"), FIRST) == ["a", "c", "e"]


def test_changes_by_deletion_vectors_alone_are_refused(tmp_path: Path) -> None:
    append(tmp_path / "t", people(*"abcde"), "2026-11-18T10:00", configuration=FEED)
    mark_deleted(tmp_path / "t", [1, 3])
    at(tmp_path / "t", "2026-11-19T11:00")
    edit_commit(tmp_path / "t", 1, lambda actions: actions[2]["metaData"]["configuration"].update(FEED))
    with pytest.raises(SourceUnreadable, match="deletion vectors alone"):
        opened(tmp_path, profiles="t", mode="changes").profiles(SECOND, window(SECOND))


def test_a_table_whose_columns_have_other_names_in_its_files_is_refused(table: Path) -> None:
    def mapped(actions: list) -> None:
        actions[1]["protocol"] = {"minReaderVersion": 2, "minWriterVersion": 5}
        metadata = actions[2]["metaData"]
        schema = json.loads(metadata["schemaString"])
        for number, field in enumerate(schema["fields"], 1):
            field["metadata"] = {
                "delta.columnMapping.id": number,
                "delta.columnMapping.physicalName": f"col-{number}",
            }
        configuration = {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "1"}
        metadata.update(schemaString=json.dumps(schema), configuration=configuration)

    edit_commit(table, 0, mapped)
    source = opened(table.parent, profiles="t")
    with pytest.raises(SourceUnreadable, match="uses columnMapping"):
        source.profiles(FIRST, window(FIRST))
    assert any("columnMapping" in problem for problem in source.check())


def test_a_day_before_the_first_commit_is_missing_and_says_where_to_start(table: Path) -> None:
    with pytest.raises(SourceMissing, match=r"no version before the window's end.*start:"):
        opened(table.parent, profiles="t", start=date(2026, 11, 1)).profiles("2026-11-17", window("2026-11-17"))


def test_a_vacuumed_version_is_missing_and_says_what_happened(table: Path) -> None:
    DeltaTable(table).optimize.compact()
    at(table, "2026-11-20T10:00")
    DeltaTable(table).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    at(table, "2026-11-20T10:01")
    source = opened(
        table.parent, profiles="t", events="t", datasets={"rows": "t", "all": {"table": "t", "holds": "all"}}
    )
    span = Span(FIRST, window(FIRST), None)
    ways = [
        (source.profiles(FIRST, window(FIRST)), "declare the table as another source"),
        (source.events(FIRST, window(FIRST)), "run the partitions after it"),
        (source.dataset("rows", span), "declare the table as another dataset"),
        (source.dataset("all", span), "run the partitions after it"),
    ]
    for taken, way_out in ways:
        with pytest.raises(SourceMissing, match=f"vacuumed.*{way_out}"):
            list(taken.batches())


def test_a_log_that_no_longer_reaches_back_is_told(table: Path) -> None:
    DeltaTable(table).create_checkpoint()
    log_file(table, 0).unlink()
    source = opened(table.parent, profiles="t")
    with pytest.raises(SourceMissing, match="no longer tells what stood"):
        source.profiles(FIRST, window(FIRST))
    assert sorted(map(str, ids(source, SECOND))) == ["a", "b"]


def test_a_dataset_that_isnt_declared_is_missing(table: Path) -> None:
    with pytest.raises(SourceMissing, match="names no such dataset"):
        opened(table.parent, profiles="t").dataset("orders", Span(FIRST, window(FIRST), None))


def test_no_table_is_told_by_its_place(tmp_path: Path) -> None:
    source = opened(tmp_path, profiles="nowhere")
    with pytest.raises(SourceMissing, match="no Delta table at nowhere"):
        source.profiles(FIRST, window(FIRST))
    assert any("no Delta table at nowhere" in problem for problem in source.check())


@pytest.mark.req("B9")
def test_a_predicate_takes_the_rows_for_which_it_holds_whenever_they_came(tmp_path: Path) -> None:
    days = {"day": [date(2026, 11, 18), date(2026, 11, 19), None], "n": [1, 2, 3]}
    rows = people("a", "b", "c").with_columns(**{name: pl.Series(values) for name, values in days.items()})
    append(tmp_path / "t", rows, "2026-11-25T10:00", partition_by=["day"])
    declared = {"table": "t", "by": "predicate", "where": "CAST(day AS VARCHAR) = :partition AND n < 9"}
    source = opened(tmp_path, profiles=declared)
    assert [ids(source, day) for day in (FIRST, SECOND, THIRD)] == [["a"], ["b"], []]


def test_another_days_files_leave_a_predicates_fingerprint_alone(tmp_path: Path) -> None:
    declared = {"table": "t", "by": "predicate", "where": "day = :partition"}
    append(tmp_path / "t", people("a", day=FIRST), "2026-11-18T10:00", partition_by=["day"])
    before = opened(tmp_path, profiles=declared).profiles(FIRST, window(FIRST)).fingerprint
    append(tmp_path / "t", people("b", day=SECOND), "2026-11-19T10:00")
    assert opened(tmp_path, profiles=declared).profiles(FIRST, window(FIRST)).fingerprint == before
    append(tmp_path / "t", people("late", day=FIRST), "2026-11-19T11:00")
    assert opened(tmp_path, profiles=declared).profiles(FIRST, window(FIRST)).fingerprint != before


def test_a_predicate_compares_instants_and_texts(tmp_path: Path) -> None:
    rows = people("a", "b").with_columns(seen=pl.Series([window(FIRST).start, window(SECOND).start]))
    append(tmp_path / "t", rows, "2026-11-25T10:00")
    where = "seen >= :start AND seen < :end AND \"clevertapId\" IN ('a', 'b')"
    assert ids(opened(tmp_path, profiles={"table": "t", "by": "predicate", "where": where}), SECOND) == ["b"]


def test_a_predicate_on_what_the_table_lacks_is_told(table: Path) -> None:
    declared = {"table": "t", "where": "colour = 'red'"}
    given = opened(table.parent, profiles=declared).profiles(FIRST, window(FIRST))
    with pytest.raises(SourceUnreadable, match="ColumnNotFoundError"):
        list(given.batches())


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a = 1 AND b = 2", ["a = 1 ", " b = 2"]),
        ("a BETWEEN 1 AND 2 AND b = 2", ["a BETWEEN 1 AND 2 ", " b = 2"]),
        ("(a = 1 AND b = 2) and c", ["(a = 1 AND b = 2) ", " c"]),
        ("a = ' AND ' AND b = 2", ["a = ' AND ' ", " b = 2"]),
        ("a = 1 AND b = 2 OR c = 3", ["a = 1 AND b = 2 OR c = 3"]),
    ],
)
def test_a_condition_falls_into_what_and_joins_at_its_outermost_level(text: str, parts: list[str]) -> None:
    assert list(conjuncts(text)) == parts


CONDITIONS = (
    "p = :partition",
    "p = 'x' AND n > 1",
    "n BETWEEN 1 AND 2 AND p <> 'x'",
    "p IS NULL AND n IS NOT NULL",
    "NOT (p = 'x') AND n = 1",
    "p = 'x' OR n = 1",
    "coalesce(p, 'x') = 'x' AND (n = 1 OR p = 'y')",
    "CASE WHEN p = 'x' THEN n > 1 ELSE n < 1 END AND p <> 'y'",
)


@given(
    st.sampled_from(CONDITIONS),
    st.sampled_from(["x", "y", FIRST, None]),
    st.lists(st.none() | st.integers(0, 3), min_size=1),
)
def test_no_file_is_passed_over_in_which_a_row_meets_the_condition(
    condition: str, value: str | None, numbers: list[int | None]
) -> None:
    predicate = Predicate(condition, FIRST, window(FIRST), "Trying")
    rows = pl.DataFrame({"n": numbers}, schema={"n": pl.Int64}).with_columns(p=pl.lit(value, pl.String))
    if not predicate.may_hold({"p": value}, {"p": pl.String()}):
        assert not predicate.holds(rows).any()


def test_the_models_names_are_the_columns_that_the_source_names(tmp_path: Path) -> None:
    append(tmp_path / "t", pl.DataFrame({"user_id": ["a"], "mail": ["x"]}), "2026-11-18T10:00")
    columns = {"clevertapId": "user_id", "Email": "mail"}
    given = opened(tmp_path, profiles="t", columns=columns).profiles(FIRST, window(FIRST))
    assert (rows_of(list(given.batches())), given.present) == (
        [{"clevertapId": "a", "Email": "x"}],
        ("clevertapId", "Email"),
    )


def test_a_table_without_the_id_is_refused(tmp_path: Path) -> None:
    append(tmp_path / "t", pl.DataFrame({"user_id": ["a"]}), "2026-11-18T10:00")
    with pytest.raises(SourceUnreadable, match="no column for the clevertapId"):
        opened(tmp_path, profiles="t").profiles(FIRST, window(FIRST))


@pytest.mark.req("B9")
def test_a_delta_table_feeds_the_lake_and_its_deletions_take_effect(tmp_path: Path) -> None:
    append(tmp_path / "t", people("a", "b", n=1), "2026-11-18T10:00", configuration=FEED)
    DeltaTable(tmp_path / "t").delete("\"clevertapId\" = 'b'")
    at(tmp_path / "t", "2026-11-19T10:00")
    source = opened(tmp_path, profiles="t", mode="changes")
    home = TinyHome(tmp_path / "home", source.declaration)
    records = [
        ingest_partition(source.declaration, source, day, folders=home.folders, run_id="r") for day in (FIRST, SECOND)
    ]
    again = ingest_partition(source.declaration, source, SECOND, folders=home.folders, run_id="r2")
    assert [(record.rows.logged, record.rows.deleted) for record in records] == [(2, 0), (0, 1)]
    assert not again.is_new


@pytest.mark.req("B9")
def test_events_are_the_rows_that_were_added_in_the_window(tmp_path: Path) -> None:
    def event(name: str, when: str) -> pl.DataFrame:
        return pl.DataFrame(
            {"eventName": [name], "ts": [20261118100000], "clevertapId": ["a"], "eventProps": [{"Amount": 1.5}]}
        )

    for name, when in (("one", "2026-11-18T10:00"), ("two", "2026-11-19T10:00")):
        append(tmp_path / "t", event(name, when), when)
    source = opened(tmp_path, events="t")
    told = [
        [row["eventName"] for row in rows_of(list(source.events(day, window(day)).batches()))]
        for day in (FIRST, SECOND, THIRD)
    ]
    assert told == [["one"], ["two"], []]
    assert source.declaration.has_events
    assert not source.declaration.has_profiles


def test_events_by_a_cursor_are_those_that_it_dates_into_the_window(tmp_path: Path) -> None:
    arrived = pl.Series([window(day).start for day in ("2026-11-01", FIRST, SECOND, THIRD)])
    rows = pl.DataFrame({"eventName": ["old", "one", "two", "three"], "ts": [1] * 4, "arrived": arrived})
    append(tmp_path / "t", rows, "2026-11-30T10:00")
    source = opened(tmp_path, events={"table": "t", "cursor": "arrived"})
    told = [
        [row["eventName"] for row in rows_of(list(source.events(day, window(day)).batches()))]
        for day in (FIRST, SECOND, THIRD)
    ]
    assert told == [["old", "one"], ["two"], ["three"]]


@pytest.mark.req("B9")
def test_every_type_of_delta_arrives_as_it_is(tmp_path: Path) -> None:
    row = {
        "clevertapId": "a",
        "text": "Zoë 🎉",
        "long": 2**62 + 1,
        "byte": 7,
        "real": 0.5,
        "double": float("inf"),
        "exact": Decimal("12345678901234567890.123456789"),
        "yes": True,
        "blob": b"\x00\xff",
        "day": date(1, 1, 1),
        "instant": datetime(2026, 11, 18, 10, tzinfo=UTC),
        "wall": datetime(2026, 11, 18, 10),  # noqa: DTZ001 (a wall clock)
        "nested": {"tags": ["x", None], "inner": {"n": None}},
        "list": [{"sku": "é", "qty": 2}],
        "nothing": None,
    }
    dtypes = {"byte": pl.Int8, "real": pl.Float32, "nothing": pl.String, "exact": pl.Decimal(38, 9)}
    nested = pl.Struct({"tags": pl.List(pl.String), "inner": pl.Struct({"n": pl.Int64})})
    frame = pl.DataFrame([row], schema_overrides={**dtypes, "nested": nested})
    append(tmp_path / "t", frame, "2026-11-18T10:00")
    given = opened(tmp_path, profiles="t").profiles(FIRST, window(FIRST))
    (batch,) = given.batches()
    assert batch.frame.to_dicts() == [row]
    assert batch.frame.schema == frame.schema


def test_columns_and_struct_fields_that_came_later_are_null_in_older_files(tmp_path: Path) -> None:
    append(tmp_path / "t", people("a").with_columns(s=pl.struct(x=pl.lit(1))), "2026-11-18T10:00")
    later = people("b", new=1.5).with_columns(s=pl.struct(x=pl.lit(1), y=pl.lit("é")))
    append(tmp_path / "t", later, "2026-11-18T11:00", schema_mode="merge")
    given = opened(tmp_path, profiles="t").profiles(FIRST, window(FIRST))
    told = sorted(rows_of(list(given.batches())), key=lambda row: str(row["clevertapId"]))
    assert told == [
        {"clevertapId": "a", "s": {"x": 1, "y": None}, "new": None},
        {"clevertapId": "b", "s": {"x": 1, "y": "é"}, "new": 1.5},
    ]


def test_partition_columns_have_their_own_types_also_where_they_are_null_or_odd(tmp_path: Path) -> None:
    values = [
        {"p": "a b/ü:%", "d": date(2026, 11, 18), "n": 7, "t": datetime(2026, 11, 18, 10, 0, 0, 5, tzinfo=UTC)},
        {"p": None, "d": None, "n": None, "t": None},
    ]
    for number, value in enumerate(values):
        rows = pl.DataFrame([{"clevertapId": str(number), **value}], schema_overrides={"n": pl.Int32, "p": pl.String})
        rows = rows.cast({"d": pl.Date, "t": pl.Datetime("us", "UTC")})
        append(tmp_path / "t", rows, f"2026-11-{18 + number}T10:00", partition_by=["p", "d", "n", "t"])
    snapshot = opened(tmp_path, profiles="t").profiles(SECOND, window(SECOND))
    told = sorted(rows_of(list(snapshot.batches())), key=lambda row: str(row["clevertapId"]))
    assert [{**row, "clevertapId": 0} for row in told] == [{"clevertapId": 0, **value} for value in values]
    changes = opened(tmp_path, profiles="t", mode="changes", start=date(2026, 11, 17))
    assert rows_of(list(changes.profiles(FIRST, window(FIRST)).batches())) == told[:1]


def test_text_that_is_no_utf8_puts_its_row_into_the_quarantine(tmp_path: Path) -> None:
    append(tmp_path / "t", people("a", "b", name="x"), "2026-11-18T10:00")
    (file,) = (tmp_path / "t").glob("*.parquet")
    broken = pl.DataFrame({"clevertapId": ["a", "b"], "name": [b"\xff\xfe", b"x"]})
    broken.write_parquet(file)
    (batch,) = opened(tmp_path, profiles="t").profiles(FIRST, window(FIRST)).batches()
    assert batch.frame.to_dicts() == [{"clevertapId": "b", "name": "x"}]
    assert batch.unreadable.select("clevertapId", "reason", "field").rows() == [("a", "invalid_text", "name")]


def test_a_shallow_clone_is_refused(table: Path) -> None:
    def moved(actions: list) -> None:
        for action in actions:
            if "add" in action:
                action["add"]["path"] = f"file://{table}/elsewhere.parquet"

    edit_commit(table, 0, moved)
    with pytest.raises(SourceUnreadable):
        opened(table.parent, profiles="t").profiles(FIRST, window(FIRST))


@pytest.mark.parametrize(
    ("declared", "field", "expected"),
    [
        ("profiles: {table: t, by: predicate}", "profiles", "needs a `where:`"),
        ("profiles: {table: t, where: 'a = :begin'}", "profiles.where", ":begin is no variable"),
        ("profiles: {table: t, where: 'a ='}", "profiles.where", "can't be read"),
        ("profiles: 's3://bucket/t?sv=Wombat-4711'", "profiles", "never stands in a URL"),
        ("profiles: t\nstorage_options: {AWS_SECRET_ACCESS_KEY: Wombat-4711}", "storage_options", "unknown key"),
        ("description: nothing", "", "write `profiles:`"),
    ],
)
def test_a_mistaken_declaration_is_told_by_its_field(tmp_path: Path, declared: str, field: str, expected: str) -> None:
    (tmp_path / "resources").mkdir()
    (tmp_path / "resources" / "lakehouse.yaml").write_text(f"type: delta\nstart: 2026-11-18\n{declared}\n")
    mistakes = read_declarations(tmp_path, RESOURCE_KINDS).mistakes
    assert any(mistake.field == field and expected in mistake.message for mistake in mistakes), mistakes
    assert "Wombat" not in str(mistakes)


def test_a_broken_log_is_told_without_its_content(table: Path) -> None:
    with log_file(table, 0).open("a") as log:
        log.write('\n{"metaData": "Wombat-4711')
    with pytest.raises(SourceUnreadable) as caught:
        opened(table.parent, profiles="t").profiles(SECOND, window(SECOND))
    assert "Wombat" not in str(caught.value)
