"""A process that delivers to any destination and kills itself at a named point; no clean-up of any kind runs then."""

import os
import signal
import threading
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Literal

from delivery_fakes import Wrapped, request

from ctexport_dagster.core.delivery.protocol import deliver
from ctexport_dagster.core.destination import Destination, Upload
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.home import DestinationDeclaration

Point = Literal[
    "nowhere",
    "after the plan",
    "before an upload",
    "after an upload, before its journal line",
    "after the last file, before the manifest",
    "after the manifest, before its journal line",
]
FILES = 3
SDKS = ["s3.client", "gcs.client", "azure.blob_client", "azure.adls_client", "sftp.ssh"]
"""Modules that bring the clouds' libraries in: seconds a child, were they not loaded before it is forked. One that
isn't installed is passed over."""


@dataclass(frozen=True)
class Job:
    """One run of a delivery: whereto, which of the made-up files, and where to die."""

    state: Path
    declaration: DestinationDeclaration
    surroundings: Surroundings
    seed: int
    partition: str
    attempt: str
    point: Point = "nowhere"

    @property
    def contents(self) -> dict[str, bytes]:
        """Distinct files, made up from the seed, so that no bytes need to travel to the child."""
        return {
            f"{self.partition}/profiles-{n}.csv.gz": Random(self.seed * 100 + n).randbytes(300_000 + n)
            for n in range(FILES)
        }


_server = get_context("forkserver")


def start(job: Job) -> BaseProcess:
    """Runs a job in a process of its own, forked from a clean one that has loaded what all of them need."""
    _server.set_forkserver_preload(["kill_child", *(f"ctexport_dagster.resources.{name}" for name in SDKS)])
    process = _server.Process(target=run, args=(job,))
    process.start()
    return process


def run(job: Job) -> None:
    asked = request(job.state, job.contents, attempt=job.attempt, partition=job.partition, run_id=job.attempt)
    deliver(asked, _destination(job))


def _destination(job: Job) -> Destination:
    opened = job.declaration.open(job.surroundings)
    match job.point:
        case "nowhere":
            return opened
        case "after the plan":
            _die_when_there(job.state / "deliveries", f"*/{job.partition}/plan-g*.json")
            return opened
        case "before an upload":
            return Wrapped(opened, 2, "before", _die)
        case "after an upload, before its journal line":
            return Wrapped(opened, 2, "after", _die)
        case "after the last file, before the manifest":
            return Wrapped(opened, FILES + 1, "before", _die)
        case "after the manifest, before its journal line":
            return Wrapped(opened, FILES + 1, "after", _die)


def _die(_: Upload) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_when_there(folder: Path, pattern: str) -> None:
    """Watches for a file that has bytes in it, and kills the process at that instant."""

    def watch() -> None:
        while not any(path.stat().st_size for path in folder.glob(pattern)):
            pass
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()
