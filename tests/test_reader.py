"""The reference reader: the same rows from every format, the newest generation, and the state of any day."""

import gzip
import json
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from itertools import product
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ctexport_dagster import reader
from ctexport_dagster.core.columns import ColumnPlan, OutputColumn, manifest_columns
from ctexport_dagster.core.delivery.protocol import deliver
from ctexport_dagster.core.delivery.request import DeliveryRequest, StagedFile
from ctexport_dagster.core.errors import DeliveryUnreadable
from ctexport_dagster.core.export import Format
from ctexport_dagster.core.formats import open_format
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.manifest import ManifestHead, Mode, RowCounts
from ctexport_dagster.core.schema import ValueType
from ctexport_dagster.resources.local import LocalDisk

PLAN = ColumnPlan(
    (
        OutputColumn("identity", "identity", "identity", ValueType.STRING),
        OutputColumn("all_identities", "all_identities", "all_identities", ValueType.STRINGS),
        OutputColumn("clevertapId", "clevertapId", "clevertapId", ValueType.STRING),
        OutputColumn("clevertapIds", "clevertapIds", "clevertapIds", ValueType.STRINGS),
        OutputColumn("device", "device", "device", ValueType.STRING),
        OutputColumn("preference", "MSG-push", "MSG-push", ValueType.BOOLEAN),
        OutputColumn("groups", "subscriptionGroups", "subscriptionGroups", ValueType.STRING),
        OutputColumn("property", "Phone", "Phone Number", ValueType.STRING),
        OutputColumn("property", "age", "age", ValueType.INTEGER),
        OutputColumn("property", "score", "score", ValueType.FLOAT32),
        OutputColumn("property", "spent", "spent", ValueType.FLOAT64),
        OutputColumn("property", "born", "born", ValueType.DATE),
        OutputColumn("property", "seen", "seen", ValueType.TIMESTAMP),
        OutputColumn("property", "likes", "likes", ValueType.STRINGS),
    )
)
FULL_ROW: reader.Row = {
    "identity": "user_1",
    "all_identities": ("user_1", "a@example.com"),
    "clevertapId": "__g1",
    "clevertapIds": ("__g1", "Ne22k5-x"),
    "device": 'to"ken',
    "MSG-push": False,
    "subscriptionGroups": {"news": "Subscribed", "offers": "Unsubscribed"},
    "Phone Number": '+49 "1",\r\n 📏 <&> \\',
    "age": 2**40,
    "score": 0.10000000149011612,
    "spent": 1e-7,
    "born": date(1999, 12, 31),
    "seen": datetime(2026, 11, 1, 10, 0, 0, 250000, tzinfo=UTC),
    "likes": ("tea", "söba"),
}
SPARSE_ROW: reader.Row = {"identity": "", "all_identities": (), "clevertapId": "__g2", "Phone Number": ""}

FORMATS = [
    Format(type=type_, style=style, as_string=as_string)
    for type_, style, as_string in product(("csv", "json", "xml", "parquet"), ("clevertap", "typed"), (False, True))
]
FORMATS += [Format(type="parquet", wrap="gzip")]


def format_name(declared: Format) -> str:
    return f"{declared.extension} {declared.style}{' as_string' if declared.as_string else ''}"


def frame(rows: Sequence[reader.Row], plan: ColumnPlan = PLAN) -> pl.DataFrame:
    """Rows as the reader gives them, as the resolved frame that the formats take."""

    def cell(column: OutputColumn, row: reader.Row) -> object:
        value = row.get(column.header)
        if isinstance(value, dict):
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        return list(value) if isinstance(value, tuple) else value

    data = {column.key: [cell(column, row) for row in rows] for column in plan.columns}
    return pl.DataFrame(data, schema=plan.frame_schema)


def file_of(declared: Format, rows: Sequence[reader.Row], plan: ColumnPlan = PLAN) -> bytes:
    writer = open_format(declared, plan)
    formatted = [writer.rows(frame(rows, plan))] if rows else []
    groups = [part.row_group for part in formatted if part.row_group is not None]
    plain = writer.head + b"".join(part.content for part in formatted) + writer.tail(groups)
    return plain if declared.extension == "parquet" else gzip.compress(plain, mtime=0)


