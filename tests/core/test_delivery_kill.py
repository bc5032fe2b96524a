"""kill -9 at any instant, then the same delivery again: the same keys, the same bytes, no file twice or missing."""

import hashlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import get_args

import pytest
from delivery_child import Job, Point, start
from delivery_fakes import EMPTY_FILE

from ctexport_dagster.core.manifest import Manifest

POINTS = [point for point in get_args(Point) if point != "nowhere"]
KILLS_AT_RANDOM = 20


def chunks(seed: int, day: str = "2026-11-01", count: int = 4, size: int = 3_000_000) -> dict[str, bytes]:
    """Distinct files, large enough to be caught half-written."""
    return {f"{day}/profiles-{n}.csv.gz": Random(seed * 100 + n).randbytes(size + n) for n in range(count)}


def delivered(root: Path) -> dict[str, bytes]:
    paths = (path for path in root.rglob("*") if path.is_file() and not path.name.endswith(".manifest.json"))
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}


def manifests(root: Path) -> Iterator[Manifest]:
    for path in sorted(root.rglob("*.manifest.json")):
        yield Manifest.from_json(path.read_text())


def assert_manifests_stand(root: Path) -> None:
    """Whoever sees a manifest finds every one of its files, whole."""
    for manifest in manifests(root):
        for file in manifest.files:
            content = (root / file.key).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.sha256)


def deliver_and_be_killed(job: Job) -> None:
    process = start(job)
    process.join()
    assert process.exitcode == -signal.SIGKILL


def deliver_undisturbed(job: Job) -> None:
    process = start(job)
    process.join()
    assert process.exitcode == 0


@pytest.mark.req("B2")
@pytest.mark.parametrize("point", POINTS)
def test_a_delivery_killed_at_a_named_point_is_completed_by_the_next_one(tmp_path: Path, point: Point) -> None:
    wanted, root = chunks(1), tmp_path / "exports"
    deliver_and_be_killed(Job(tmp_path, root, wanted, "a1", point=point))
    assert_manifests_stand(root)
    deliver_undisturbed(Job(tmp_path, root, wanted, "a2"))
    assert delivered(root) == wanted
    assert [manifest.generation for manifest in manifests(root)] == [1]
    assert_manifests_stand(root)


@pytest.mark.req("B2")
@pytest.mark.parametrize("point", POINTS)
def test_a_new_generation_under_new_names_killed_at_a_named_point_is_completed_by_the_next_one(
    tmp_path: Path, point: Point
) -> None:
    old, new, root = chunks(1), chunks(2), tmp_path / "exports"
    deliver_undisturbed(Job(tmp_path, root, old, "a1", on_rerun="new_names"))
    job = Job(tmp_path, root, new, "a2", on_rerun="new_names", point=point)
    if point == "when the plan is frozen":
        job = Job(tmp_path, root, new, "a2", on_rerun="new_names", point="before an upload")
    deliver_and_be_killed(job)
    assert_manifests_stand(root)
    deliver_undisturbed(Job(tmp_path, root, new, "a3", on_rerun="new_names"))
    renamed = {key.replace(".csv.gz", "-g2.csv.gz"): content for key, content in new.items()}
    assert delivered(root) == old | renamed
    assert_manifests_stand(root)


@pytest.mark.req("B2")
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_delivery_whose_bytes_have_changed_since_leaves_nothing_of_the_old_ones(
    tmp_path: Path, point: Point
) -> None:
    first, second, root = chunks(1), chunks(2, count=2), tmp_path / "exports"
    deliver_and_be_killed(Job(tmp_path, root, first, "a1", point=point))
    deliver_undisturbed(Job(tmp_path, root, second, "a2"))
    found = delivered(root)
    assert {key: content for key, content in found.items() if content != EMPTY_FILE} == second
    newest = max(manifests(root), key=lambda manifest: manifest.generation)
    assert [file.key for file in newest.files] == list(second)


@pytest.mark.req("B2")
def test_deliveries_killed_at_random_instants_are_completed_without_a_file_missing_torn_or_twice(
    tmp_path: Path,
) -> None:
    random, root, kills = Random(20261101), tmp_path / "exports", 0
    began = time.monotonic()
    deliver_undisturbed(Job(tmp_path / "undisturbed", tmp_path / "undisturbed", chunks(0), "a1"))
    usual_seconds = time.monotonic() - began
    wanted: dict[str, bytes] = {}
    for day in range(1, 200):
        partition = f"2026-{1 + day // 28:02}-{1 + day % 28:02}"
        contents = chunks(day, partition, size=500_000)
        for attempt in range(2):
            process = start(Job(tmp_path, root, contents, f"a{attempt}", partition))
            process.join(timeout=random.uniform(0, usual_seconds))
            process.kill()
            process.join()
            kills += process.exitcode == -signal.SIGKILL
            assert_manifests_stand(root)
        deliver_undisturbed(Job(tmp_path, root, contents, "last", partition))
        wanted |= contents
        if kills >= KILLS_AT_RANDOM:
            break
    assert kills >= KILLS_AT_RANDOM
    assert delivered(root) == wanted
    assert len(list(manifests(root))) == day
    assert_manifests_stand(root)
