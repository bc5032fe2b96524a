"""The assets as Dagster runs them: what they tell, what they never tell, and how they refuse."""

import subprocess
import sys
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
import yaml
from dagster_home import DagsterHome, assets_of, failed
from line_fakes import Given, MemoryDeclaration, RefusingDeclaration, TinyHome, tree

from ctexport_dagster import reader
from ctexport_dagster.assets.failures import may_pass
from ctexport_dagster.cli.serving import LOCATION, WORKSPACE
from ctexport_dagster.core.errors import Busy, DeliveryError
from ctexport_dagster.core.failure import Failure, FailureClass
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.partitions import dagster_key
from ctexport_dagster.resources.local import LocalDestination

CHECKOUT = Path(__file__).parents[1]
DAYS = ("2026-11-18", "2026-11-19", "2026-11-20")
COLUMNS: dict[str, pl.DataType] = {
    "clevertapId": pl.String(),
    "clevertapIds": pl.List(pl.String),
    "identity": pl.String(),
    "deviceToken": pl.String(),
    "subscriptionGroups": pl.String(),
    "Email": pl.String(),
    "Phone": pl.String(),
    "score": pl.Float64(),
}
SECRETS = ("zanzibar", "quokka", "xylophon", "+14155550123", "kumquat", "walrus", "9183746.25")
"""A value of each kind of field; none may ever stand in an event log."""


def profile(number: int, score: float = 9183746.25) -> dict[str, object]:
    return {
        "clevertapId": f"zanzibar{number}",
        "clevertapIds": [f"zanzibar{number}", f"walrus{number}"],
        "identity": f"quokka{number}",
        "deviceToken": f"kumquat{number}",
        "Email": f"xylophon{number}@example.com",
        "Phone": f"+14155550123{number}",
        "score": score,
    }


def day(number: int) -> Given:
    """Ten profiles, of which the first ones change each day, a row without an id, and one that is no number."""
    rows = [profile(n, number if n < number else 9183746.25) for n in range(10)]
    return Given(COLUMNS, (*rows, {**profile(99), "clevertapId": None}, profile(98, float("nan"))))


@pytest.fixture
def home(tiny_home: TinyHome, instance: dg.DagsterInstance) -> DagsterHome:
    """A source of three days and one daily export of it."""
    for number, key in enumerate(DAYS):
        tiny_home.tell(key, day(number))
    line = tiny_home.line("daily", columns={"communication": "all"}, identity={"all_identities": True})
    return DagsterHome(tiny_home, [line], LocalDestination(type="local", name="disk", folder="out"), instance)


def metadata_of(result: dg.ExecuteInProcessResult, asset: str) -> Mapping[str, dg.MetadataValue]:
    (event,) = (e for e in result.get_asset_materialization_events() if e.asset_key == dg.AssetKey(asset.split("/")))
    return event.step_materialization_data.materialization.metadata


@pytest.mark.req("B1")
def test_the_four_assets_of_a_partition_materialize_in_one_run(home: DagsterHome) -> None:
    result = home.everything(DAYS[0])
    assert result.success
    made = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events() if event.asset_key}
    assert made == {"crm/profiles", *assets_of(home.line)}


def test_materializations_tell_counts_window_schema_lineage_and_a_preview(home: DagsterHome) -> None:
    result = home.everything(DAYS[0])
    source = metadata_of(result, "crm/profiles")
    identity = metadata_of(result, "daily/identity_resolved_profiles")
    delivery = metadata_of(result, "daily/delivery")
    window = "[2026-11-18T00:00:00Z, 2026-11-19T00:00:00Z)"
    assert [metadata["window"].value for metadata in (source, identity, delivery)] == [window] * 3
    assert (source["rows source"].value, source["rows quarantined"].value, source["rows logged"].value) == (12, 2, 10)
    assert identity["dagster/partition_row_count"].value == 10
    schema = identity["dagster/column_schema"].value
    assert isinstance(schema, dg.TableSchema)
    assert [column.name for column in schema.columns][:4] == [
        "identity",
        "all_identities",
        "clevertapId",
        "clevertapIds",
    ]
    assert {"dagster/column_lineage", "column lineage", "preview (masked)", "blank values"} <= identity.keys()
    assert {"rows per partition", "seconds"} <= identity.keys() & source.keys()
    sizes = [path.stat().st_size for path in (home.tiny.root / "out").glob("*.json.gz")]
    assert (delivery["files"].value, delivery["bytes"].value) == (len(sizes), sum(sizes))
    assert {"manifest", "delivered files", "generation", "outcome"} <= delivery.keys()


