"""The local disk as a destination: a folder under which every key is a path.

A relative `folder` belongs to the home and is created on first use. An absolute one must exist: were a disk that
isn't mounted replaced by a new folder under its mount point, deliveries would silently go to the wrong disk. For
the same reason let `folder` be a folder on a mounted disk, never the mount point itself.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Literal, Protocol

from pydantic import Field

from ctexport_dagster.core.destination import PutOutcome, Upload
from ctexport_dagster.core.errors import DeliveryError
from ctexport_dagster.core.failure import STAGED_FILE_CHANGED, Failure, local_failure, reading_denied
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.canary import try_with_a_canary
from ctexport_dagster.resources.declared_destination import DeclaredDestination
from ctexport_dagster.resources.keys_as_paths import is_inside, part_name

_BLOCK_BYTES = 1 << 20
_UNREADABLE = ""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class DiskCalls(Protocol):
    """The calls to a disk that write; `os` has them, and a test's own fail as disks do."""

    def open(self, path: str | Path, flags: int, mode: int = ..., *, dir_fd: int | None = ...) -> int: ...

    def mkdir(self, path: str, mode: int = ..., *, dir_fd: int | None = ...) -> None: ...

    def write(self, fd: int, data: memoryview, /) -> int: ...

    def fsync(self, fd: int) -> None: ...

    def rename(self, src: str, dst: str, *, src_dir_fd: int | None = ..., dst_dir_fd: int | None = ...) -> None: ...


class LocalDestination(DeclaredDestination):
    """A folder on this machine's disks, as `resources/local_disk.yaml` declares it."""

    type: Literal["local"]
    folder: str = Field(min_length=1)
    """Relative to the home, and made on first use; an absolute one must exist."""

    def open(self, surroundings: Surroundings) -> "LocalDisk":
        """The destination, ready to take files; touches nothing."""
        declared = Path(self.folder).expanduser()
        return LocalDisk(
            root=surroundings.home.resolve() / declared, prefix=self.prefix, creates_root=not declared.is_absolute()
        )


