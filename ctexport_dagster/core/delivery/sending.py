"""Sends planned files: several at once, each noted in the journal before and after, transient failures tried again."""

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from threading import Event

import stamina

from ctexport_dagster.core.delivery.plan import NOTHING, Holdings
from ctexport_dagster.core.delivery.record import Generation
from ctexport_dagster.core.delivery.request import RetryPolicy
from ctexport_dagster.core.destination import Destination, Upload
from ctexport_dagster.core.errors import DeliveryError
from ctexport_dagster.core.failure import Failure


@dataclass(frozen=True)
class Tally:
    """What one attempt sent: files and their bytes, empty files over unused keys."""

    files: int = 0
    bytes: int = 0
    blanks: int = 0


@dataclass(frozen=True)
class Progress:
    """One file has arrived; `done` of `total` of this attempt's files (or empty files, or manifest) have."""

    key: str
    bytes: int
    done: int
    total: int


def silent(_: Progress) -> None:
    """The progress that nobody watches."""


@dataclass(frozen=True)
class Sender:
    """Puts files of one generation at a destination. `holdings` is as of the attempt's start."""

    destination: Destination
    generation: Generation
    holdings: Holdings
    attempt: str
    parallel: int
    retries: RetryPolicy
    progress: Callable[[Progress], None]
    _stopping: Event = field(init=False, default_factory=Event)

    def send_all(self, uploads: Sequence[Upload]) -> None:
        """Returns once every file has arrived and is noted.

        After a failure or an interrupt nothing new begins; uploads under way are waited for, so that none of them
        is still writing when the partition's lock is given up.

        Raises:
            DeliveryError: the failure of the first file, in plan order, that failed.
        """
        if not uploads:
            return
        with ThreadPoolExecutor(self.parallel, thread_name_prefix="delivery") as threads:
            futures = [threads.submit(self._send_unless_stopping, upload) for upload in uploads]
            try:
                self._watch(uploads, futures)
            except BaseException:
                self._stopping.set()
                raise
        for future in futures:
            future.result()

    def _watch(self, uploads: Sequence[Upload], futures: Sequence[Future[bool]]) -> None:
        """Reports files as they arrive."""
        upload_of = dict(zip(futures, uploads, strict=True))
        done = 0
        for future in as_completed(futures):
            if future.exception() is None and future.result():
                done += 1
                upload = upload_of[future]
                self.progress(Progress(upload.key, upload.bytes, done, len(uploads)))

    def _send_unless_stopping(self, upload: Upload) -> bool:
        """Whether the file was sent. A failure stops the files that have not begun from here, at once."""
        if self._stopping.is_set():
            return False
        try:
            self._send(upload)
        except BaseException:
            self._stopping.set()
            raise
        return True

    def _send(self, upload: Upload) -> None:
        _check_staged(upload)
        self.generation.note("sending", upload.key, self.attempt)
        there = self.holdings.get(self.destination.address(upload.key), NOTHING)
        attempts = iter([replace(upload, may_lie_there=upload.sha256 in there)])
        again = replace(upload, may_lie_there=True)
        self._retrying(lambda: self.destination.put(next(attempts, again)))
        self.generation.note("sent", upload.key, self.attempt)

    def _retrying(self, put: Callable[[], object]) -> None:
        caller = stamina.RetryingCaller(
            attempts=self.retries.attempts,
            timeout=None,
            wait_initial=self.retries.wait_initial_seconds,
            wait_max=self.retries.wait_max_seconds,
            wait_jitter=self.retries.wait_jitter_seconds,
        )
        caller(self._worth_another_try, put)

    def _worth_another_try(self, error: Exception) -> bool | float:
        """Whether to try again, or after how many seconds, where the service asked for them."""
        if not isinstance(error, DeliveryError) or not error.failure.is_transient or self._stopping.is_set():
            return False
        asked = error.failure.retry_after_seconds
        return True if asked is None else min(asked, self.retries.wait_max_seconds)


def _check_staged(upload: Upload) -> None:
    """Refuses a staged file that is no longer what was planned: damaged bytes must not leave the house.

    Raises:
        DeliveryError: the file is missing, or its size or checksum differs; ours to mend.
    """
    try:
        with upload.path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.tell()
    except FileNotFoundError:
        raise _damaged(upload, "is gone") from None
    if (size, sha256) != (upload.bytes, upload.sha256):
        raise _damaged(upload, "is not what was planned: its size or checksum differs")


def _damaged(upload: Upload, what: str) -> DeliveryError:
    return DeliveryError(
        f"Sending {upload.key}",
        Failure(
            whose="ours",
            code="staging",
            happened=f"the staged file {what}",
            cause="something changed the staging folder, or the disk lost data",
            fix="Materialize formatted_chunks of this partition again, then deliver",
        ),
    )
