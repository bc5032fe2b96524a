"""Flows of datasets from the lake to delivered files: everything first, then what was added, each row once."""

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from dataset_home import DatasetHome, numbered
from hypothesis import given, settings
from hypothesis import strategies as st
from line_fakes import tree

from ctexport_dagster.core.errors import ConfigurationError, DeliveryUnreadable, PartitionMissing, StagingMissing
from ctexport_dagster.core.manifest import Manifest, RowCounts
from ctexport_dagster.reader import open_delivery
from ctexport_dagster.stages.dataset_chunks import stage_dataset_chunks
from ctexport_dagster.stages.dataset_preview import preview_datasets

DAYS = ("2026-11-01", "2026-11-02", "2026-11-03", "2026-11-04")
FULL = {"mode": "full"}


def told(root: Path, **declared: dict[str, object]) -> DatasetHome:
    """A home whose dataset `orders` gained ten rows on each of three days."""
    home = DatasetHome.at(root, **{"orders": {}, **declared})
    for number, day in enumerate(DAYS[:3]):
        home.take_in("orders", day, numbered(10 * number, 10 * number + 10))
    return home


def instants(*days_ago: int | None) -> pl.DataFrame:
    """Rows as old as this at the end of the first partition."""
    end = datetime(2026, 11, 2, tzinfo=UTC)
    at = [None if days is None else end - timedelta(days=days) for days in days_ago]
    return pl.DataFrame(
        {"number": range(len(at)), "at": at}, schema={"number": pl.Int64(), "at": pl.Datetime("us", "UTC")}
    )


@pytest.mark.req("S12", "A3", "B1")
def test_the_first_partition_carries_everything_and_later_ones_what_was_added(tmp_path: Path) -> None:
    home = told(tmp_path)
    line = home.line("orders", schedule={"start": DAYS[1]})
    modes = [home.run(line, day)["orders"].manifest.mode for day in DAYS[1:3]]
    assert modes == ["full", "incremental"]
    assert home.numbers(line, "orders", DAYS[1]) == list(range(20))
    assert home.numbers(line, "orders", DAYS[2]) == list(range(20, 30))


@pytest.mark.req("A3")
def test_in_mode_full_every_partition_carries_everything(tmp_path: Path) -> None:
    home = told(tmp_path)
    line = home.line("orders", schedule=FULL)
    assert [home.run(line, day)["orders"].manifest.rows.exported for day in DAYS[:3]] == [10, 20, 30]


@pytest.mark.req("A3")
def test_a_one_time_flow_carries_everything_up_to_its_day(tmp_path: Path) -> None:
    home = told(tmp_path)
    line = home.line("orders", schedule={"every": "once", "start": DAYS[2]})
    assert home.run(line, DAYS[2])["orders"].manifest.rows.exported == 30


@pytest.mark.req("A1", "A3")
def test_of_a_table_that_is_given_whole_the_last_state_goes_out(tmp_path: Path) -> None:
    home = DatasetHome.at(tmp_path, products={"holds": "all"})
    home.take_in("products", DAYS[0], numbered(0, 3))
    home.take_in("products", DAYS[1], numbered(1, 5))
    line = home.line("products", schedule=FULL)
    home.run(line, DAYS[1])
    assert home.numbers(line, "products", DAYS[1]) == [1, 2, 3, 4]


@pytest.mark.req("A1", "A7", "B1", "P32")
@pytest.mark.parametrize("format_", ["csv", "json", "xml", "parquet", {"type": "parquet", "compression": "gzip"}])
def test_a_table_goes_out_as_it_is_and_is_proven_in_every_format(tmp_path: Path, format_: object) -> None:
    home = DatasetHome.at(tmp_path, orders={})
    rows = pl.DataFrame(
        {
            "id": [2**60, 2],
            "amount": [Decimal("12.30"), Decimal("-0.01")],
            "at": [datetime(2026, 11, 1, 12, tzinfo=UTC), None],
            "items": [[{"sku": "a", "qty": 1}], []],
            "note": ['नमस्ते, "you"', ""],
        },
        schema_overrides={"amount": pl.Decimal(10, 2), "at": pl.Datetime("us", "UTC")},
    )
    home.take_in("orders", DAYS[0], rows)
    line = home.line("orders", format=format_)
    manifest = home.run(line, DAYS[0])["orders"].manifest
    delivered = home.delivered(line, "orders", DAYS[0])
    assert (manifest.kind, manifest.dataset, manifest.rows) == ("datasets", "orders", RowCounts(2, 0, 0, 0, 2, 0))
    assert [column.name for column in manifest.columns] == rows.columns
    assert delivered.verify() == ()
    first, second = delivered.records()
    assert (first["id"], first["amount"], first["note"]) == (2**60, Decimal("12.30"), 'नमस्ते, "you"')
    assert (second["amount"], "at" in second) == (Decimal("-0.01"), False)


