"""As many files are under way at once as a destination declares, and never one more."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from case_local import FAILING, FailingCalls
from contract import Case, under, without_manifests
from delivery_fakes import request
from fault_proxy import FaultProxy

from ctexport_dagster.core.delivery.protocol import deliver
from ctexport_dagster.core.destination import Destination, PutOutcome, Upload

AT_ONCE = 3
CONTENTS = {f"day/{number}.csv.gz": bytes([number]) * 50_000 for number in range(2 * AT_ONCE + 1)}
PATIENCE_SECONDS = 20


class Meeting:
    """Holds the first so many who come until all of them are here; lets everybody after them pass."""

    def __init__(self, count: int) -> None:
        self._barrier = threading.Barrier(count)
        self._lock = threading.Lock()
        self._expected = count

    def join(self) -> None:
        with self._lock:
            is_expected, self._expected = self._expected > 0, self._expected - 1
        if is_expected:
            self._barrier.wait(PATIENCE_SECONDS)


@dataclass(frozen=True)
class MeetingCalls(FailingCalls):
    """A disk on which uploads wait for each other before they are durable."""

    meeting: Meeting = field(default_factory=lambda: Meeting(AT_ONCE))

    def fsync(self, fd: int) -> None:
        self.meeting.join()
        super().fsync(fd)


@dataclass
class Counting:
    """A destination that knows how many files were under way at once at most."""

    inner: Destination
    most: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def address(self, key: str) -> str:
        return self.inner.address(key)

    def discard_unfinished(self, key: str, attempt: str) -> None:
        self.inner.discard_unfinished(key, attempt)

    def put(self, upload: Upload) -> PutOutcome:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        outcome = self.inner.put(upload)
        with self._lock:
            self._now -= 1
        return outcome


@contextmanager
def meeting_on_the_way(case: Case, prefix: str) -> Iterator[FaultProxy]:
    """The first uploads wait for each other: before their first byte passes, on a disk once they are written."""
    meeting = Meeting(AT_ONCE)
    with FaultProxy(case.endpoint, speaks_http=case.kind != "sftp") as proxy:
        proxy.on_bytes = lambda _: meeting.join()
        FAILING[prefix] = MeetingCalls("nothing", 0, meeting=meeting)
        yield proxy
        del FAILING[prefix]


@pytest.mark.timeout(120)
def test_as_many_uploads_overlap_as_are_declared_and_never_more(case: Case, tmp_path: Path, prefix: str) -> None:
    with meeting_on_the_way(case, prefix) as proxy:
        declared = case.declaration(proxy.endpoint, prefix=prefix).model_copy(update={"parallel_uploads": AT_ONCE})
        counting = Counting(declared.open(case.surroundings))
        deliver(request(tmp_path, CONTENTS, parallel=declared.pace.parallel), counting)
    assert (counting.most, without_manifests(under(case, prefix))) == (AT_ONCE, CONTENTS)
