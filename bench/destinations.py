"""Delivers 1 GB to each kind of destination, and prints what that adds to the memory of the process that delivers.

    python bench/destinations.py --chunks 10 --chunk-bytes 100000000 --only s3 sftp

Each kind has the server of its tests (tests/destinations/case_<kind>.py) on the loopback. What is added is the highest
anonymous memory seen from outside (sampled each 10 ms) less what the same process had when it was warm and idle.
"""

import argparse
import hashlib
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
TESTS = HERE.parent / "tests"
PATHS = [HERE.parent, TESTS / "destinations", TESTS, TESTS / "core", HERE]
sys.path[:0] = [str(path) for path in PATHS]

from cases import KINDS, make_case  # noqa: E402
from contract import Case  # noqa: E402
from measuring import anonymous_bytes  # noqa: E402
from memory_child import Task  # noqa: E402

from ctexport_dagster.core.delivery.request import StagedFile  # noqa: E402

SAMPLE_SECONDS = 0.01
BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Measured:
    """One delivery: its seconds, and the anonymous memory of its process, warm and idle and at its peak."""

    seconds: float
    idle_bytes: int
    peak_bytes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=10)
    parser.add_argument("--chunk-bytes", type=int, default=100_000_000)
    parser.add_argument("--only", nargs="*", choices=list(KINDS), default=list(KINDS))
    options = parser.parse_args()
    print(f"{options.chunks} chunks of {options.chunk_bytes / 1e6:.0f} MB, 4 at once")
    print(f"{'destination':16}{'seconds':>9}{'MB/s':>8}{'idle MB':>10}{'added MiB':>11}")
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        staged = stage(Path(folder), options.chunk_bytes)
        for kind in options.only:
            found = measure(kind, Path(folder, kind), staged, options.chunks)
            speed = options.chunks * options.chunk_bytes / 1e6 / found.seconds
            added = (found.peak_bytes - found.idle_bytes) / 2**20
            idle = found.idle_bytes / 1e6
            print(f"{KINDS[kind]:16}{found.seconds:9.1f}{speed:8.0f}{idle:10.0f}{added:11.1f}", flush=True)


def stage(folder: Path, size: int) -> StagedFile:
    """One file of bytes that no server can compress."""
    path, digest = folder / "chunk", hashlib.sha256()
    with path.open("wb") as file:
        for block in blocks(size):
            digest.update(block)
            file.write(block)
    return StagedFile(path, "", 1, size, digest.hexdigest())


def blocks(size: int) -> Iterator[bytes]:
    for start in range(0, size, BLOCK_BYTES):
        yield os.urandom(min(BLOCK_BYTES, size - start))


def measure(kind: str, folder: Path, staged: StagedFile, count: int) -> Measured:
    folder.mkdir()
    case = make_case(kind, folder, dict(os.environ))
    try:
        return deliver(case, Task(folder / "state", case.declaration(prefix="bench"), case.surroundings, staged, count))
    finally:
        case.close()


def deliver(case: Case, task: Task) -> Measured:
    """Delivers in a process of its own, and watches its memory."""
    command = [sys.executable, str(TESTS / "destinations/memory_child.py")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, PATHS))}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as child:
        assert child.stdin
        assert child.stdout
        child.stdin.write(pickle.dumps(task))
        child.stdin.close()
        assert child.stdout.readline() == b"ready\n", f"{case.kind} could not be made ready"
        began, idle = time.perf_counter(), anonymous_bytes(child.pid)
        peak = idle
        while child.poll() is None:
            peak = max(peak, anonymous_bytes(child.pid))
            time.sleep(SAMPLE_SECONDS)
        seconds = time.perf_counter() - began
    assert child.returncode == 0, f"the delivery to {case.kind} failed"
    return Measured(seconds, idle, peak)


if __name__ == "__main__":
    main()
