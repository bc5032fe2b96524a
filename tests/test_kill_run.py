"""kill -9 of `ctexport run` at any instant, then the same command again: the same files as if nothing had happened."""

import json
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest
from line_fakes import tree
from run_child import Command, start

from ctexport_dagster.core.manifest import Manifest
from ctexport_dagster.instance import open_instance

DAYS = ("2026-11-18", "2026-11-19")
PROFILES = 400
SOURCE = """\
type: files
profiles: data/{{Partition}}.ndjson
start: 2026-11-18
instances: 2
"""
EXPORT = """\
owner: growth@example.com
source: crm
destination: disk
account_id: 100000000
format: csv
files: {folder: run_date, chunk_size: 2 KB}
"""
RANDOM_KILLS = 20
STAGES = {
    "when rows are spilled": "state/scratch/crm/ingest-*",
    "when the log is written": "state/lake/crm/profiles/partition=*/kind=log/*/*.parquet",
    "when the first source partition is committed": "state/lake/crm/profiles/_delta_log/*1.json",
    "when the second day's log is written": "state/lake/crm/profiles/partition=2026-11-19/kind=log/*/*.parquet",
    "when rows are being resolved": "state/staging/daily/*/resolved-*/*",
    "when rows are resolved": "state/staging/daily/*/resolved.json",
    "when chunks are being written": "state/staging/daily/*/chunks-*/*",
    "when chunks are written": "state/staging/daily/*/chunks.json",
    "when the delivery is planned": "state/deliveries/daily/*/plan-g1.json",
    "in the middle of an upload": "exports/*/.*.part",
    "when the first file has arrived": "exports/*/*.csv.gz",
    "when the manifest has arrived": "exports/*/*.manifest.json",
    "when the delivery of the second day is planned": "state/deliveries/daily/2026-11-19/plan-g1.json",
}


@dataclass(frozen=True)
class Undisturbed:
    """What a run that nobody disturbs delivers, and how long it takes here."""

    delivered: Mapping[str, bytes]
    seconds: float
    dagster: Path
    """A fresh Dagster home, ready to be copied: to make one takes a second."""


def make_home(root: Path) -> Path:
    for folder in ("assets", "resources", "data"):
        (root / folder).mkdir(parents=True)
    (root / "assets/daily.yaml").write_text(EXPORT)
    (root / "resources/crm.yaml").write_text(SOURCE)
    (root / "resources/disk.yaml").write_text("type: local\nfolder: exports\n")
    for number, day in enumerate(DAYS):
        rows = (
            {"clevertapId": f"id{n}", "Name": f"Name {n} {n * 7919}", "visits": n + (number if n % 3 == 0 else 0)}
            for n in range(PROFILES)
        )
        (root / f"data/{day}.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def command(home: Path, environment: Mapping[str, str]) -> Command:
    told = {**environment, "CTEXPORT_HOME": str(home), "CTEXPORT_STATE": str(home / "state")}
    return Command(
        home, ("run", "daily", "--from", DAYS[0], "--to", DAYS[1]), told, home.with_name(f"{home.name}.said")
    )


def run_to_the_end(run: Command) -> None:
    process = start(run)
    process.join()
    assert process.exitcode == 0, run.said.read_text()


def delivered(home: Path) -> dict[str, bytes]:
    """Every delivered file; of manifests all but the ids of runs, and the lake's version, which counts commits."""
    files = tree(home / "exports")
    return {key: _without_runs(content) if key.endswith(".json") else content for key, content in files.items()}


def _without_runs(content: bytes) -> bytes:
    manifest = Manifest.from_json(content.decode())
    assert manifest.run_id
    assert manifest.upstream_runs
    return replace(manifest, run_id="", upstream_runs=(), lake_version=0).to_json().encode()


def assert_nothing_is_left_over(home: Path) -> None:
    files = tree(home)
    assert [path for path in files if path.endswith(".part")] == []
    assert [path for path in files if path.startswith("state/scratch/")] == []


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, child_environment: Mapping[str, str]) -> Undisturbed:
    home = make_home(tmp_path_factory.mktemp("undisturbed") / "home")
    dagster = home.parent / "dagster"
    open_instance(dagster, {}).dispose()
    run_to_the_end(command(make_home(home.parent / "warm"), child_environment))
    began = time.monotonic()
    run_to_the_end(command(home, child_environment))
    seconds = time.monotonic() - began
    assert_nothing_is_left_over(home)
    files = delivered(home)
    assert len([key for key in files if DAYS[1] in key and key.endswith(".csv.gz")]) > 2
    return Undisturbed(files, seconds, dagster)


def assert_recovers(home: Path, run: Command, undisturbed: Undisturbed) -> None:
    run_to_the_end(run)
    assert delivered(home) == undisturbed.delivered
    assert_nothing_is_left_over(home)


@pytest.mark.req("B2", "B1")
@pytest.mark.parametrize("number", range(RANDOM_KILLS))
def test_a_run_killed_at_a_random_instant_is_completed_by_the_same_command(
    tmp_path: Path, child_environment: Mapping[str, str], undisturbed: Undisturbed, number: int
) -> None:
    home = make_home(tmp_path / "home")
    if number % 4:
        shutil.copytree(undisturbed.dagster, home / "state/dagster")
    run = command(home, child_environment)
    process = start(run)
    process.join(undisturbed.seconds * (number + Random(number).random()) / RANDOM_KILLS)
    process.kill()
    process.join()
    assert process.exitcode in (-signal.SIGKILL, 0)
    assert_recovers(home, run, undisturbed)


@pytest.mark.req("B2", "B1")
@pytest.mark.parametrize("stage", STAGES)
def test_a_run_killed_at_a_named_stage_is_completed_by_the_same_command(
    tmp_path: Path, child_environment: Mapping[str, str], undisturbed: Undisturbed, stage: str
) -> None:
    home = make_home(tmp_path / "home")
    shutil.copytree(undisturbed.dagster, home / "state/dagster")
    run = command(home, child_environment)
    process = start(run)
    while process.is_alive() and not any(home.glob(STAGES[stage])):
        process.join(0.0005)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert_recovers(home, run, undisturbed)
