"""The local disk: no server; its faults are those of folders and rights."""

import os
import resource
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from contract import Address, Case, Fault, Grant
from fault_proxy import FaultProxy

from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.local import LocalDestination

LARGEST_BYTES = 100_000


class LocalCase:
    """A folder that an unprivileged user reaches as well, unlike pytest's own."""

    kind = "local"
    overwrites = True
    endpoint: Address = ("127.0.0.1", 9)
    secrets: Sequence[str] = ()

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._root = Path(self._folder.name)
        self._root.chmod(0o755)
        self._latest = ""
        self.surroundings = Surroundings(self._root)

    def declaration(
        self, endpoint: Address | None = None, *, prefix: str = "", timeout_seconds: float = 20
    ) -> LocalDestination:
        del endpoint, timeout_seconds  # a disk has neither
        self._latest = prefix
        return LocalDestination(type="local", name="disk", folder="exports", prefix=prefix)

    def read(self, key: str) -> bytes:
        return (self._root / "exports" / key).read_bytes()

    def keys(self) -> set[str]:
        exports = self._root / "exports"
        paths = (path for path in exports.rglob("*") if path.is_file() and not path.name.endswith(".part"))
        return {str(path.relative_to(exports)) for path in paths}

    def faults(self) -> Sequence[Fault]:
        folder = "the folder of the key"
        return [
            self._fault(f"a file stands where {folder} should be", self._in_the_way(lambda day: day.write_text("x"))),
            self._fault(f"a link stands where {folder} should be", self._in_the_way(lambda day: day.symlink_to("/"))),
            self._fault("a folder stands where the file should be", self._in_the_way(_folder_for_the_file)),
            self._fault("a pipe stands where the file should be", self._in_the_way(_pipe_for_the_file)),
            self._fault("the root is no folder", self._root_is_a_file),
            self._fault("the file is larger than allowed", _small_files_only),
        ]

    def grants(self) -> Sequence[Grant]:
        return []

    def close(self) -> None:
        self._folder.cleanup()

    def _fault(self, name: str, inflict: Callable[[], Iterator[None]]) -> Fault:
        context = contextmanager(inflict)

        def inflicted(_: FaultProxy) -> AbstractContextManager[None]:
            return context()

        return Fault(name, "customer", inflicted, counts=False)

    def _in_the_way(self, put: Callable[[Path], object]) -> Callable[[], Iterator[None]]:
        def inflict() -> Iterator[None]:
            day = self._root / "exports" / self._latest / "day"
            day.parent.mkdir(parents=True, exist_ok=True)
            put(day)
            yield
            day.rename(self._root / f"aside-{self._latest}")

        return inflict

    def _root_is_a_file(self) -> Iterator[None]:
        root, aside = self._root / "exports", self._root / "exports-aside"
        root.mkdir(exist_ok=True)
        root.rename(aside)
        root.write_text("x")
        yield
        root.unlink()
        aside.rename(root)


def _folder_for_the_file(day: Path) -> None:
    (day / "profiles-0.csv.gz").mkdir(parents=True)


def _pipe_for_the_file(day: Path) -> None:
    day.mkdir()
    os.mkfifo(day / "profiles-0.csv.gz")


def _small_files_only() -> Iterator[None]:
    was = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_BYTES, was[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, was)


def make_case(folder: Path, environment: Mapping[str, str]) -> Case:
    del folder, environment
    return LocalCase()
