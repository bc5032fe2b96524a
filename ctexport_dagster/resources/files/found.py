"""Files that a template means, wherever they lie: listed without reading them, and brought here to be read."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ctexport_dagster.resources.files.bytes import content_hash, unreadable
from ctexport_dagster.resources.files.parquet import parquet_row_count
from ctexport_dagster.resources.files.templates import FileFormat, files_of, pattern_of

_GZIP_RATIO = 6


class FoundFile(Protocol):
    """One input file as it was found."""

    @property
    def name(self) -> str:
        """Relative to the home, absolute, or a URL; shown in errors and the quarantine."""
        ...

    @property
    def bytes(self) -> int: ...

    @property
    def changed(self) -> int | None:
        """When, in nanoseconds since 1970. None where `content` is told for free."""
        ...

    @property
    def touched(self) -> int | None:
        """When anything of it changed last, its name and `changed` included: nobody sets it. None as with `changed`."""
        ...

    def content(self) -> str:
        """What changes with the file's content: its sha256, or what its store gives instead, without a download.

        Raises:
            SourceUnreadable: the file can't be read.
        """
        ...

    def begins_with(self, content: str, size: int) -> bool:
        """Whether its first `size` bytes are what `content` was the first characters of, so that it has only grown.

        Raises:
            SourceUnreadable: the file can't be read.
        """
        ...

    def here(self) -> AbstractContextManager[Path]:
        """The file on this machine, for as long as the context is entered.

        Raises:
            SourceUnreadable: it can't be brought here.
        """
        ...

    def row_estimate(self, kind: FileFormat, row_bytes: int) -> int:
        """About how many rows it has, where one takes so many bytes of text."""
        ...


@dataclass(frozen=True)
class Found:
    """The files of a template in the order of their names, and the pattern that they match."""

    pattern: str
    files: tuple[FoundFile, ...]


class Place(Protocol):
    """Where a source's files lie."""

    def find(self, template: str, partition: str) -> Found:
        """The files that a template means for a partition.

        Raises:
            SourceUnreadable: they can't be listed.
        """
        ...


@dataclass(frozen=True)
class LocalFile:
    """A file on a disk that this machine can read, as it was when it was found."""

    name: str
    path: Path
    bytes: int
    changed: int
    touched: int = field(compare=False)

    @staticmethod
    def at(path: Path, name: str) -> "LocalFile":
        told = path.stat()
        return LocalFile(name, path, told.st_size, told.st_mtime_ns, told.st_ctime_ns)

    def content(self) -> str:
        with self.here() as path:
            return content_hash(path)

    def begins_with(self, content: str, size: int) -> bool:
        with self.here() as path:
            return content_hash(path, size).startswith(content)

    @contextmanager
    def here(self) -> Iterator[Path]:
        """The file itself.

        Raises:
            SourceUnreadable: it is gone, or has changed since it was found.
        """
        yield self.path
        try:
            now = LocalFile.at(self.path, self.name)
        except OSError as error:
            raise unreadable(self.path, type(error).__name__) from None
        if now != self:
            raise unreadable(self.path, "it changed while it was read")

    def row_estimate(self, kind: FileFormat, row_bytes: int) -> int:
        if kind == "parquet":
            return parquet_row_count(self.path)
        return rows_by_size(self.name, self.bytes, row_bytes)


@dataclass(frozen=True)
class Disk:
    """The disks of this machine; relative paths belong to a home."""

    home_root: Path

    def find(self, template: str, partition: str) -> Found:
        pattern = pattern_of(template, partition, self.home_root)
        return Found(pattern, tuple(LocalFile.at(path, self._name_of(path)) for path in files_of(pattern)))

    def _name_of(self, path: Path) -> str:
        return str(path.relative_to(self.home_root)) if path.is_relative_to(self.home_root) else str(path)


def rows_by_size(name: str, size: int, row_bytes: int) -> int:
    """The rows that a text file of this size may have."""
    ratio = _GZIP_RATIO if name.endswith((".gz", ".gzip")) else 1
    return size * ratio // row_bytes
