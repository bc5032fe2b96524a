"""The local disk: no server; its faults are those of folders, rights and disks."""

import errno
import itertools
import os
import resource
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from contract import Address, Case, Fault, Grant
from disk_calls import DiskCalls, is_folder

from ctexport_dagster.core.failure import FailureClass
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.local import LocalDestination, LocalDisk

LARGEST_BYTES = 100_000
DiskCall = Literal["nothing", "create", "mkdir", "write", "fsync", "rename"]


class LocalCase:
    """A folder that an unprivileged user reaches as well, unlike pytest's own."""

    kind = "local"
    endpoint: Address = ("127.0.0.1", 9)
    secrets: Sequence[str] = ()

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._root = Path(self._folder.name)
        self._root.chmod(0o755)
        self.exports = self._root / "exports"
        self.exports.mkdir()
        self._latest = ""
        self._numbers = itertools.count()
        self.surroundings = Surroundings(self._root)

    def declaration(
        self, endpoint: Address | None = None, *, prefix: str = "", timeout_seconds: float = 20
    ) -> LocalDestination:
        del endpoint, timeout_seconds  # a disk has neither
        self._latest = prefix
        return DiskThatMayFail(type="local", name="disk", folder=str(self.exports), prefix=prefix)

    def read(self, key: str) -> bytes:
        return (self.exports / key).read_bytes()

    def keys(self) -> set[str]:
        paths = (path for path in self.exports.rglob("*") if path.is_file() and not path.name.endswith(".part"))
        return {str(path.relative_to(self.exports)) for path in paths}

    def readable(self, prefix: str) -> LocalDestination:
        return self.declaration(prefix=prefix)

    def change(self, key: str, content: bytes) -> None:
        (self.exports / key).write_bytes(content)

    def remove(self, key: str) -> None:
        (self.exports / key).unlink()

    def faults(self) -> Sequence[Fault]:
        folder = "the folder of the key"
        real = {
            f"a file stands where {folder} should be": self._in_the_way(lambda day: day.write_text("x")),
            f"a link stands where {folder} should be": self._in_the_way(lambda day: day.symlink_to("/")),
            "a folder stands where the file should be": self._in_the_way(_folder_for_the_file),
            "a pipe stands where the file should be": self._in_the_way(_pipe_for_the_file),
            "a link stands under the temporary name": self._in_the_way(_link_for_the_part),
            "the folder is gone": self._mount_is_gone,
            "the root is no folder": self._root_is_a_file,
            "the file is larger than allowed": _small_files_only,
        }
        return [
            *(_fault(name, "customer", contextmanager(inflict)) for name, inflict in real.items()),
            *(_fault(name, whose, partial(self._failing, failing)) for name, whose, failing in REFUSALS),
        ]

    def grants(self) -> Sequence[Grant]:
        return []

    def close(self) -> None:
        self._folder.cleanup()

    @contextmanager
    def _failing(self, failing: "FailingCalls") -> Iterator[None]:
        FAILING[self._latest] = replace(failing, watched=self.exports / self._latest)
        yield
        del FAILING[self._latest]

    def _in_the_way(self, put: Callable[[Path], object]) -> Callable[[], Iterator[None]]:
        def inflict() -> Iterator[None]:
            day = self.exports / self._latest / "day"
            day.parent.mkdir(parents=True, exist_ok=True)
            put(day)
            yield
            day.rename(self._root / f"aside-{next(self._numbers)}")

        return inflict

    def _root_is_a_file(self) -> Iterator[None]:
        aside = self.exports.rename(self._root / "exports-aside")
        self.exports.write_text("x")
        yield
        self.exports.unlink()
        aside.rename(self.exports)

    def _mount_is_gone(self) -> Iterator[None]:
        aside = self.exports.rename(self._root / "exports-aside")
        yield
        aside.rename(self.exports)


def _folder_for_the_file(day: Path) -> None:
    (day / "profiles-0.csv.gz").mkdir(parents=True)


def _pipe_for_the_file(day: Path) -> None:
    day.mkdir()
    os.mkfifo(day / "profiles-0.csv.gz")


def _link_for_the_part(day: Path) -> None:
    day.mkdir()
    (day / ".profiles-0.csv.gz.a1.part").symlink_to("/")


def _small_files_only() -> Iterator[None]:
    was = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_BYTES, was[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, was)


def _fault(name: str, whose: FailureClass, context: Callable[[], AbstractContextManager[None]]) -> Fault:
    return Fault(name, whose, lambda _: context(), counts=False)


@dataclass(frozen=True)
class FailingCalls(DiskCalls):
    """The system's own calls, but one of them fails: as disks do that no test can have."""

    call: DiskCall
    code: int
    watched: Path = Path()
    """Nothing may show below it when the call fails: it fails before a file has its name."""

    def open(self, path: str | Path, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if flags & os.O_CREAT:
            self._perhaps_fail("create")
        return super().open(path, flags, mode, dir_fd=dir_fd)

    def mkdir(self, path: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        self._perhaps_fail("mkdir")
        super().mkdir(path, mode, dir_fd=dir_fd)

    def write(self, fd: int, data: memoryview, /) -> int:
        """Half of what it is given arrives before it fails."""
        if self.call == "write":
            os.write(fd, data[: len(data) // 2])
        self._perhaps_fail("write")
        return super().write(fd, data)

    def fsync(self, fd: int) -> None:
        if not is_folder(fd):
            self._perhaps_fail("fsync")
        super().fsync(fd)

    def rename(self, src: str, dst: str, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        self._perhaps_fail("rename")
        super().rename(src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)

    def _perhaps_fail(self, call: DiskCall) -> None:
        if call == self.call:
            shown = [path for path in self.watched.rglob("*.csv.gz") if not path.name.startswith(".")]
            assert shown == []
            raise OSError(self.code, os.strerror(self.code))


FAILING: dict[str, FailingCalls] = {}
"""What fails just now, by prefix."""


class DiskThatMayFail(LocalDestination):
    """A folder on the local disk, but that it is opened with the calls that fail just now."""

    def open(self, surroundings: Surroundings) -> LocalDisk:
        disk = super().open(surroundings)
        return replace(disk, calls=FAILING.get(self.prefix, disk.calls))


REFUSALS: Sequence[tuple[str, FailureClass, FailingCalls]] = [
    ("the folder is not the user's to write", "customer", FailingCalls("mkdir", errno.EACCES)),
    ("the disk may only be read", "customer", FailingCalls("mkdir", errno.EROFS)),
    ("the disk is full", "customer", FailingCalls("write", errno.ENOSPC)),
    ("the quota is used up", "customer", FailingCalls("write", errno.EDQUOT)),
    ("the name is too long", "customer", FailingCalls("create", errno.ENAMETOOLONG)),
    ("the disk damages what is written", "transient", FailingCalls("write", errno.EIO)),
    ("the disk can't make a file durable", "transient", FailingCalls("fsync", errno.EIO)),
    ("the disk falls silent while it makes a file durable", "transient", FailingCalls("fsync", errno.ETIMEDOUT)),
    ("the server of a network disk was restarted", "transient", FailingCalls("create", errno.ESTALE)),
    ("the name is in use by another process", "transient", FailingCalls("rename", errno.EBUSY)),
]
"""Name, class, and the call that fails with its code."""


def make_case(folder: Path, environment: Mapping[str, str]) -> Case:
    del folder, environment
    return LocalCase()
