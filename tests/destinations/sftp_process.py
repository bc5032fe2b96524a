"""OpenSSH's sftp-server on a pair of sockets: the real server without the login, so that a test takes milliseconds."""

import resource
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from left_out import leave_out

from ctexport_dagster.resources.sftp.connections import Connections
from ctexport_dagster.resources.sftp.folder import SftpFolder
from ctexport_dagster.resources.sftp.protocol import SftpSession

SFTP_SERVER = Path("/usr/lib/openssh/sftp-server")
WRITE_ONLY = "remove,rmdir,opendir,readdir"


class SftpProcess:
    """One server process with its session; it breaks after so many blocks of answers, if told to."""

    def __init__(self, denied: str, *, breaks_after: int | None = None, largest_file_bytes: int | None = None) -> None:
        ours, its = socket.socketpair()
        with its:
            # SIGXFSZ stays ignored, as Python has it: a file at its size limit then is an error of the write.
            self._process = subprocess.Popen(
                [SFTP_SERVER, "-P", denied], stdin=its, stdout=its, stderr=subprocess.DEVNULL, restore_signals=False
            )
        if largest_file_bytes is not None:
            limits = (largest_file_bytes, resource.RLIM_INFINITY)
            resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, limits)
        ours.settimeout(20)
        self._link = ours
        self._answers_left = breaks_after
        self.is_alive = True
        self.session = SftpSession(self)

    def sendall(self, data: bytes, /) -> None:
        self._link.sendall(data)

    def recv(self, byte_count: int, /) -> bytes:
        block = self._link.recv(byte_count)
        if self._answers_left is not None:
            self._answers_left -= 1
            if self._answers_left < 0:
                return b""
        return block

    def close(self) -> None:
        self.is_alive = False
        self._link.close()
        self._process.wait()

    def cut(self) -> None:
        self.close()


class Server:
    """Makes processes for connections, and counts them; the first breaks after `first_breaks_after` answers."""

    def __init__(
        self,
        *,
        denied: str = WRITE_ONLY,
        first_breaks_after: int | None = None,
        largest_file_bytes: int | None = None,
    ) -> None:
        self.made: list[SftpProcess] = []
        self._denied = denied
        self._first_breaks_after = first_breaks_after
        self._largest_file_bytes = largest_file_bytes

    def connect(self) -> SftpProcess:
        breaks_after = None if self.made else self._first_breaks_after
        process = SftpProcess(self._denied, breaks_after=breaks_after, largest_file_bytes=self._largest_file_bytes)
        self.made.append(process)
        return process


@contextmanager
def folder_on(server: Server, root: Path, prefix: str = "") -> Iterator[SftpFolder]:
    """A destination on such a server; its connections end with the context."""
    if not SFTP_SERVER.exists():
        leave_out("the server of sftp", "run tools/test_servers.sh as root, or: apt-get install openssh-server")
    folder = SftpFolder("sftp://me@here", str(root), prefix, Connections(server.connect))
    try:
        yield folder
    finally:
        folder.close()
