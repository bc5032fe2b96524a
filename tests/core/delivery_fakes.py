"""Deliveries to test with: staged files, requests, and destinations that remember, refuse, stumble or die."""

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from ctexport_dagster.core.delivery.request import DeliveryRequest, OnRerun, RetryPolicy, StagedFile
from ctexport_dagster.core.destination import Destination, PutOutcome, Upload
from ctexport_dagster.core.errors import DeliveryError
from ctexport_dagster.core.failure import Failure
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.manifest import Manifest, ManifestColumn, ManifestHead, Mode, RowCounts

EMPTY_FILE = b"empty!"
EXPORT = "daily"
NO_WAITING = RetryPolicy(attempts=5, wait_initial_seconds=0, wait_max_seconds=0, wait_jitter_seconds=0)


def head(partition: str = "2026-11-01", *, rows: int = 0, run_id: str = "run", mode: Mode = "full") -> ManifestHead:
    start = datetime.fromisoformat(partition).replace(tzinfo=UTC)
    return ManifestHead(
        export=EXPORT,
        export_id=1761651721,
        configuration_version="c0ffee",
        kind="profiles",
        partition=partition,
        window=Interval(start, start + timedelta(days=1)),
        run_id=run_id,
        mode=mode,
        format={"type": "csv"},
        fingerprint="f00d",
        columns=(ManifestColumn("clevertapId", "string", "clevertapId"),),
        rows=RowCounts(rows, 0, 0, 0, rows, 0),
        lake_version=7,
        upstream_runs=("upstream",),
    )


def stage(folder: Path, contents: Mapping[str, bytes]) -> tuple[StagedFile, ...]:
    """Stages one file for each key; keys are as given, rows are the bytes' number."""
    folder.mkdir(parents=True, exist_ok=True)
    staged = []
    for number, (key, content) in enumerate(contents.items()):
        path = folder / f"chunk-{number}"
        path.write_bytes(content)
        staged.append(StagedFile(path, key, len(content), len(content), hashlib.sha256(content).hexdigest()))
    return tuple(staged)


def manifest_key(keys: Sequence[str], generation: int) -> str:
    folder = keys[0].rpartition("/")[0] + "/" if keys and "/" in keys[0] else ""
    return f"{folder}{EXPORT}-g{generation}.manifest.json"


def renamed(file: StagedFile, generation: int) -> str:
    stem, dot, ending = file.key.partition(".")
    return f"{stem}-g{generation}{dot}{ending}"


def request(
    state: Path,
    contents: Mapping[str, bytes],
    *,
    attempt: str = "a1",
    on_rerun: OnRerun = "overwrite",
    partition: str = "2026-11-01",
    resend: bool = False,
    parallel: int = 2,
    run_id: str = "run",
) -> DeliveryRequest:
    """A request to deliver these contents, staged under `state` in a folder of the attempt's."""
    files = stage(state / "staging" / f"{partition}-{attempt}", contents)
    return DeliveryRequest(
        record=state / "deliveries" / EXPORT / partition,
        attempt=attempt,
        head=head(partition, rows=sum(file.rows for file in files), run_id=run_id),
        files=files,
        manifest_key=manifest_key,
        renamed=renamed,
        empty_file=EMPTY_FILE,
        on_rerun=on_rerun,
        resend=resend,
        parallel=parallel,
        retries=NO_WAITING,
    )


@dataclass
class Bucket:
    """Keeps what is put in memory, and refuses what a delivery must never do."""

    name: str = "bucket"
    contents: dict[str, bytes] = field(default_factory=dict)
    puts: list[str] = field(default_factory=list)

    def address(self, key: str) -> str:
        return f"{self.name}://{key}"

    def put(self, upload: Upload) -> PutOutcome:
        content = upload.path.read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (upload.bytes, upload.sha256)
        self.puts.append(upload.key)
        if upload.key.endswith(".manifest.json"):
            self.assert_holds(Manifest.from_json(content.decode()))
        if upload.key in self.contents and not upload.overwrites:
            assert upload.may_lie_there, f"{upload.key} is there already, and nobody said so"
            assert self.contents[upload.key] == content
            return "already_there"
        self.contents[upload.key] = content
        return "written"

    def discard_unfinished(self, key: str, attempt: str) -> None:
        pass

    def assert_holds(self, manifest: Manifest) -> None:
        for file in manifest.files:
            assert hashlib.sha256(self.contents[file.key]).hexdigest() == file.sha256, f"{file.key} is not there yet"


class Crash(BaseException):
    """The process dies here, as far as this test is concerned."""


When = Literal["before", "after"]


@dataclass
class Wrapped:
    """A destination that does something before or after the n-th put (from 1)."""

    inner: Destination
    at: int
    when: When
    act: Callable[[Upload], None]
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def address(self, key: str) -> str:
        return self.inner.address(key)

    def discard_unfinished(self, key: str, attempt: str) -> None:
        self.inner.discard_unfinished(key, attempt)

    def put(self, upload: Upload) -> PutOutcome:
        number = next(self.numbers)  # this put's own: others begin while it is under way
        if number == self.at and self.when == "before":
            self.act(upload)
        outcome = self.inner.put(upload)
        if number == self.at and self.when == "after":
            self.act(upload)
        return outcome


def crashing(inner: Destination, at: int, when: When) -> Wrapped:
    def crash(upload: Upload) -> None:
        raise Crash

    return Wrapped(inner, at, when, crash)


TRANSIENT = Failure("transient", "503", "the service stumbled", "it is busy", "It is tried again")
PERMANENT = Failure("customer", "403", "access was denied", "the policy is gone", "Apply the policy")


@dataclass
class Faulty:
    """Fails these puts (counted from 1), each before or after the bytes have arrived."""

    inner: Destination
    faults: Mapping[int, tuple[When, Failure]]
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    puts: list[str] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len(self.puts)

    def address(self, key: str) -> str:
        return self.inner.address(key)

    def discard_unfinished(self, key: str, attempt: str) -> None:
        self.inner.discard_unfinished(key, attempt)

    def put(self, upload: Upload) -> PutOutcome:
        self.puts.append(upload.key)
        when, failure = self.faults.get(next(self.numbers), ("never", None))
        if failure and when == "before":
            raise DeliveryError(f"Sending {upload.key}", failure)
        outcome = self.inner.put(upload)
        if failure:
            raise DeliveryError(f"Sending {upload.key}", failure)
        return outcome


def with_asked_wait(failure: Failure, seconds: float) -> Failure:
    return replace(failure, retry_after_seconds=seconds)