def deliver_rows(
    home: Path,
    day: int,
    files: Mapping[str, Sequence[reader.Row]],
    *,
    mode: Mode = "full",
    declared: Format = FORMATS[0],
    export: str = "daily",
    plan: ColumnPlan = PLAN,
) -> None:
    """Delivers rows, by file name, as one partition into `home/exports/<partition>/`."""
    start = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=day - 1)
    partition = start.date().isoformat()
    staged = []
    for name, rows in files.items():
        content = file_of(declared, rows, plan)
        path = home / "staging" / f"{export}-{partition}-{name}"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        key = f"{export}/{partition}/{name}.{declared.extension}"
        staged.append(StagedFile(path, key, len(rows), len(content), sha256(content).hexdigest()))
    count = sum(file.rows for file in staged)
    head = ManifestHead(
        export=export,
        export_id=1,
        configuration_version="",
        kind="profiles",
        partition=partition,
        window=Interval(start, start + timedelta(days=1)),
        run_id="",
        mode=mode,
        format=declared.model_dump(mode="json"),
        fingerprint="",
        columns=manifest_columns(plan),
        rows=RowCounts(count, 0, 0, 0, count, 0),
        lake_version=0,
        upstream_runs=(),
    )
    asked = DeliveryRequest(
        record=home / "deliveries" / export / partition,
        attempt="a1",
        head=head,
        files=tuple(staged),
        manifest_key=lambda keys, generation: f"{export}/{partition}/{export}-g{generation}.manifest.json",
        renamed=lambda file, generation: file.key.replace(".", f"-g{generation}.", 1),
        empty_file=file_of(declared, [], plan),
    )
    deliver(asked, LocalDisk(home / "exports"))


def person(identifier: str, phone: str) -> reader.Row:
    return {"identity": identifier, "all_identities": (), "clevertapId": identifier, "Phone Number": phone}


def reading(home: Path) -> reader.Delivery:
    return reader.open_delivery(home / "exports")


# Rows


@pytest.mark.req("B1")
@pytest.mark.parametrize("declared", FORMATS, ids=format_name)
def test_every_format_and_style_gives_the_same_rows(tmp_path: Path, declared: Format) -> None:
    deliver_rows(tmp_path, 1, {"a": [FULL_ROW, SPARSE_ROW], "b": [FULL_ROW]}, declared=declared)
    assert [*reading(tmp_path).partition("2026-11-01").rows()] == [FULL_ROW, SPARSE_ROW, FULL_ROW]


@pytest.mark.parametrize("declared", FORMATS, ids=format_name)
def test_a_file_without_rows_is_read_as_such(tmp_path: Path, declared: Format) -> None:
    deliver_rows(tmp_path, 1, {"a": []}, declared=declared)
    assert [*reading(tmp_path).partition("2026-11-01").rows()] == []


@pytest.mark.parametrize(
    "declared", [Format(type="json"), Format(type="csv"), Format(type="xml"), Format(type="parquet")]
)
def test_a_list_of_identities_stays_a_list(tmp_path: Path, declared: Format) -> None:
    plan = ColumnPlan((OutputColumn("identity", "identity", "identity", ValueType.STRINGS),))
    rows: list[reader.Row] = [{"identity": ("u1", "u2")}, {"identity": ()}]
    deliver_rows(tmp_path, 1, {"a": rows}, declared=declared, plan=plan)
    assert [*reading(tmp_path).partition("2026-11-01").rows()] == rows


# Which manifests count


@pytest.mark.req("B1")
def test_the_newest_generation_of_a_partition_counts(tmp_path: Path) -> None:
    deliver_rows(tmp_path, 1, {"a": [person("p1", "old")], "b": [person("p2", "old")]})
    deliver_rows(tmp_path, 1, {"a": [person("p1", "new")]})
    partition = reading(tmp_path).partition("2026-11-01")
    assert (partition.manifest.generation, [*partition.rows()]) == (2, [person("p1", "new")])


def test_files_that_no_manifest_names_are_not_read(tmp_path: Path) -> None:
    deliver_rows(tmp_path, 1, {"a": [person("p1", "x")]})
    (tmp_path / "exports/daily/2026-11-01/stray.csv.gz").write_bytes(b"stray")
    assert [*reading(tmp_path).partition("2026-11-01").rows()] == [person("p1", "x")]


