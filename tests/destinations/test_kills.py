"""kill -9 at any instant of a delivery to any destination, then the same again: nothing missing, torn or twice.

The local disk has its own, in tests/core/test_delivery_kill.py.
"""

import hashlib
import signal
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import get_args

import pytest
from cases import KINDS
from contract import Case, under, without_manifests
from delivery_child import Chunks, Job, Point, start
from fault_proxy import FaultProxy
from session_cases import Cases

from ctexport_dagster.core.manifest import Manifest
from ctexport_dagster.home import DestinationDeclaration

CLOUDS = [pytest.param(kind, id=name) for kind, name in KINDS.items() if kind != "local"]
POINTS = [point for point in get_args(Point) if point not in ("nowhere", "in the middle of an upload")]
"""In the middle of an upload they are killed from outside, by the bytes that have gone."""
DAY = "2026-11-01"
FILE_BYTES = 300_000
FILES = 3
BYTES = FILES * FILE_BYTES
IN_UPLOADS = [1, 150_000, 299_999, 450_000, 899_000]
"""Bytes that have gone to the server when the process is killed."""
KILLS_AT_RANDOM = 10


def job(
    folder: Path, case: Case, declaration: DestinationDeclaration, seed: int, day: str, point: Point = "nowhere"
) -> Job:
    chunks = Chunks(seed, day, FILES, FILE_BYTES)
    return Job(folder, partial(declaration.open, case.surroundings), chunks, "a1", day, point=point)


def manifests(found: dict[str, bytes]) -> Iterator[Manifest]:
    for key, content in found.items():
        if key.endswith(".manifest.json"):
            yield Manifest.from_json(content.decode())


def assert_manifests_stand(found: dict[str, bytes]) -> None:
    """Whoever sees a manifest finds every one of its files, whole."""
    for manifest in manifests(found):
        for file in manifest.files:
            content = found[file.key]
            assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.sha256)


def assert_files_are_whole(found: dict[str, bytes], wanted: dict[str, bytes]) -> None:
    files = without_manifests(found)
    assert {key: wanted.get(key) == content for key, content in files.items()} == dict.fromkeys(files, True)


def deliver_undisturbed(asked: Job) -> None:
    process = start(replace(asked, attempt="last", point="nowhere"))
    process.join()
    assert process.exitcode == 0


def assert_completed(case: Case, prefix: str, wanted: dict[str, bytes]) -> None:
    found = under(case, prefix)
    assert_manifests_stand(found)
    files = without_manifests(found)
    assert files == wanted
    assert {manifest.generation for manifest in manifests(found)} == {1}


@pytest.mark.req("B2")
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("kind", CLOUDS)
def test_a_delivery_killed_at_a_named_point_is_completed_by_the_next_one(
    cases: Cases, kind: str, point: Point, tmp_path: Path, prefix: str
) -> None:
    case = cases.of(kind)
    asked = job(tmp_path, case, case.declaration(prefix=prefix), 1, DAY, point)
    process = start(asked)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    found = under(case, prefix)
    assert_manifests_stand(found)
    assert_files_are_whole(found, asked.chunks.contents)
    deliver_undisturbed(asked)
    assert_completed(case, prefix, asked.chunks.contents)


@pytest.mark.req("B2")
@pytest.mark.parametrize("kind", CLOUDS)
def test_deliveries_killed_in_the_middle_of_uploads_are_completed_by_the_next_one(
    cases: Cases, kind: str, tmp_path: Path, prefix: str
) -> None:
    case, wanted = cases.of(kind), dict[str, bytes]()
    with FaultProxy(case.endpoint, speaks_http=kind != "sftp") as proxy:
        declaration = case.declaration(proxy.endpoint, prefix=prefix)
        for seed, passed in enumerate(IN_UPLOADS):
            asked = job(tmp_path, case, declaration, seed, f"2026-11-{seed + 1:02}")
            assert is_killed(proxy, passed, asked)
            assert_manifests_stand(under(case, prefix))
            deliver_undisturbed(asked)
            wanted |= asked.chunks.contents
    assert_completed(case, prefix, wanted)


def kill_after(proxy: FaultProxy, passed: int, process: BaseProcess) -> None:
    def kill(total: int) -> None:
        if total >= passed:
            process.kill()

    proxy.on_bytes = kill


@pytest.mark.req("B2")
@pytest.mark.parametrize("kind", CLOUDS)
def test_deliveries_killed_at_random_are_completed_without_a_file_missing_torn_or_twice(
    cases: Cases, kind: str, tmp_path: Path, prefix: str
) -> None:
    """At random by bytes: instants after which a random number of them have reached the server."""
    case, random, kills = cases.of(kind), Random(20261122), 0
    with FaultProxy(case.endpoint, speaks_http=kind != "sftp") as proxy:
        for seed in range(100, 200):
            place = f"{prefix}/{seed}"
            asked = job(tmp_path / str(seed), case, case.declaration(proxy.endpoint, prefix=place), seed, DAY)
            for attempt in ("a1", "a2"):
                kills += is_killed(proxy, random.randrange(BYTES * 9 // 8), replace(asked, attempt=attempt))
                assert_manifests_stand(under(case, place))
            deliver_undisturbed(asked)
            assert_completed(case, place, asked.chunks.contents)
            if kills >= KILLS_AT_RANDOM:
                break
    assert kills >= KILLS_AT_RANDOM


def is_killed(proxy: FaultProxy, passed: int, asked: Job) -> bool:
    """Whether the process was killed before it had ended by itself."""
    proxy.forget()
    process = start(asked)
    kill_after(proxy, passed, process)
    process.join()
    proxy.on_bytes = None
    return process.exitcode == -signal.SIGKILL
