"""kill -9 of `ctexport run` at any instant, then the same command again: the same files as if nothing had happened."""

import json
import signal
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest
from killing import Undisturbed, Victim

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


VICTIM = Victim(make_home, ("run", "daily", "--from", DAYS[0], "--to", DAYS[1]))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, child_environment: Mapping[str, str]) -> Undisturbed:
    found = VICTIM.undisturbed(tmp_path_factory.mktemp("undisturbed"), child_environment)
    assert len([key for key in found.delivered if DAYS[1] in key and key.endswith(".csv.gz")]) > 2
    return found


@pytest.mark.req("B2", "B1")
@pytest.mark.parametrize("number", range(RANDOM_KILLS))
def test_a_run_killed_at_a_random_instant_is_completed_by_the_same_command(
    tmp_path: Path, child_environment: Mapping[str, str], undisturbed: Undisturbed, number: int
) -> None:
    home, seconds = tmp_path / "home", undisturbed.seconds * (number + Random(number).random()) / RANDOM_KILLS
    code = VICTIM.killed_after(home, child_environment, undisturbed, seconds, is_fresh=number % 4 == 0)
    assert code in (-signal.SIGKILL, 0)
    VICTIM.assert_recovers(home, child_environment, undisturbed)


@pytest.mark.req("B2", "B1")
@pytest.mark.parametrize("stage", STAGES)
def test_a_run_killed_at_a_named_stage_is_completed_by_the_same_command(
    tmp_path: Path, child_environment: Mapping[str, str], undisturbed: Undisturbed, stage: str
) -> None:
    home = tmp_path / "home"
    assert VICTIM.killed_when(home, child_environment, undisturbed, STAGES[stage]) == -signal.SIGKILL
    VICTIM.assert_recovers(home, child_environment, undisturbed)