@pytest.mark.parametrize("below", [".", "daily", "daily/2026-11-01"])
def test_any_folder_on_the_way_can_be_opened(tmp_path: Path, below: str) -> None:
    deliver_rows(tmp_path, 1, {"a": [person("p1", "x")]})
    delivery = reader.open_delivery(tmp_path / "exports" / below)
    assert [*delivery.partition("2026-11-01").rows()] == [person("p1", "x")]


def test_of_several_exports_one_is_named(tmp_path: Path) -> None:
    for export in ("daily", "weekly"):
        deliver_rows(tmp_path, 1, {"a": [person(export, "x")]}, export=export)
    assert reader.open_delivery(tmp_path / "exports", export="weekly").export == "weekly"
    with pytest.raises(DeliveryUnreadable, match="several exports: daily, weekly"):
        reading(tmp_path)


# State


@pytest.mark.req("P26", "B1")
def test_the_state_of_a_day_is_the_last_full_partition_and_the_increments_after_it(tmp_path: Path) -> None:
    deliver_rows(tmp_path, 1, {"a": [person("old", "gone")]})
    deliver_rows(tmp_path, 2, {"a": [person("p1", "1"), person("p2", "1")]})
    deliver_rows(tmp_path, 3, {"a": [person("p2", "2"), person("p3", "2")]}, mode="incremental")
    deliver_rows(tmp_path, 4, {"a": [person("p2", "3")]}, mode="incremental")
    phones = {key: row["Phone Number"] for key, row in reading(tmp_path).state("2026-11-03")}
    assert phones == {"p1": "1", "p2": "2", "p3": "2"}


