"""The work of the instances in this process and on a Dask cluster: the same bytes, the same errors."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dask as dask_settings
import polars as pl
import pytest
from distributed import LocalCluster
from line_fakes import Given, MemoryDeclaration, Ran, TinyHome

from ctexport_dagster.core.errors import ConfigurationError, StagingMissing
from ctexport_dagster.engine import Dask, Engine, InProcess, open_engine

DAYS = ("2026-11-18", "2026-11-19")
FORMATS = ("csv", "json", "xml", "parquet")

pytestmark = [pytest.mark.xdist_group("dask"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def dask() -> Iterator[Dask]:
    """A cluster of one process on the loopback."""
    patience = {"distributed.comm.timeouts.connect": "300s", "distributed.comm.timeouts.tcp": "300s"}
    with (
        dask_settings.config.set(patience),
        LocalCluster(
            n_workers=1, threads_per_worker=2, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as one,
    ):
        yield Dask(one.scheduler_address)


def home_on(root: Path, engine: Engine) -> TinyHome:
    declaration = MemoryDeclaration(name="crm", start=date(2026, 11, 18), instances=3, max_deleted=1)
    home = TinyHome(root, declaration, engine=engine)
    for number, day in enumerate(DAYS):
        rows = tuple({"clevertapId": f"id{n}", "plan": f"p{number * (n % 3)}", "visits": n} for n in range(300))
        home.tell(day, Given({"clevertapId": pl.String(), "plan": pl.String(), "visits": pl.Int64()}, rows))
        home.ingest(day)
    return home


def run_all(home: TinyHome, kind: str) -> list[Ran]:
    line = home.line("daily", format=kind, files={"chunk_size": "1 KB"})
    return [home.run(line, day) for day in DAYS]


@pytest.mark.req("B10")
@pytest.mark.parametrize("kind", FORMATS)
def test_dask_and_this_process_give_the_same_bytes(tmp_path: Path, dask: Dask, kind: str) -> None:
    here = run_all(home_on(tmp_path / "here", InProcess()), kind)
    there = run_all(home_on(tmp_path / "there", dask), kind)
    assert [ran.contents for ran in there] == [ran.contents for ran in here]
    assert [ran.outcome.manifest.files for ran in there] == [ran.outcome.manifest.files for ran in here]
    assert [ran.resolved.rows for ran in there] == [ran.resolved.rows for ran in here]
    assert {chunk.instance for chunk in there[0].chunks.chunks} == {0, 1, 2}


def refuse(number: int) -> int:
    raise StagingMissing(f"Reading {number}", "there is nothing", "Run the stage before it.")


def test_an_error_on_a_worker_arrives_as_it_was_raised(dask: Dask) -> None:
    with pytest.raises(StagingMissing) as caught:
        list(dask.map(refuse, [7]))
    error = caught.value
    assert (error.attempted, error.happened, error.next_step) == (
        "Reading 7",
        "there is nothing",
        "Run the stage before it.",
    )


@pytest.mark.parametrize("setting", ["", "in_process"])
def test_the_engine_is_this_process_unless_told_otherwise(setting: str) -> None:
    assert isinstance(open_engine(setting), InProcess)


def test_the_setting_names_a_scheduler() -> None:
    engine = open_engine("dask://scheduler:8786")
    assert isinstance(engine, Dask)
    assert engine.scheduler == "tcp://scheduler:8786"


def test_an_unknown_engine_is_a_mistake_that_names_the_setting() -> None:
    with pytest.raises(ConfigurationError, match="CTEXPORT_ENGINE: 'spark' is no engine"):
        open_engine("spark")
