"""A process that delivers to any destination and kills itself at a named point; no clean-up of any kind runs then."""

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Literal

from delivery_fakes import Wrapped, request
from forking import fork

from ctexport_dagster.core.delivery.protocol import deliver
from ctexport_dagster.core.delivery.request import OnRerun
from ctexport_dagster.core.destination import Destination, Upload

Point = Literal[
    "nowhere",
    "when the plan is frozen",
    "before an upload",
    "in the middle of an upload",
    "after an upload, before its journal line",
    "after the last file, before the manifest",
    "after the manifest, before its journal line",
]


@dataclass(frozen=True)
class Chunks:
    """Distinct files, made up from a seed, so that no bytes need to travel to the child."""

    seed: int
    day: str = "2026-11-01"
    count: int = 3
    size: int = 400_000

    @property
    def contents(self) -> dict[str, bytes]:
        return {
            f"{self.day}/profiles-{n}.csv.gz": Random(self.seed * 100 + n).randbytes(self.size + n)
            for n in range(self.count)
        }


@dataclass(frozen=True)
class Job:
    """One run of a delivery: what to deliver, whereto, and where to die. `open` has to travel to the child."""

    state: Path
    open: Callable[[], Destination]
    chunks: Chunks
    attempt: str
    partition: str = "2026-11-01"
    on_rerun: OnRerun = "overwrite"
    point: Point = "nowhere"
    parts: Path | None = None
    """The folder below which temporary names show, for the death in the middle of an upload."""


def start(job: Job) -> BaseProcess:
    """Runs a job in a process of its own."""
    return fork(run, job)


def run(job: Job) -> None:
    asked = request(
        job.state,
        job.chunks.contents,
        attempt=job.attempt,
        partition=job.partition,
        on_rerun=job.on_rerun,
        run_id=job.attempt,
    )
    deliver(asked, _destination(job))


def _destination(job: Job) -> Destination:
    opened, files = job.open(), job.chunks.count
    match job.point:
        case "nowhere":
            return opened
        case "when the plan is frozen":
            _die_when_there(job.state / "deliveries", f"*/{job.partition}/plan-g*.json")
            return opened
        case "in the middle of an upload":
            assert job.parts
            _die_when_there(job.parts, "**/.*.part")
            return opened
        case "before an upload":
            return Wrapped(opened, 2, "before", _die)
        case "after an upload, before its journal line":
            return Wrapped(opened, 2, "after", _die)
        case "after the last file, before the manifest":
            return Wrapped(opened, files + 1, "before", _die)
        case "after the manifest, before its journal line":
            return Wrapped(opened, files + 1, "after", _die)


def _die(_: Upload) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_when_there(folder: Path, pattern: str) -> None:
    """Watches for a file that has bytes in it, and kills the process at that instant."""

    def watch() -> None:
        while not any(path.stat().st_size for path in folder.glob(pattern)):
            pass
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