@pytest.mark.req("A13", "B2")
def test_a_second_run_sends_nothing_and_a_changed_dataset_alone_is_sent_anew(tmp_path: Path) -> None:
    home = told(tmp_path, carts={})
    home.take_in("carts", DAYS[0], numbered(0, 3))
    line = home.line("orders", "carts")
    home.run(line, DAYS[0])
    assert {name: one.status for name, one in home.run(line, DAYS[0]).items()} == {
        "orders": "unchanged",
        "carts": "unchanged",
    }
    home.take_in("carts", DAYS[0], numbered(0, 4))
    again = home.run(line, DAYS[0])
    assert (again["orders"].status, again["carts"].status) == ("unchanged", "delivered")
    assert again["carts"].manifest.generation == 2


@pytest.mark.req("A2", "A6", "B1")
def test_each_dataset_has_files_and_a_manifest_of_its_own(tmp_path: Path) -> None:
    home = told(tmp_path, carts={"id": "c-1"})
    home.take_in("carts", DAYS[0], numbered(0, 3))
    line = home.line("orders", "carts", export_id=7)
    home.run(line, DAYS[0])
    assert sorted(tree(tmp_path / "exports")) == [
        "flow/1-7-1793577600-carts-0.json.gz",
        "flow/1-7-1793577600-orders-0.json.gz",
        "flow/flow-carts-2026-11-01-g1.manifest.json",
        "flow/flow-orders-2026-11-01-g1.manifest.json",
    ]


@pytest.mark.req("A6", "A7", "A8")
@pytest.mark.parametrize(
    ("format_", "extension"),
    [
        ("json", "json.gz"),
        ("parquet", "parquet"),
        ({"type": "parquet", "compression": "gzip"}, "gz.parquet"),
    ],
)
def test_adobes_style_names_folders_files_and_manifest_keys_as_adobe_does(
    tmp_path: Path, format_: object, extension: str
) -> None:
    home = told(tmp_path, carts={"id": "c-1"})
    home.take_in("carts", DAYS[0], numbered(0, 3))
    line = home.line("orders", "carts", format=format_, files={"name": "adobe"}, max_age_days="none")
    outcome = home.run(line, DAYS[0])["carts"]
    (key,) = (file.key for file in outcome.manifest.files)
    folder, _, name = key.rpartition("/")
    assert folder == "c-1/exportTime=202611020000"
    assert name.startswith("part-00000-")
    assert name.split(".", 1) == [f"part-00000-{name[11:43]}", extension]
    document = json.loads((tmp_path / "exports/flow" / outcome.manifest_key).read_text())
    assert document["flowRunId"] == "run"
    assert document["scheduledTime"] == "2026-11-02T00:00:00Z"
    assert document["exportResults"] == [{"sinkPath": folder, "name": name, "size": outcome.manifest.bytes}]
    assert Manifest.from_json(json.dumps(document)) == outcome.manifest


@pytest.mark.req("A6")
def test_in_one_folder_adobes_names_are_unique_across_datasets_partitions_and_chunks(tmp_path: Path) -> None:
    home = told(tmp_path, carts={})
    for day in DAYS[:2]:
        home.take_in("carts", day, numbered(0, 2000))
    files = {"name": "adobe", "folder": "/", "chunk_size": "2 KB"}
    line = home.line("orders", "carts", format="csv", files=files)
    keys = [file.key for day in DAYS[:2] for one in home.run(line, day).values() for file in one.manifest.files]
    assert len(keys) > 4
    assert len(set(keys)) == len(keys)
    assert not any("/" in key for key in keys)


@pytest.mark.req("A9", "B1")
def test_rows_older_than_a_year_are_left_out_of_adobes_style_and_told_apart(tmp_path: Path) -> None:
    home = DatasetHome.at(tmp_path, orders={"timestamp": "at"})
    home.take_in("orders", DAYS[0], instants(0, 364, 365, 366, None))
    line = home.line("orders", files={"name": "adobe"})
    manifest = home.run(line, DAYS[0])["orders"].manifest
    assert home.numbers(line, "orders", DAYS[0]) == [0, 1, 2, 4]
    assert (manifest.rows, manifest.too_old) == (RowCounts(4, 0, 0, 0, 4, 0), 1)
    text = (
        tmp_path / "exports/flow/orders/exportTime=202611020000/flow-orders-2026-11-01-g1.manifest.json"
    ).read_text()
    assert json.loads(text)["rows"]["too_old"] == 1