@pytest.mark.req("P16")
def test_a_phone_that_is_not_e164_is_a_warning_and_delivered_as_it_is(home: DagsterHome) -> None:
    home.tiny.tell(DAYS[0], Given(COLUMNS, ({**profile(1), "Phone": "0172 123"},)))
    result = home.everything(DAYS[0])
    (check,) = (c for c in result.get_asset_check_evaluations() if c.check_name == "phones_are_e164")
    assert (check.passed, check.severity, result.success) == (False, dg.AssetCheckSeverity.WARN, True)
    (row,) = reader.open_delivery(home.tiny.root / "out").partition(DAYS[0]).rows()
    assert row["Phone"] == "0172 123"


@pytest.mark.req("B8")
def test_no_value_of_a_profile_ever_stands_in_an_event_log(home: DagsterHome) -> None:
    for partition in DAYS:
        assert home.everything(partition).success
    home.tiny.tell(DAYS[0], day(2))
    assert home.materialize(DAYS[0], "crm/profiles").success
    assert not home.materialize(DAYS[1], *assets_of(home.line)).success
    log = home.event_log()
    assert [value for value in SECRETS if value in log] == []
    assert "dagster/partition_row_count" in log


def test_a_run_over_several_partitions_at_once_is_refused_with_what_to_do_instead(home: DagsterHome) -> None:
    span = {"dagster/asset_partition_range_start": DAYS[0], "dagster/asset_partition_range_end": DAYS[1]}
    failure = failed(home, home.materialize(None, "crm/profiles", tags=span))
    assert "one partition at a time" in failure.said
    assert "ctexport run EXPORT --from K --to K" in failure.said
    assert tree(home.tiny.root) == {}


def test_a_partition_whose_predecessor_is_missing_says_what_to_run_first(home: DagsterHome) -> None:
    failure = failed(home, home.materialize(DAYS[1], "crm/profiles"))
    assert failure.next_step == f"Materialize crm/profiles for {DAYS[0]} first."
    assert not failure.may_be_retried


def test_an_export_whose_source_is_missing_says_what_to_run_first(home: DagsterHome) -> None:
    failure = failed(home, home.materialize(DAYS[0], "daily/identity_resolved_profiles"))
    assert failure.next_step == f"Materialize crm/profiles for {DAYS[0]} first."


def test_a_stage_without_the_one_before_it_says_what_to_run_first(home: DagsterHome) -> None:
    failure = failed(home, home.materialize(DAYS[0], "daily/delivery"))
    assert "Materialize daily/formatted_chunks for 2026-11-18 first" in failure.next_step


@pytest.mark.req("B2")
def test_a_run_again_is_unchanged_and_sends_nothing(home: DagsterHome) -> None:
    home.everything(DAYS[0])
    before = tree(home.tiny.root / "out")
    again = metadata_of(home.everything(DAYS[0]), "daily/delivery")
    assert (again["outcome"].value, again["files sent by this run"].value) == ("unchanged", 0)
    assert tree(home.tiny.root / "out") == before


@pytest.mark.req("P25")
def test_a_partition_is_full_on_demand(home: DagsterHome) -> None:
    home.everything(DAYS[0])
    plain = metadata_of(home.everything(DAYS[1]), "daily/identity_resolved_profiles")
    config = {"ops": {"daily__identity_resolved_profiles": {"config": {"full": True}}}}
    full = metadata_of(home.everything(DAYS[1], config=config), "daily/identity_resolved_profiles")
    assert (plain["mode"].value, plain["dagster/partition_row_count"].value) == ("incremental", 1)
    assert (full["mode"].value, full["dagster/partition_row_count"].value) == ("full", 10)


def refusing(whose: FailureClass) -> RefusingDeclaration:
    failure = Failure(
        whose=whose,
        code="E1",
        happened="the door is shut",
        cause="it is night",
        fix="Knock",
    )
    return RefusingDeclaration(type="local", name="disk", folder="out", failure=failure)


@pytest.mark.req("P37")
@pytest.mark.parametrize("whose", ["customer", "ours"])
def test_a_permanent_failure_is_not_tried_again_and_names_its_fix(home: DagsterHome, whose: FailureClass) -> None:
    shut = DagsterHome(home.tiny, home.lines, refusing(whose), home.instance)
    assert shut.materialize(DAYS[0], "crm/profiles", *assets_of(shut.line)[:2]).success
    failure = failed(shut, shut.materialize(DAYS[0], "daily/delivery"))
    assert (failure.may_be_retried, failure.next_step) == (False, "Knock.")


