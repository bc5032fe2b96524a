"""Flows of datasets as Dagster runs them: assets, checks, what they tell, and what the sensors launch."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from clockwork import Clockwork, SetClock
from dagster_home import DagsterHome, failed
from dataset_home import DatasetHome, numbered
from line_fakes import tree

from ctexport_dagster.dataset_line import DatasetLine
from ctexport_dagster.reader import open_delivery
from ctexport_dagster.resources.local import LocalDestination

DAYS = ("2026-11-01", "2026-11-02", "2026-11-03")
LATER = datetime(2100, 1, 1, tzinfo=UTC)
"""Long after everything that tests do, so that no run is too young to be followed by another."""
FOLDER = LocalDestination(type="local", name="disk", folder="exports/flow")
BOTH = ("shop/orders", "shop/carts", "flow/formatted_chunks", "flow/delivery")


def told(root: Path) -> DatasetHome:
    """A home of two datasets that gain ten rows and one a day, for three days."""
    home = DatasetHome.at(root, end="2026-11-04", orders={}, carts={"id": "c-1"})
    for number, day in enumerate(DAYS):
        home.tell("orders", day, numbered(10 * number, 10 * number + 10))
        home.tell("carts", day, numbered(number, number + 1).with_columns(pl.lit("walrus").alias("secret")))
    return home


def on_dagster(
    home: DatasetHome, instance: dg.DagsterInstance, *lines: DatasetLine, now: datetime = LATER
) -> DagsterHome:
    return DagsterHome(home, lines, FOLDER, instance, SetClock(now))  # pyright: ignore[reportArgumentType]


def both(home: DatasetHome, **declared: object) -> DatasetLine:
    return home.line("orders", "carts", **declared)


@pytest.mark.req("A1", "A2", "B1")
def test_one_run_takes_the_tables_in_formats_and_delivers_them_and_tells_no_value(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    home = told(tmp_path)
    dagster = on_dagster(home, instance, both(home), now=datetime(2026, 11, 2, tzinfo=UTC))
    result = dagster.materialize(DAYS[0], *BOTH)
    assert result.success
    assert {check.check_name for check in result.get_asset_check_evaluations() if not check.passed} == set()
    [chunks] = result.asset_materializations_for_node("flow__formatted_chunks")
    [delivery] = result.asset_materializations_for_node("flow__delivery")
    assert chunks.metadata["rows quarantined"].value == 0
    table = chunks.metadata["datasets"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [(r.data["dataset"], r.data["mode"], r.data["rows"]) for r in table.records] == [
        ("orders", "full", 10),
        ("carts", "full", 1),
    ]
    assert {"columns of orders", "columns of carts"} <= set(chunks.metadata)
    assert str(delivery.metadata["manifest of carts"].value).endswith("flow-carts-2026-11-01-g1.manifest.json")
    assert delivery.metadata["dagster/partition_row_count"].value == 11
    assert "walrus" not in dagster.event_log()


@pytest.mark.req("S2", "A2", "S12")
def test_the_sensor_brings_a_flow_that_is_behind_up_to_date_oldest_first(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    home = told(tmp_path)
    works = Clockwork(on_dagster(home, instance, both(home)))
    assert works.run_until_quiet() == [f"flow {day} 0" for day in DAYS]
    rows = [row["number"] for row in open_delivery(tmp_path / "exports", dataset="orders").table(DAYS[2])]
    assert rows == list(range(30))
    assert works.waits() == "everything that is due is delivered"


@pytest.mark.req("A10", "S12")
def test_a_dataset_that_is_added_waits_for_its_own_past_alone(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    home = told(tmp_path)
    before = on_dagster(home, instance, home.line("orders"))
    for day in DAYS[:2]:
        assert before.materialize(day, "shop/orders", "flow/formatted_chunks", "flow/delivery").success
    works = Clockwork(on_dagster(home, instance, both(home)))
    works.run_until_quiet()
    delivered = open_delivery(tmp_path / "exports", dataset="carts")
    assert [(one.key, one.manifest.mode) for one in delivered.partitions] == [(DAYS[2], "full")]
    assert [row["number"] for row in delivered.table(DAYS[2])] == [0, 1, 2]


@pytest.mark.req("A12", "S2")
def test_a_table_that_is_missing_is_named_and_the_flow_goes_on_once_it_is_there(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    home = told(tmp_path)
    missing = home.source.source.tables.pop(("carts", DAYS[0]))
    dagster = on_dagster(home, instance, both(home))
    run = failed(dagster, dagster.materialize(DAYS[0], *BOTH))
    assert "carts of 2026-11-01" in run.said
    assert tree(tmp_path / "exports") == {}
    home.tell("carts", DAYS[0], missing)
    assert dagster.materialize(DAYS[0], *BOTH).success


@pytest.mark.req("A3")
def test_a_full_run_is_asked_for_by_the_first_assets_config(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    home = told(tmp_path)
    line = both(home)
    dagster = on_dagster(home, instance, line)
    for day in DAYS[:2]:
        assert dagster.materialize(day, *BOTH).success
    config = {"ops": {"flow__formatted_chunks": {"config": {"full": True}}}}
    assert dagster.materialize(DAYS[1], "flow/formatted_chunks", "flow/delivery", config=config).success
    assert home.delivered(line, "orders", DAYS[1]).manifest.mode == "full"


@pytest.mark.req("S8")
def test_a_flow_that_became_an_export_of_another_kind_is_disabled(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    home = told(tmp_path)
    line = both(home)
    assert on_dagster(home, instance, line).materialize(DAYS[0], *BOTH).success
    declared = home.folders.declared(line.name)
    declared.write_text(json.dumps({**json.loads(declared.read_text()), "kind": "events"}))
    assert line.refusal == "its kind was events and can't become datasets; undo the edit, and declare a new export"


def test_the_seven_newest_whole_tables_are_kept_and_a_flow_far_behind_takes_older_ones_in_again(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    home = DatasetHome.at(tmp_path, end="2026-11-10", products={"holds": "all"})
    days = [f"2026-11-{number:02}" for number in range(1, 10)]
    for number, day in enumerate(days):
        home.take_in("products", day, numbered(number, number + 2))
    home.folders.dataset_lake("shop", "products").sweep(min_age_hours=0)
    line = home.line("products", schedule={"mode": "full"})
    tiles = list(home.source.cadence.windows(until=datetime(2026, 11, 10, tzinfo=UTC)))
    assert [home.source.cadence.key_of(tile) for tile in line.unready(tiles)] == days[:2]
    Clockwork(on_dagster(home, instance, line)).run_until_quiet()
    assert home.numbers(line, "products", days[0]) == [0, 1]
    assert line.undelivered(datetime(2026, 11, 10, tzinfo=UTC)) == []


@pytest.mark.req("A3")
def test_rows_that_one_flow_allows_to_be_late_are_not_taken_in_early_for_another(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    home = told(tmp_path)
    patient = home.line("orders", name="patient", allowed_lateness="2h", files={"name": "patient"})
    hasty = home.line("orders", name="hasty", files={"name": "hasty"})
    end = home.source.cadence.window_of(DAYS[0]).end

    def launched(after: timedelta) -> list[str]:
        return Clockwork(on_dagster(home, instance, hasty, patient, now=end + after)).run_until_quiet()

    assert launched(timedelta(hours=1, minutes=59)) == []
    home.tell("orders", DAYS[0], numbered(0, 12))
    assert launched(timedelta(hours=2)) != []
    for flow in (patient, hasty):
        assert flow.is_delivered(flow.window(DAYS[0]))
        delivered = open_delivery(home.root / "exports" / "flow", export=flow.name, dataset="orders").partition(DAYS[0])
        assert [row["number"] for row in delivered.records()] == list(range(12))