@pytest.mark.req("A9")
@pytest.mark.parametrize(("max_age_days", "sent"), [(None, 3), ("none", 3), (1, 2), (400, 2), (401, 3)])
def test_elsewhere_rows_are_left_out_by_age_only_where_that_is_declared(
    tmp_path: Path, max_age_days: object, sent: int
) -> None:
    home = DatasetHome.at(tmp_path, orders={"cursor": None, "timestamp": "at"})
    home.take_in("orders", DAYS[0], instants(0, 1, 401) if max_age_days != 1 else instants(0, 1, 2))
    line = home.line("orders", max_age_days=max_age_days)
    assert home.run(line, DAYS[0])["orders"].manifest.rows.exported == sent


@pytest.mark.req("A9")
def test_a_dataset_without_instants_loses_nothing_in_adobes_style_and_the_plan_says_so(tmp_path: Path) -> None:
    home = told(tmp_path)
    line = home.line("orders", files={"name": "adobe"})
    (warning,) = preview_datasets(line, home.source.source, DAYS[0], rows=1).warnings
    assert warning.startswith("orders has no timestamp")
    assert home.run(line, DAYS[0])["orders"].manifest.rows.exported == 10


@pytest.mark.req("A9")
def test_an_age_that_no_column_tells_stops_the_run_before_anything_is_staged(tmp_path: Path) -> None:
    home = DatasetHome.at(tmp_path, orders={"timestamp": "note"})
    home.take_in("orders", DAYS[0], numbered(0, 3))
    with pytest.raises(
        ConfigurationError, match="note, declared as its timestamp, holds no instants; declare its type under `types:`"
    ):
        home.run(home.line("orders", max_age_days=30), DAYS[0])


@pytest.mark.req("A10", "S12")
def test_a_dataset_that_is_added_begins_with_everything_and_older_partitions_stay_as_they_are(tmp_path: Path) -> None:
    home = told(tmp_path, carts={})
    for number, day in enumerate(DAYS[:3]):
        home.take_in("carts", day, numbered(number, number + 1))
    home.run(home.line("orders"), DAYS[0])
    both = home.line("orders", "carts")
    assert list(home.run(both, DAYS[0])) == ["orders"]
    modes = {name: one.manifest.mode for name, one in home.run(both, DAYS[1]).items()}
    assert modes == {"orders": "incremental", "carts": "full"}
    assert home.numbers(both, "carts", DAYS[1]) == [0, 1]
    home.run(both, DAYS[2])
    assert home.numbers(both, "carts", DAYS[2]) == [2]


@pytest.mark.req("A10")
def test_a_dataset_that_is_removed_is_gone_at_once_and_one_that_comes_back_begins_anew(tmp_path: Path) -> None:
    home = told(tmp_path, carts={})
    for number, day in enumerate(DAYS[:3]):
        home.take_in("carts", day, numbered(number, number + 1))
    both, one = home.line("orders", "carts"), home.line("orders")
    home.run(both, DAYS[0])
    assert list(home.run(one, DAYS[1])) == ["orders"]
    assert home.run(both, DAYS[2])["carts"].manifest.mode == "full"
    assert home.numbers(both, "carts", DAYS[2]) == [0, 1, 2]


@pytest.mark.req("P25", "S8")
def test_an_edit_of_the_format_makes_the_next_partition_full_unless_that_is_declined(tmp_path: Path) -> None:
    for on_edit, expected in (("full", "full"), ("increment", "incremental")):
        home = told(tmp_path / on_edit)
        home.run(home.line("orders"), DAYS[0])
        edited = home.line("orders", format="csv", on_edit=on_edit)
        assert home.run(edited, DAYS[1])["orders"].manifest.mode == expected
        assert home.run(edited, DAYS[2])["orders"].manifest.mode == "incremental"


@pytest.mark.req("A3")
def test_a_full_run_may_be_asked_for(tmp_path: Path) -> None:
    home = told(tmp_path)
    line = home.line("orders")
    for day in DAYS[:2]:
        home.run(line, day)
    assert home.run(line, DAYS[2], wants_full=True)["orders"].manifest.mode == "full"
    assert home.numbers(line, "orders", DAYS[2]) == list(range(30))


