"""A run again gives the same bytes, whatever the machine does: threads, hash seeds, chunks and batches don't show."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from bytes_child import COLUMNS, DAYS, rows
from line_fakes import Given, TinyHome

from ctexport_dagster import reader
from ctexport_dagster.core.columns import plan_from_staged
from ctexport_dagster.stages.chunks import InstanceTask, format_instance

HERE = Path(__file__).parent
FORMATS = ("csv", "json", "xml", "parquet")
MACHINES = ({"POLARS_MAX_THREADS": "1", "PYTHONHASHSEED": "1"}, {"POLARS_MAX_THREADS": "7", "PYTHONHASHSEED": "2"})


def told(folder: Path, environment: Mapping[str, str]) -> str:
    run = subprocess.run(
        [sys.executable, str(HERE / "bytes_child.py"), str(folder)],
        env={**environment, "PYTHONPATH": str(HERE.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout


@pytest.mark.req("B2")
def test_neither_the_number_of_threads_nor_the_hash_seed_shows_in_any_byte(
    tmp_path: Path, child_environment: Mapping[str, str]
) -> None:
    """On a difference both outputs stay in the test's folder, to be studied."""
    first, second = (
        told(tmp_path / str(number), {**child_environment, **machine}) for number, machine in enumerate(MACHINES)
    )
    assert first == second
    assert len(first.splitlines()) > 20
    shutil.rmtree(tmp_path)


@pytest.fixture
def home(tiny_home: TinyHome) -> TinyHome:
    """One day of a thousand profiles."""
    tiny_home.tell(DAYS[0], Given(COLUMNS, tuple(rows(0))[:1000]))
    tiny_home.ingest(DAYS[0])
    return tiny_home


@pytest.mark.req("B2", "P10")
@pytest.mark.parametrize("kind", FORMATS)
def test_the_number_of_formatting_threads_shows_in_no_byte(home: TinyHome, tmp_path: Path, kind: str) -> None:
    line = home.line("daily", format=kind, files={"chunk_size": "20 KB"})
    ran = home.run(line, DAYS[0])
    staged = line.staging(DAYS[0])
    task = InstanceTask(
        rows=staged.folder("resolved", ran.resolved.attempt) / ran.resolved.files[0],
        plan=plan_from_staged(ran.resolved.columns),
        format=line.export.format,
        chunk_bytes=20_000,
        folder=tmp_path,
        instance=0,
    )
    for threads in (1, 5):
        folder = tmp_path / f"{threads} threads"
        folder.mkdir()
        format_instance(replace(task, folder=folder, threads=threads))
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == ran.contents


@pytest.mark.req("P10")
@pytest.mark.parametrize("kind", FORMATS)
def test_chunks_one_after_the_other_are_the_whole(home: TinyHome, kind: str) -> None:
    whole = home.line("whole", format=kind)
    parts = home.line("parts", format=kind, files={"chunk_size": "8 KB"})
    home.run(whole, DAYS[0])
    files = home.run(parts, DAYS[0]).outcome.manifest.files
    assert len(files) > 3
    assert rows_of(home, "parts") == rows_of(home, "whole")
    assert len({file.key for file in files}) == len(files)


def rows_of(home: TinyHome, name: str) -> list[reader.Row]:
    return [*reader.open_delivery(home.delivered_to(home.line(name))).partition(DAYS[0]).rows()]


@pytest.mark.req("B2")
def test_how_a_source_batches_its_rows_shows_in_no_byte(tmp_path: Path, tiny_home: TinyHome) -> None:
    everything = tuple(rows(0))[:2000]
    outputs = []
    for size in (2000, 130):
        home = replace(tiny_home, root=tmp_path / str(size))
        home.tell(DAYS[0], Given(COLUMNS, everything, batch_rows=size))
        home.ingest(DAYS[0])
        outputs.append(home.run(home.line("daily", format="csv"), DAYS[0]).contents)
    assert outputs[0] == outputs[1]
