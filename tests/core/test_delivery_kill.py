"""kill -9 at any instant, then the same delivery again: the same keys, the same bytes, no file twice or missing."""

import hashlib
import signal
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import get_args

import pytest
from delivery_child import Chunks, Job, Point, start
from delivery_fakes import EMPTY_FILE

from ctexport_dagster.core.delivery.request import OnRerun
from ctexport_dagster.core.manifest import Manifest
from ctexport_dagster.resources.local import LocalDisk

POINTS = [point for point in get_args(Point) if point != "nowhere"]
POINTS_OF_A_RERUN = [point for point in POINTS if point != "when the plan is frozen"]
KILLS_AT_RANDOM = 20


def job(
    folder: Path,
    chunks: Chunks,
    attempt: str,
    partition: str = "2026-11-01",
    *,
    on_rerun: OnRerun = "overwrite",
    point: Point = "nowhere",
) -> Job:
    """A delivery to `<folder>/exports`."""
    exports = folder / "exports"
    return Job(folder, partial(LocalDisk, exports), chunks, attempt, partition, on_rerun, point, exports)


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


def deliver_and_be_killed(asked: Job) -> None:
    process = start(asked)
    process.join()
    assert process.exitcode == -signal.SIGKILL


def deliver_undisturbed(asked: Job) -> None:
    process = start(asked)
    process.join()
    assert process.exitcode == 0


@pytest.mark.req("B2")
@pytest.mark.parametrize("point", POINTS)
def test_a_delivery_killed_at_a_named_point_is_completed_by_the_next_one(tmp_path: Path, point: Point) -> None:
    wanted, root = Chunks(1), tmp_path / "exports"
    deliver_and_be_killed(job(tmp_path, wanted, "a1", point=point))
    assert_manifests_stand(root)
    deliver_undisturbed(job(tmp_path, wanted, "a2"))
    assert delivered(root) == wanted.contents
    assert [manifest.generation for manifest in manifests(root)] == [1]
    assert_manifests_stand(root)


@pytest.mark.req("B2")
@pytest.mark.parametrize("point", POINTS_OF_A_RERUN)
def test_a_new_generation_under_new_names_killed_at_a_named_point_is_completed_by_the_next_one(
    tmp_path: Path, point: Point
) -> None:
    old, new, root = Chunks(1), Chunks(2), tmp_path / "exports"
    deliver_undisturbed(job(tmp_path, old, "a1", on_rerun="new_names"))
    deliver_and_be_killed(job(tmp_path, new, "a2", on_rerun="new_names", point=point))
    assert_manifests_stand(root)
    deliver_undisturbed(job(tmp_path, new, "a3", on_rerun="new_names"))
    renamed = {key.replace(".csv.gz", "-g2.csv.gz"): content for key, content in new.contents.items()}
    assert delivered(root) == old.contents | renamed
    assert_manifests_stand(root)


@pytest.mark.req("B2")
@pytest.mark.parametrize("point", POINTS)
def test_a_killed_delivery_whose_bytes_have_changed_since_leaves_nothing_of_the_old_ones(
    tmp_path: Path, point: Point
) -> None:
    first, second, root = Chunks(1), Chunks(2, count=2), tmp_path / "exports"
    deliver_and_be_killed(job(tmp_path, first, "a1", point=point))
    deliver_undisturbed(job(tmp_path, second, "a2"))
    found = delivered(root)
    assert {key: content for key, content in found.items() if content != EMPTY_FILE} == second.contents
    newest = max(manifests(root), key=lambda manifest: manifest.generation)
    assert [file.key for file in newest.files] == list(second.contents)


@pytest.mark.req("B2")
def test_deliveries_killed_at_random_instants_are_completed_without_a_file_missing_torn_or_twice(
    tmp_path: Path,
) -> None:
    random, root, kills, day = Random(20261101), tmp_path / "exports", 0, 0
    usual_seconds = seconds_of_an_undisturbed_delivery(tmp_path / "undisturbed")
    wanted: dict[str, bytes] = {}
    while kills < KILLS_AT_RANDOM:
        day += 1
        partition = f"2026-{1 + day // 28:02}-{1 + day % 28:02}"
        chunks = Chunks(day, partition)
        for attempt in range(3):
            process = start(job(tmp_path, chunks, f"a{attempt}", partition))
            process.join(timeout=random.uniform(0, usual_seconds))
            process.kill()
            process.join()
            kills += process.exitcode == -signal.SIGKILL
            assert_manifests_stand(root)
        deliver_undisturbed(job(tmp_path, chunks, "last", partition))
        wanted |= chunks.contents
    assert delivered(root) == wanted
    assert len(list(manifests(root))) == day
    assert_manifests_stand(root)


def seconds_of_an_undisturbed_delivery(folder: Path) -> float:
    """Of the second one: the first has to start the processes' server."""
    deliver_undisturbed(job(folder, Chunks(0), "a1"))
    began = time.monotonic()
    deliver_undisturbed(job(folder, Chunks(1), "a1"))
    return time.monotonic() - began