@pytest.mark.req("B1")
def test_an_empty_day_has_a_manifest_and_a_file_only_where_one_is_wanted(tmp_path: Path) -> None:
    for empty, files in (("none", 0), ("header", 1)):
        home = told(tmp_path / empty)
        home.take_in("orders", DAYS[3], numbered(0, 0))
        line = home.line("orders", format="csv", files={"empty": empty})
        manifest = home.run(line, DAYS[3])["orders"].manifest
        assert (manifest.rows.exported, len(manifest.files)) == (0, files)
        assert home.delivered(line, "orders", DAYS[3]).verify() == ()


@pytest.mark.req("B1", "B6")
def test_rows_that_the_lake_refused_are_counted_and_the_others_go_out(tmp_path: Path) -> None:
    home = DatasetHome.at(tmp_path, orders={"cursor": "at"})
    home.take_in("orders", DAYS[0], instants(0, None, 3))
    manifest = home.run(home.line("orders"), DAYS[0])["orders"].manifest
    assert (manifest.rows, manifest.rows.adds_up) == (RowCounts(3, 0, 0, 1, 2, 0), True)


@pytest.mark.req("B1", "A2")
def test_a_partition_is_delivered_once_all_of_its_datasets_are(tmp_path: Path) -> None:
    home = told(tmp_path, carts={})
    home.take_in("carts", DAYS[0], numbered(0, 3))
    line = home.line("orders", "carts")
    window = line.window(DAYS[0])
    stage_dataset_chunks(line, DAYS[0], run_id="run")
    (tmp_path / "exports/flow").mkdir(parents=True)
    blocked = tmp_path / "exports/flow" / f"1-{line.export.effective_export_id}-1793577600-carts-0.json.gz"
    blocked.write_bytes(b"somebody else's")
    with pytest.raises(Exception, match="carts"):
        home.deliver(line, DAYS[0])
    assert (line.is_delivered(window), (line.record(DAYS[0]) / "orders/manifest-g1.json").exists()) == (False, True)
    blocked.unlink()
    outcomes = home.deliver(line, DAYS[0])
    assert (outcomes["orders"].status, line.is_delivered(window)) == ("unchanged", True)
    receipt = Manifest.from_json((line.record(DAYS[0]) / "manifest-g1.json").read_text())
    assert (receipt.rows.exported, len(receipt.files), receipt.dataset) == (13, 2, None)


@pytest.mark.req("B1")
def test_the_receipt_follows_what_is_delivered_anew(tmp_path: Path) -> None:
    home = told(tmp_path)
    line = home.line("orders")
    home.run(line, DAYS[0])
    home.run(line, DAYS[0])
    home.take_in("orders", DAYS[0], numbered(0, 4))
    home.run(line, DAYS[0])
    assert sorted(path.name for path in line.record(DAYS[0]).glob("*.json")) == ["manifest-g1.json", "manifest-g2.json"]


def test_a_partition_that_isnt_in_the_lake_is_named_and_nothing_is_noted(tmp_path: Path) -> None:
    home = told(tmp_path)
    line = home.line("orders")
    with pytest.raises(PartitionMissing, match=r"shop/orders for 2026-11-04"):
        home.run(line, DAYS[3])
    assert line.versions().newest is None


def test_delivery_without_staged_chunks_says_what_to_run(tmp_path: Path) -> None:
    home = told(tmp_path)
    with pytest.raises(StagingMissing, match=r"flow/formatted_chunks staged for 2026-11-01 of orders"):
        home.deliver(home.line("orders"), DAYS[0])


@pytest.mark.req("S8")
def test_chunks_of_another_format_than_declared_now_are_not_delivered(tmp_path: Path) -> None:
    home = told(tmp_path)
    stage_dataset_chunks(home.line("orders"), DAYS[0], run_id="run")
    with pytest.raises(StagingMissing, match="edited since"):
        home.deliver(home.line("orders", format="csv"), DAYS[0])


def test_of_two_datasets_the_reader_wants_to_know_which(tmp_path: Path) -> None:
    home = told(tmp_path, carts={})
    home.take_in("carts", DAYS[0], numbered(0, 3))
    home.run(home.line("orders", "carts"), DAYS[0])
    with pytest.raises(DeliveryUnreadable, match="several datasets: carts, orders"):
        open_delivery(tmp_path / "exports")


def test_only_what_is_needed_counts_as_missing(tmp_path: Path) -> None:
    home = told(tmp_path, products={"holds": "all"})
    tiles = list(home.source.cadence.windows(until=home.source.cadence.window_of(DAYS[3]).end))
    incremental = home.line("orders")
    assert [home.source.cadence.key_of(tile) for tile in incremental.unready(tiles)] == [DAYS[3]]
    once = home.line("products", schedule={"every": "once", "start": DAYS[2]})
    assert [home.source.cadence.key_of(tile) for tile in once.unready(tiles)] == [DAYS[2]]


