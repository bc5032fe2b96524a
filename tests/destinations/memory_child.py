"""A process that delivers a set of chunks: prints `ready` once it is warm, then by how many bytes its peak memory grew.

The peak is that of all resident memory, pages of files included; bench/destinations.py looks at it from outside.
"""

import pickle
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from delivery_fakes import manifest_key, renamed, request

from ctexport_dagster.core.delivery.protocol import deliver
from ctexport_dagster.core.delivery.request import StagedFile
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.home import DestinationDeclaration


@dataclass(frozen=True)
class Task:
    """What is delivered whereto: the same staged file under several keys."""

    state: Path
    declaration: DestinationDeclaration
    surroundings: Surroundings
    staged: StagedFile
    count: int


def peak_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert match is not None
    return int(match[1]) * 1024


def main() -> None:
    task: Task = pickle.load(sys.stdin.buffer)
    destination = task.declaration.open(task.surroundings)
    deliver(request(task.state, {"warm/up.csv": b"x" * 100_000}, partition="2026-11-01"), destination)
    before = peak_bytes()
    print("ready", flush=True)
    big = request(task.state, {}, partition="2026-11-02", parallel=4)
    chunks = tuple(
        StagedFile(task.staged.path, f"big/{n}.csv", 1, task.staged.bytes, task.staged.sha256)
        for n in range(task.count)
    )
    deliver(type(big)(**{**vars(big), "files": chunks, "manifest_key": manifest_key, "renamed": renamed}), destination)
    print(peak_bytes() - before)


if __name__ == "__main__":
    main()
