"""The asset of a source's events, through Dagster."""

from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from ctexport_dagster.assets.events import events_asset, events_key
from ctexport_dagster.assets.workshop import Workshop
from ctexport_dagster.core.errors import SourceMissing
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.demo.source import DemoSource
from ctexport_dagster.stages.events import ingest_event_partition
from ctexport_dagster.state import StateFolders

DAY = "2026-11-19"
SOURCE = DemoSource(name="demo", start=date(2026, 11, 18), profiles=100, daily_events=50)


def materialized(state: Path) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [events_asset(SOURCE, Workshop(StateFolders(state)))],
        partition_key=DAY,
        resources={"demo": SOURCE.open(Surroundings(state))},
    )


def test_a_materialization_tells_its_counts_and_its_names(tmp_path: Path) -> None:
    result = materialized(tmp_path)
    [told] = result.asset_materializations_for_node("demo__events")
    assert told.asset_key == events_key("demo")
    assert told.metadata["dagster/partition_row_count"].value == 50
    assert told.metadata["rows quarantined"].value == 1
    names = told.metadata["events by name"]
    assert isinstance(names, dg.TableMetadataValue)
    assert sum(int(record.data["rows"] or 0) for record in names.records) == 50
    assert {check.check_name: check.passed for check in result.get_asset_check_evaluations()} == {
        "every_row_is_accounted_for": True,
        "every_row_is_usable": False,
        "volume_is_usual": True,
    }


def test_a_second_materialization_writes_nothing(tmp_path: Path) -> None:
    first, second = materialized(tmp_path), materialized(tmp_path)
    told = [result.asset_materializations_for_node("demo__events")[0] for result in (first, second)]
    assert [one.metadata["was new"].value for one in told] == [True, False]
    assert len({(one.tags or {})["dagster/data_version"] for one in told}) == 1


def test_a_source_of_profiles_alone_has_no_events(tmp_path: Path) -> None:
    with pytest.raises(SourceMissing, match="source of profiles alone"):
        ingest_event_partition(SOURCE, object(), DAY, folders=StateFolders(tmp_path), run_id="r")