daily = st.lists(st.integers(0, 4), min_size=4, max_size=4)
flows = st.lists(st.sets(st.sampled_from(["a", "b"]), min_size=1), min_size=4, max_size=4)
shuffles = st.permutations(range(4))


@pytest.mark.req("A3", "A10", "B1", "S12")
@settings(max_examples=8)
@given(daily, daily, flows, st.lists(st.booleans(), min_size=4, max_size=4))
def test_what_was_delivered_since_the_last_full_partition_is_the_table_each_row_once(
    a: Sequence[int], b: Sequence[int], flow: Sequence[set[str]], fulls: Sequence[bool]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = DatasetHome.at(Path(folder), a={}, b={})
        so_far = {"a": 0, "b": 0}
        for day, added_a, added_b, chosen, full in zip(DAYS, a, b, flow, fulls, strict=True):
            for name, added in (("a", added_a), ("b", added_b)):
                home.take_in(name, day, numbered(so_far[name], so_far[name] + added))
                so_far[name] += added
            line = home.line(*sorted(chosen))
            outcomes = home.run(line, day, wants_full=full)
            assert set(outcomes) == chosen
            for name in chosen:
                table = open_delivery(Path(folder) / "exports", dataset=name).table(day)
                assert Counter(row["number"] for row in table) == Counter(range(so_far[name]))


@pytest.mark.req("A3", "B2")
@settings(max_examples=3)
@given(daily, shuffles)
def test_the_order_in_which_partitions_run_changes_no_byte(added: Sequence[int], order: Sequence[int]) -> None:
    found = []
    for sequence in (range(4), order):
        with tempfile.TemporaryDirectory() as folder:
            home, count = DatasetHome.at(Path(folder), orders={}), 0
            for day, more in zip(DAYS, added, strict=True):
                home.take_in("orders", day, numbered(count, count + more))
                count += more
            for number in sequence:
                home.run(home.line("orders"), DAYS[number])
            found.append(tree(Path(folder) / "exports"))
    assert found[0] == found[1]


@pytest.mark.req("A3", "B1")
@pytest.mark.parametrize(("before", "after"), [("added", "all"), ("all", "added")])
def test_rows_of_partitions_that_held_something_else_are_never_put_together(
    tmp_path: Path, before: str, after: str
) -> None:
    """Whole tables one after the other would double their rows; what was added would pass for the whole table."""
    home = DatasetHome.at(tmp_path, orders={"holds": before})
    for day in DAYS[:2]:
        home.take_in("orders", day, numbered(0, 3))
    edited = DatasetHome(tmp_path, DatasetHome.at(tmp_path, orders={"holds": after}).source)
    line = edited.line("orders", schedule=FULL)
    assert line.unready(list(line.source.cadence.windows(until=line.window(DAYS[1]).end)))
    with pytest.raises(PartitionMissing, match=rf"`holds: {before}`, while `holds: {after}`.*{DAYS[1]} again"):
        edited.run(line, DAYS[1])
    edited.take_in("orders", DAYS[0], numbered(0, 3))
    edited.take_in("orders", DAYS[1], numbered(3, 5))
    edited.run(line, DAYS[1])
    assert edited.numbers(line, "orders", DAYS[1]) == ([3, 4] if after == "all" else [0, 1, 2, 3, 4])


@pytest.mark.req("A9")
@pytest.mark.parametrize(
    ("declared", "why"),
    [
        ({}, "no column is declared as its timestamp; declare `timestamp:`"),
        ({"timestamp": "att"}, "att, declared as its timestamp, is none of its columns; mend `timestamp:`"),
        ({"timestamp": "note"}, "note, declared as its timestamp, holds no instants; declare its type under `types:`"),
        (
            {"timestamp": "number"},
            "number, declared as its timestamp, holds no instants; declare another one as `timestamp:`",
        ),
    ],
)
def test_a_warning_of_rows_without_an_age_says_which_column_doesnt_tell_it(
    tmp_path: Path, declared: dict[str, object], why: str
) -> None:
    home = DatasetHome.at(tmp_path, orders=declared)
    home.take_in("orders", DAYS[0], numbered(0, 3))
    line = home.line("orders", files={"name": "adobe"})
    (warning,) = preview_datasets(line, home.source.source, DAYS[0], rows=1).warnings
    assert warning == f"orders has no timestamp, so that none of its rows counts as older than 365 days: {why}"
