"""The pools that keep runs of one export apart: each has its limit before any run is queued."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from clockwork import Clockwork
from dagster_home import DagsterHome
from line_fakes import Given, TinyHome

from ctexport_dagster.instance import open_instance
from ctexport_dagster.resources.local import LocalDestination
from ctexport_dagster.running.pools import limit_pools

DAY = "2026-11-18"


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster's own on disk: one in memory knows no limits."""
    with open_instance(tmp_path / "dagster", {}) as instance:
        yield instance


def limits(instance: dg.DagsterInstance) -> dict[str, int]:
    return {pool.name: pool.limit for pool in instance.event_log_storage.get_pool_limits()}


@pytest.mark.req("P34")
def test_the_first_look_of_the_catch_up_gives_every_pool_its_limit(
    tiny_home: TinyHome, stored: dg.DagsterInstance
) -> None:
    tiny_home.tell(DAY, Given({"clevertapId": pl.String()}))
    destination = LocalDestination(type="local", name="disk", folder="out")
    lines = [tiny_home.line("daily"), tiny_home.line("other", files={"name": "other"})]
    Clockwork(DagsterHome(tiny_home, lines, destination, stored)).look()
    assert limits(stored) == {"export_daily": 1, "export_other": 1, "source_crm": 1}


def test_a_limit_that_somebody_has_set_is_kept(stored: dg.DagsterInstance) -> None:
    stored.event_log_storage.set_concurrency_slots("export_daily", 3)
    limit_pools(stored, ["export_daily", "export_other"])
    assert limits(stored) == {"export_daily": 3, "export_other": 1}


def test_where_dagster_has_no_default_limit_or_knows_none_nothing_is_limited(
    tmp_path: Path, instance: dg.DagsterInstance
) -> None:
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster/dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with open_instance(tmp_path / "dagster", {}) as unlimited:
        limit_pools(unlimited, ["export_daily"])
        assert limits(unlimited) == {}
    limit_pools(instance, ["export_daily"])
