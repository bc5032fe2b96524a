"""kill -9 of `ctexport run` of a flow of datasets, then the same command again: all datasets, and the receipt last."""

import json
import signal
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest
from killing import Undisturbed, Victim

DAYS = ("2026-11-18", "2026-11-19")
SOURCE = """\
type: files
start: 2026-11-18
datasets:
  orders: data/orders-{{Partition}}.ndjson
  carts: data/carts-{{Partition}}.ndjson
"""
FLOW = """\
kind: datasets
owner: growth@example.com
source: shop
destination: disk
account_id: 100000000
datasets: [orders, carts]
format: csv
files: {folder: "{{Dataset-id}}/{{Date}}", chunk_size: 2 KB}
"""
RANDOM_KILLS = 4
RECEIPT = "state/deliveries/flow/{day}/manifest-g1.json"
STAGES = {
    "when the first table is taken in": "state/lake/shop/datasets/orders/*.json",
    "when the first dataset's chunks are written": "state/staging/flow/*/orders/chunks.json",
    "when the second dataset's chunks are being written": "state/staging/flow/*/carts/chunks-*/*",
    "when the first dataset is delivered": "state/deliveries/flow/*/orders/manifest-g1.json",
    "in the middle of an upload of the second one": "exports/carts/*/.*.part",
    "when the receipt is written": RECEIPT.format(day=DAYS[0]),
}


def make_home(root: Path) -> Path:
    for folder in ("assets", "resources", "data"):
        (root / folder).mkdir(parents=True)
    (root / "assets/flow.yaml").write_text(FLOW)
    (root / "resources/shop.yaml").write_text(SOURCE)
    (root / "resources/disk.yaml").write_text("type: local\nfolder: exports\n")
    for number, day in enumerate(DAYS):
        for dataset in ("orders", "carts"):
            rows = ({"id": n, "note": f"{dataset} {number} {n * 7919}"} for n in range(300))
            (root / f"data/{dataset}-{day}.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


VICTIM = Victim(make_home, ("run", "flow", "--from", DAYS[0], "--to", DAYS[1]))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, child_environment: Mapping[str, str]) -> Undisturbed:
    found = VICTIM.undisturbed(tmp_path_factory.mktemp("undisturbed"), child_environment)
    for dataset in ("orders", "carts"):
        assert len([key for key in found.delivered if key.startswith(f"{dataset}/") and key.endswith(".csv.gz")]) > 2
    return found


def assert_receipts_come_last(home: Path) -> None:
    """A receipt stands only where every dataset's manifest does."""
    for day in DAYS:
        manifests = [home / RECEIPT.format(day=f"{day}/{dataset}") for dataset in ("orders", "carts")]
        assert not (home / RECEIPT.format(day=day)).exists() or all(path.exists() for path in manifests)


@pytest.mark.req("B2", "B1", "A2")
@pytest.mark.parametrize("number", range(RANDOM_KILLS))
def test_a_flow_killed_at_a_random_instant_is_completed_by_the_same_command(
    tmp_path: Path, child_environment: Mapping[str, str], undisturbed: Undisturbed, number: int
) -> None:
    home, seconds = tmp_path / "home", undisturbed.seconds * (number + Random(number).random()) / RANDOM_KILLS
    code = VICTIM.killed_after(home, child_environment, undisturbed, seconds, is_fresh=False)
    assert code in (-signal.SIGKILL, 0)
    assert_receipts_come_last(home)
    VICTIM.assert_recovers(home, child_environment, undisturbed)


@pytest.mark.req("B2", "B1", "A2")
@pytest.mark.parametrize("stage", STAGES)
def test_a_flow_killed_at_a_named_stage_is_completed_by_the_same_command(
    tmp_path: Path, child_environment: Mapping[str, str], undisturbed: Undisturbed, stage: str
) -> None:
    home = tmp_path / "home"
    assert VICTIM.killed_when(home, child_environment, undisturbed, STAGES[stage]) == -signal.SIGKILL
    assert_receipts_come_last(home)
    VICTIM.assert_recovers(home, child_environment, undisturbed)
