"""Dagster's own storage in a real PostgreSQL: one setting puts it there."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from postgres import open_folder, postgres

from ctexport_dagster.instance import POSTGRES_URL, open_instance

pytestmark = pytest.mark.xdist_group("postgres")


@pytest.fixture
def url() -> Iterator[str]:
    with open_folder() as folder, postgres(folder) as url:
        yield url.replace("+psycopg", "+psycopg2")


def test_a_home_with_the_one_setting_keeps_runs_events_and_switches_in_postgres(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(POSTGRES_URL, url)
    with open_instance(tmp_path, {POSTGRES_URL: url}) as instance:
        kinds = [instance.run_storage, instance.event_log_storage, instance.schedule_storage]
        instance.report_runless_asset_event(dg.AssetMaterialization(["daily", "delivery"], partition="2026-11-18"))
    assert [type(kind).__module__.split(".")[0] for kind in kinds] == ["dagster_postgres"] * 3
    with open_instance(tmp_path, {POSTGRES_URL: url}) as instance:
        assert instance.get_materialized_partitions(dg.AssetKey(["daily", "delivery"])) == {"2026-11-18"}
    assert list(tmp_path.rglob("*.db")) == []