days = st.lists(
    st.tuples(
        st.sampled_from(["full", "incremental"]),
        st.dictionaries(st.sampled_from("abcd"), st.sampled_from("123"), max_size=4),
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.req("P26", "B1")
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(days=days)
def test_replaying_gives_what_applying_the_days_one_after_the_other_gives(
    tmp_path_factory: pytest.TempPathFactory, days: list[tuple[str, dict[str, str]]]
) -> None:
    home = tmp_path_factory.mktemp("replay")
    expected: dict[str, str] = {}
    for day, (mode, changes) in enumerate(days, start=1):
        is_full = day == 1 or mode == "full"
        rows = [person(key, phone) for key, phone in changes.items()]
        deliver_rows(home, day, {"a": rows[:1], "b": rows[1:]}, mode="full" if is_full else "incremental")
        expected = dict(changes) if is_full else expected | changes
    state = [*reading(home).state(f"2026-11-{len(days):02}")]
    assert {key: row["Phone Number"] for key, row in state} == expected
    assert len(state) == len(expected)


def test_the_state_can_be_keyed_by_another_column(tmp_path: Path) -> None:
    deliver_rows(tmp_path, 1, {"a": [person("p1", "x")]})
    assert [key for key, _ in reading(tmp_path).state("2026-11-01", key="Phone Number")] == ["x"]


# What can't be read


def test_a_folder_without_manifests_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeliveryUnreadable, match="there is no manifest in it"):
        reader.open_delivery(tmp_path)


def test_a_broken_manifest_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "x.manifest.json").write_text("{}")
    with pytest.raises(DeliveryUnreadable, match=r"x\.manifest\.json: not a manifest"):
        reader.open_delivery(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    deliver_rows(tmp_path, 1, {"a": [person("p1", "x")]})
    (tmp_path / "exports/daily/2026-11-01/a.csv.gz").unlink()
    with pytest.raises(DeliveryUnreadable, match=r"daily/2026-11-01/a.csv.gz: missing"):
        next(reading(tmp_path).partition("2026-11-01").rows())


def test_a_file_of_another_size_is_named(tmp_path: Path) -> None:
    deliver_rows(tmp_path, 1, {"a": [person("p1", "x")]})
    (tmp_path / "exports/daily/2026-11-01/a.csv.gz").write_bytes(b"")
    with pytest.raises(DeliveryUnreadable, match=r"daily/2026-11-01/a.csv.gz: size"):
        next(reading(tmp_path).partition("2026-11-01").rows())


@pytest.mark.parametrize("declared", [format_ for format_ in FORMATS if not format_.as_string], ids=format_name)
def test_a_damaged_file_is_named_without_showing_a_value(tmp_path: Path, declared: Format) -> None:
    deliver_rows(tmp_path, 1, {"a": [person("p1", "secret")]}, declared=declared)
    path = tmp_path / f"exports/daily/2026-11-01/a.{declared.extension}"
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(DeliveryUnreadable) as caught:
        list(reading(tmp_path).partition("2026-11-01").rows())
    assert path.name in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("declared", FORMATS[::4], ids=format_name)
def test_a_value_that_contradicts_the_manifest_is_not_shown_in_the_traceback(tmp_path: Path, declared: Format) -> None:
    deliver_rows(tmp_path, 1, {"a": [person("p1", "secret")]}, declared=declared)
    (path,) = (tmp_path / "exports").rglob("*.manifest.json")
    document = json.loads(path.read_text())
    document["schema"]["columns"] = [{**column, "type": "integer"} for column in document["schema"]["columns"]]
    path.write_text(json.dumps(document))
    with pytest.raises(DeliveryUnreadable) as caught:
        list(reading(tmp_path).partition("2026-11-01").rows())
    shown = "".join(traceback.format_exception(caught.value))
    assert ("ValueError" in str(caught.value), "secret" in shown, "invalid literal" in shown) == (True, False, False)


def test_increments_without_a_full_partition_before_them_have_no_state(tmp_path: Path) -> None:
    deliver_rows(tmp_path, 1, {"a": []}, mode="incremental")
    with pytest.raises(DeliveryUnreadable, match="no full partition"):
        list(reading(tmp_path).state("2026-11-01"))


def test_a_gap_between_increments_has_no_state(tmp_path: Path) -> None:
    deliver_rows(tmp_path, 1, {"a": []})
    deliver_rows(tmp_path, 3, {"a": []}, mode="incremental")
    with pytest.raises(DeliveryUnreadable, match="a gap between 2026-11-01 and 2026-11-03"):
        list(reading(tmp_path).state("2026-11-03"))


def test_a_partition_that_was_not_delivered_is_refused(tmp_path: Path) -> None:
    deliver_rows(tmp_path, 1, {"a": []})
    with pytest.raises(DeliveryUnreadable, match="2026-11-09: it has no manifest here"):
        list(reading(tmp_path).state("2026-11-09"))


def test_rows_without_the_key_column_have_no_state(tmp_path: Path) -> None:
    deliver_rows(tmp_path, 1, {"a": [person("p1", "x")]})
    with pytest.raises(DeliveryUnreadable, match="no text in the column 'age'"):
        list(reading(tmp_path).state("2026-11-01", key="age"))


# Verifying


@pytest.mark.req("B3")
@pytest.mark.parametrize("declared", FORMATS, ids=format_name)
def test_a_whole_delivery_is_proven(tmp_path: Path, declared: Format) -> None:
    deliver_rows(tmp_path, 1, {"a": [FULL_ROW, SPARSE_ROW], "b": []}, declared=declared)
    partition = reading(tmp_path).partition("2026-11-01")
    assert reader.verify_delivery(partition.manifest, tmp_path / "exports") == ()


@pytest.mark.req("B3")
def test_every_kind_of_damage_is_found_and_named(tmp_path: Path) -> None:
    deliver_rows(tmp_path, 1, {name: [person(name, "x")] for name in "abcd"})
    folder = tmp_path / "exports/daily/2026-11-01"
    (folder / "a.csv.gz").unlink()
    (folder / "b.csv.gz").write_bytes(b"short")
    damaged = bytearray((folder / "c.csv.gz").read_bytes())
    damaged[-1] ^= 1
    (folder / "c.csv.gz").write_bytes(damaged)
    problems = reading(tmp_path).partition("2026-11-01").verify()
    assert [(problem.kind, problem.key[-8:]) for problem in problems] == [
        ("missing", "a.csv.gz"),
        ("size", "b.csv.gz"),
        ("checksum", "c.csv.gz"),
    ]


@pytest.mark.req("B3")
def test_a_manifest_that_counts_rows_wrongly_is_found(tmp_path: Path) -> None:
    deliver_rows(tmp_path, 1, {"a": [person("p1", "x")]})
    (path,) = (tmp_path / "exports").rglob("*.manifest.json")
    document = json.loads(path.read_text())
    document["files"][0]["rows"] = 7
    path.write_text(json.dumps(document))
    problems = reading(tmp_path).partition("2026-11-01").verify()
    assert [(problem.kind, problem.promised, problem.found) for problem in problems] == [
        ("rows", "7 rows", "1 row"),
        ("rows", "1 row", "7 rows in its files"),
    ]
