"""A run is dead once it has said nothing for a while and holds no lock of what it works on."""

from datetime import UTC, date, datetime
from pathlib import Path

import dagster as dg
import pytest
from dataset_home import TablesDeclaration

from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.datasets.export import DatasetExport
from ctexport_dagster.dataset_line import DatasetLine
from ctexport_dagster.running.dead_runs import SILENCE, end_dead_runs
from ctexport_dagster.state import StateFolders

EXPORT = DatasetExport.model_validate(
    {
        "name": "flow",
        "owner": "a@example.com",
        "source": "shop",
        "destination": "disk",
        "account_id": 1,
        "format": "json",
        "datasets": ["orders"],
    }
)


def line_at(root: Path) -> DatasetLine:
    datasets = {"orders": DeclaredDataset(), "products": DeclaredDataset()}
    source = TablesDeclaration(name="shop", start=date(2026, 11, 1), datasets=datasets)
    return DatasetLine(EXPORT, source, StateFolders(root))


def begun(instance: dg.DagsterInstance, *assets: str) -> dg.DagsterRun:
    """A run of some assets that has said a word and no more, launched in Dagit: without any tag of ours."""
    keys = frozenset(dg.AssetKey(asset.split("/")) for asset in assets)
    run = instance.add_run(
        dg.DagsterRun(job_name="__ASSET_JOB", status=dg.DagsterRunStatus.STARTED, asset_selection=keys)
    )
    instance.report_engine_event("begun", run)
    return run


def ended(instance: dg.DagsterInstance, line: DatasetLine) -> list[str]:
    return end_dead_runs(instance, [line], now=datetime.now(UTC) + 2 * SILENCE)


@pytest.mark.parametrize("dataset", ["orders", "products"])
def test_a_run_that_holds_the_lock_of_a_dataset_is_at_work(tmp_path: Path, dataset: str) -> None:
    line = line_at(tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        run = begun(instance, f"shop/{dataset}")
        with line.folders.ingest_lock("shop", dataset):
            assert ended(instance, line) == []
        assert ended(instance, line) == [run.run_id]


def test_a_run_that_spoke_just_now_is_at_work(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        begun(instance, "shop/orders")
        assert end_dead_runs(instance, [line_at(tmp_path)], now=datetime.now(UTC)) == []


def test_a_run_of_nothing_of_ours_is_left_alone(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        begun(instance, "theirs/table")
        assert ended(instance, line_at(tmp_path)) == []