@dataclass(frozen=True)
class LocalDisk:
    """Takes files on a local disk: temporary name, sync, rename. Follows no link below `root`."""

    root: Path
    prefix: str = ""
    creates_root: bool = True
    calls: DiskCalls = os

    def address(self, key: str) -> str:
        return str(self.root / self.prefix / key)

    def put(self, upload: Upload) -> PutOutcome:
        """Writes one file beside its key and renames it.

        An existing file is replaced where the plan says that it is ours; else it must hold these very bytes.

        Raises:
            DeliveryError: the folder or the disk refuses, the key is taken, or the staged file changed on the way.
        """
        name = upload.key.rpartition("/")[2]
        with (
            upload.path.open("rb", buffering=0) as source,
            self._reported(upload.key),
            self._folder_of(upload.key, creates=True) as folder,
        ):
            if not upload.overwrites and (held := _checksum(folder, name)) is not None:
                if held == upload.sha256:
                    self.calls.fsync(folder)  # an earlier try may have failed in just that
                    return "already_there"
                if held != _UNREADABLE or not upload.may_lie_there:
                    raise _taken(self.address(upload.key))
            self._write(source, folder, name, upload)
        return "written"

    def discard_unfinished(self, key: str, attempt: str) -> None:
        """Removes the temporary file of an attempt that died while sending this key."""
        with self._reported(key), suppress(FileNotFoundError), self._folder_of(key, creates=False) as folder:
            os.unlink(part_name(key.rpartition("/")[2], attempt), dir_fd=folder)

    def read(self, key: str) -> Iterator[bytes]:
        """The bytes under a key, for `ctexport verify` alone.

        Raises:
            FileNotFoundError: nothing lies there.
            DeliveryError: reading isn't allowed, or failed.
        """
        name = key.rpartition("/")[2]
        try:
            with self._folder_of(key, creates=False) as folder:
                handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
            with os.fdopen(handle, "rb", buffering=0) as file:
                while block := file.read(_BLOCK_BYTES):
                    yield block
        except FileNotFoundError:
            raise
        except OSError as error:
            raise DeliveryError(f"Reading {self.address(key)}", _unread(error)) from error

    def check(self) -> Failure | None:
        """Why nothing could be written there now; None if all looks well. Writes nothing itself."""
        place = self.root
        while self.creates_root and not place.exists() and place != place.parent:
            place = place.parent
        try:
            is_folder = stat.S_ISDIR(place.stat().st_mode)
        except OSError as error:
            return local_failure(error)
        if not is_folder:
            return local_failure(NotADirectoryError(errno.ENOTDIR, ""))
        may_write = os.access(place, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids)
        return None if may_write else local_failure(PermissionError(errno.EACCES, ""))

    def canary(self) -> Failure | None:
        """Why nothing could be written there; None once one tiny file lies below `.ctexport-canary`."""
        return try_with_a_canary(self)

    @contextmanager
    def _folder_of(self, key: str, *, creates: bool) -> Iterator[int]:
        """A handle on the folder that holds a key; of the folders on the way to it none may be a link."""
        path = f"{self.prefix}/{key}" if self.prefix else key
        if not is_inside(path):
            raise ValueError(f"the key {key!r} leads out of the destination's folder")
        if creates and self.creates_root:
            self.root.mkdir(parents=True, exist_ok=True)
        handle = self.calls.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for segment in path.split("/")[:-1]:
                below = self._enter(handle, segment, creates=creates)
                os.close(handle)
                handle = below
            yield handle
        finally:
            os.close(handle)

    @contextmanager
    def _reported(self, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DeliveryError(f"Writing {self.address(key)}", local_failure(error)) from error

    def _enter(self, parent: int, segment: str, *, creates: bool) -> int:
        try:
            return self.calls.open(segment, _FOLDER, dir_fd=parent)
        except FileNotFoundError:
            if not creates:
                raise
        with suppress(FileExistsError):
            self.calls.mkdir(segment, dir_fd=parent)
            self.calls.fsync(parent)
        return self.calls.open(segment, _FOLDER, dir_fd=parent)

    def _write(self, source: RawIOBase, folder: int, name: str, upload: Upload) -> None:
        part = part_name(name, upload.attempt)
        try:
            self._copy(source, folder, part, upload)
            self.calls.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(part, dir_fd=folder)
            raise
        self.calls.fsync(folder)

    def _copy(self, source: RawIOBase, folder: int, part: str, upload: Upload) -> None:
        """Copies the staged file block by block, checks what was written, and makes it durable."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        digest, size = hashlib.sha256(), 0
        with os.fdopen(self.calls.open(part, flags, 0o666, dir_fd=folder), "wb", buffering=0) as target:
            while block := source.read(_BLOCK_BYTES):
                digest.update(block)
                size += len(block)
                self._write_whole(target.fileno(), block)
            self.calls.fsync(target.fileno())
        if (size, digest.hexdigest()) != (upload.bytes, upload.sha256):
            raise DeliveryError(f"Writing {upload.key}", STAGED_FILE_CHANGED)

    def _write_whole(self, handle: int, block: bytes) -> None:
        """A full disk takes a part of a block before it refuses the rest."""
        rest = memoryview(block)
        while rest:
            rest = rest[self.calls.write(handle, rest) :]


def _checksum(folder: int, name: str) -> str | None:
    """The sha256 of what lies under a name; None for nothing, `_UNREADABLE` for what we may not read as a file."""
    try:
        handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENXIO):
            return _UNREADABLE
        raise
    try:
        kind = os.fstat(handle).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, "")
        if not stat.S_ISREG(kind):
            return _UNREADABLE
        with os.fdopen(handle, "rb", closefd=False) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    finally:
        os.close(handle)


def _unread(error: OSError) -> Failure:
    failure = local_failure(error)
    is_denied = failure.code in ("EACCES", "EPERM")
    return (
        reading_denied(failure.code, "the user that runs ctexport the right to read the files")
        if is_denied
        else failure
    )


def _taken(address: str) -> DeliveryError:
    return DeliveryError(
        f"Writing {address}",
        Failure(
            whose="customer",
            code="EEXIST",
            happened="another file has this name",
            cause="something other than this export wrote it, or ctexport's state folder was lost",
            fix="Move it away, or choose another folder or name under files; ctexport never overwrites others' files",
        ),
    )