@pytest.mark.req("A12")
def test_a_transient_failure_and_a_lock_that_is_held_may_be_tried_again() -> None:
    assert may_pass(DeliveryError("Writing a key", refusing("transient").failure))
    assert may_pass(Busy("Starting", "another run is at work", "Wait."))
    assert not may_pass(DeliveryError("Writing a key", refusing("customer").failure))


def test_a_failed_delivery_leaves_no_manifest_and_is_completed_by_the_next_run(home: DagsterHome) -> None:
    shut = DagsterHome(home.tiny, home.lines, refusing("ours"), home.instance)
    assert not shut.everything(DAYS[0]).success
    assert not (home.tiny.root / "out").exists()
    assert home.materialize(DAYS[0], "daily/delivery").success
    assert len([*reader.open_delivery(home.tiny.root / "out").partition(DAYS[0]).rows()]) == 10


@pytest.mark.req("P24", "P26")
def test_a_daily_export_stands_on_all_windows_of_a_12_hourly_source(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    declaration = MemoryDeclaration(
        name="crm", every=12, timezone="America/New_York", start=date(2026, 10, 31), max_deleted=1
    )
    tiny = TinyHome(tmp_path, declaration)
    line = tiny.line("daily", schedule={"every": 24})
    home = DagsterHome(tiny, [line], LocalDestination(type="local", name="disk", folder="out"), instance)
    days = [line.cadence.window_of(key) for key in ("2026-10-31", "2026-11-01")]
    tiles = [tile for window in days for tile in declaration.cadence.tiles(window) or ()]
    for number, tile in enumerate(tiles):
        tiny.tell(declaration.cadence.key_of(tile), day(number))
        assert home.materialize(dagster_key(declaration.cadence, tile), "crm/profiles").success
    for window in days:
        assert home.materialize(dagster_key(line.cadence, window), *assets_of(line)).success
    delivered = reader.open_delivery(tmp_path / "out")
    assert [len([*partition.rows()]) for partition in delivered.partitions] == [10, 3]
    assert [partition.manifest.window for partition in delivered.partitions] == days
    assert hours_in(days[1]) == 25


def hours_in(window: Interval) -> float:
    return (window.end - window.start).total_seconds() / 3600


@pytest.mark.req("P25")
def test_an_export_that_starts_after_its_source_begins_with_everything(home: DagsterHome) -> None:
    line = home.tiny.line("late", schedule={"start": DAYS[1]}, files={"name": "late"})
    late = DagsterHome(home.tiny, [line], home.destination, home.instance)
    for partition in DAYS:
        assert late.materialize(partition, "crm/profiles").success
    for partition in DAYS[1:]:
        assert late.materialize(partition, *assets_of(line)).success
    delivered = reader.open_delivery(home.tiny.root / "out")
    assert [(p.key, p.manifest.mode, p.manifest.rows.exported) for p in delivered.partitions] == [
        (DAYS[1], "full", 10),
        (DAYS[2], "incremental", 2),
    ]


def test_everything_that_names_the_code_location_gives_it_one_name() -> None:
    shipped = yaml.safe_load((CHECKOUT / "workspace.yaml").read_text())
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["dg"]["project"]
    (module,) = (entry["python_module"] for entry in shipped["load_from"])
    assert shipped == yaml.safe_load(WORKSPACE)
    assert {module["location_name"], project["code_location_name"], LOCATION} == {"ctexport_dagster"}
    assert {module["module_name"], project["code_location_target_module"]} == {"ctexport_dagster.definitions"}


def test_the_definitions_of_the_checkout_load_with_every_declared_export(
    tmp_path: Path, child_environment: Mapping[str, str]
) -> None:
    code = (
        "from ctexport_dagster.definitions import defs\n"
        "graph = defs.resolve_asset_graph()\n"
        "print(*sorted(key.to_user_string() for key in graph.get_all_asset_keys()))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**child_environment, "CTEXPORT_HOME": str(CHECKOUT), "CTEXPORT_STATE": str(tmp_path / "state")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    exports = sorted(path.stem for path in (CHECKOUT / "assets").glob("*.yaml"))
    delivered = [key.split("/")[0] for key in told.stdout.split() if key.endswith("/delivery")]
    assert delivered == exports
    assert tree(tmp_path) == {}
