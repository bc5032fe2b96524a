"""A folder on an SFTP server, into which every key is a path: `.part` file, size, sync, rename.

Nothing is read, listed or removed. What an upload that broke left under its temporary name is moved over one hidden
file, `.ctexport-discarded.part`, and emptied there: renaming takes no more than the right to write. So at most one
empty file a folder is left of any number of broken uploads; and should the rename of a dead try, long under way,
arrive after all, it finds nothing to rename. Where the server can't rename over a file, the temporary file is emptied
in its place, and the next try of the same attempt uses it again.
"""

import hashlib
import posixpath
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import RawIOBase
from typing import Literal

from ctexport_dagster.core.destination import PutOutcome, Upload
from ctexport_dagster.core.errors import DeliveryError
from ctexport_dagster.core.failure import STAGED_FILE_CHANGED, Failure, reading_denied
from ctexport_dagster.resources.canary import try_with_a_canary
from ctexport_dagster.resources.key_prefix import prefixed
from ctexport_dagster.resources.keys_as_paths import is_inside, part_name
from ctexport_dagster.resources.sftp.connections import Connections
from ctexport_dagster.resources.sftp.failures import NoConnection, breakdown, refusal, sftp_failure
from ctexport_dagster.resources.sftp.protocol import (
    BLOCK_BYTES,
    FAILURE,
    NO_SUCH_FILE,
    PERMISSION_DENIED,
    Garbled,
    Handle,
    Refused,
    SftpSession,
)

_DISCARDED = ".ctexport-discarded.part"
_READING_DENIED = reading_denied("SSH_FX_PERMISSION_DENIED", "the login the requests open, read and close")
_READ_BYTES = 8 * BLOCK_BYTES


class SftpFolder:
    """Takes files below `root`, which must exist; empty means the folder that the login starts in.

    `server` stands before the path in addresses: `sftp://user@host`. Idle connections end with the object.
    """

    def __init__(self, server: str, root: str, prefix: str, connections: Connections) -> None:
        self.server = server
        self.root = root
        self.prefix = prefix
        self._connections = connections
        self.close = weakref.finalize(self, connections.close)

    def address(self, key: str) -> str:
        """As `sftp://user@host/exports/key`; below the login's folder as `sftp://user@host/~/exports/key`."""
        path = posixpath.join(self.root, prefixed(self.prefix, key))
        return self.server + (path if path.startswith("/") else f"/~/{path}")

    def put(self, upload: Upload) -> PutOutcome:
        """Writes one file beside its key and renames it.

        Raises:
            DeliveryError: the server refuses or is away, the key is taken, or the staged file changed on the way.
            ConfigurationError: a secret isn't set, or paramiko isn't installed.
        """
        path = self._path(upload.key)
        part = _beside(path, part_name(posixpath.basename(path), upload.attempt))
        with (
            upload.path.open("rb", buffering=0) as source,
            self._reported(upload.key),
            self._connections.one() as session,
        ):
            try:
                self._write(session, source, part, upload)
                return self._publish(session, part, path, upload)
            except (Refused, DeliveryError):
                with suppress(Refused):
                    _discard(session, part)
                raise

    def discard_unfinished(self, key: str, attempt: str) -> None:
        """Takes away what an attempt that died while sending this key left; see the top of this file."""
        path = self._path(key)
        with self._reported(key), self._connections.one() as session:
            _discard(session, _beside(path, part_name(posixpath.basename(path), attempt)))

    def read(self, key: str) -> Iterator[bytes]:
        """The bytes under a key, for `ctexport verify` alone; it takes the right to read.

        Raises:
            FileNotFoundError: nothing lies there.
            DeliveryError: reading isn't allowed, or failed.
        """
        path = self._path(key)
        with self._reported(key, "Reading"), self._connections.one() as session:
            try:
                yield from session.read(path)
            except Refused as refused:
                if refused.status == NO_SUCH_FILE:
                    raise FileNotFoundError(self.address(key)) from None
                if refused.status == PERMISSION_DENIED:
                    raise DeliveryError(f"Reading {self.address(key)}", _READING_DENIED) from None
                raise

    def check(self) -> Failure | None:
        """Why nobody could log in now; None if all looks well. Writes nothing and looks at no file.

        Raises:
            ConfigurationError: a secret isn't set, or paramiko isn't installed.
        """
        try:
            with self._connections.one():
                return None
        except NoConnection as error:
            return error.failure

    def canary(self) -> Failure | None:
        """Why nothing could be written there now; None once one tiny file lies below `.ctexport-canary`.

        Raises:
            ConfigurationError: a secret isn't set, or paramiko isn't installed.
        """
        return try_with_a_canary(self)

    def _path(self, key: str) -> str:
        path = prefixed(self.prefix, key)
        if not is_inside(path):
            raise ValueError(f"the key {key!r} leads out of the destination's folder")
        return posixpath.join(self.root, path)

    def _write(self, session: SftpSession, source: RawIOBase, part: str, upload: Upload) -> None:
        """Puts the whole file, checked and durable, under its temporary name."""
        handle = self._create(session, part)
        try:
            _fill(session, handle, source, upload)
            session.sync(handle)
        except (Refused, DeliveryError):
            with suppress(Refused):
                session.close(handle)
            raise
        session.close(handle)

    def _create(self, session: SftpSession, part: str) -> Handle:
        try:
            _discard(session, part)
            return session.create(part)
        except Refused as refused:
            if refused.status != NO_SUCH_FILE:
                raise
        self._make_folder(session, posixpath.dirname(part))
        return session.create(part)

    def _make_folder(self, session: SftpSession, folder: str) -> None:
        """Makes a folder below the root, and those above it that are missing; the root itself never."""
        if folder == self.root:
            raise Refused("open", NO_SUCH_FILE)
        try:
            _make(session, folder)
        except Refused as refused:
            if refused.status != NO_SUCH_FILE:
                raise
            self._make_folder(session, posixpath.dirname(folder))
            _make(session, folder)

    def _publish(self, session: SftpSession, part: str, path: str, upload: Upload) -> PutOutcome:
        """Gives the finished file its name. A plain rename never takes the place of a file that isn't ours."""
        if session.can_replace and (upload.overwrites or upload.may_lie_there):
            session.replace(part, path)
            return "written"
        try:
            session.rename(part, path)
        except Refused as refused:
            if refused.status != FAILURE or not session.lies_there(path):
                raise
        else:
            return "written"
        if upload.may_lie_there and not upload.overwrites:
            _discard(session, part)
            return "already_there"
        code = "no posix-rename" if upload.overwrites else "name taken"
        raise DeliveryError(f"Writing {self.address(upload.key)}", sftp_failure(code))

    @contextmanager
    def _reported(self, key: str, doing: Literal["Writing", "Reading"] = "Writing") -> Iterator[None]:
        attempted = f"{doing} {self.address(key)}"
        try:
            yield
        except FileNotFoundError:
            raise
        except Refused as refused:
            raise DeliveryError(attempted, refusal(refused)) from refused
        except (NoConnection, Garbled, EOFError, OSError) as error:
            raise DeliveryError(attempted, breakdown(error)) from error


def _beside(path: str, name: str) -> str:
    return posixpath.join(posixpath.dirname(path), name)


def _discard(session: SftpSession, part: str) -> None:
    """Takes a temporary file away, if there is one, with the right to write alone."""
    with _missing_is_fine():
        if session.can_replace:
            session.replace(part, _beside(part, _DISCARDED))
            session.empty(_beside(part, _DISCARDED))
        else:
            session.empty(part)


def _make(session: SftpSession, folder: str) -> None:
    """Makes one folder. That it is there already has no status of its own; if something else is, opening tells."""
    try:
        session.mkdir(folder)
    except Refused as refused:
        if refused.status != FAILURE:
            raise


@contextmanager
def _missing_is_fine() -> Iterator[None]:
    try:
        yield
    except Refused as refused:
        if refused.status != NO_SUCH_FILE:
            raise


def _fill(session: SftpSession, handle: Handle, source: RawIOBase, upload: Upload) -> None:
    digest, size = hashlib.sha256(), 0

    def blocks() -> Iterator[bytes]:
        nonlocal size
        while stretch := source.read(_READ_BYTES):
            digest.update(stretch)
            size += len(stretch)
            for start in range(0, len(stretch), BLOCK_BYTES):
                yield stretch[start : start + BLOCK_BYTES]

    session.write(handle, blocks())
    if (size, digest.hexdigest()) != (upload.bytes, upload.sha256):
        raise DeliveryError(f"Writing {upload.key}", STAGED_FILE_CHANGED)
    if session.size(handle) not in (None, size):
        raise DeliveryError(f"Writing {upload.key}", sftp_failure("size differs"))
