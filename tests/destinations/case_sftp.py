"""SFTP: Debian's OpenSSH server on free ports, run by an ordinary user who may log in to it as nobody but themselves.

One server listens on a port for each grant: what a login may do follows from the port it came in by.
"""

import getpass
import os
import pwd
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypedDict

from contract import Address, Fault, Grant, ServerMissing
from fault_proxy import FaultProxy, LostResponse, ResetInBody
from network_faults import network_faults

from ctexport_dagster.core.failure import FailureClass
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.sftp.declaration import SftpDestination

SSHD = Path("/usr/sbin/sshd")
PASSPHRASE = "a passphrase, correct as a horse"
WRITE_ONLY = "internal-sftp -P remove,rmdir,opendir,readdir"
LEAST = "internal-sftp -p open,write,close,mkdir,rename,posix-rename"
COMMANDS = {
    "everything": "internal-sftp",
    "write only": WRITE_ONLY,
    "least": LEAST,
    "read only": "internal-sftp -R",
    "no sftp": "/bin/false",
}
"""What a login by a grant's port runs."""
PASSWORDS_ALONE = ("PubkeyAuthentication no", "PasswordAuthentication yes")
AFTER_THE_LOGIN_BYTES = 4_000
"""More than the server says until a login is complete, less than its answers to the writes of a test's file."""
PATIENCE_SECONDS = 20
TOO_SMALL_BYTES = 100_000


class _ProcessOwner(TypedDict, total=False):
    user: str
    group: int
    extra_groups: list[int]


class Sshd:
    """One OpenSSH server with its own keys, configuration and ports, in a folder that its user can reach."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        user: str,
        *,
        settings: Sequence[str] = ("MaxStartups 100",),
        host_key: Path | None = None,
        largest_file_bytes: int | None = None,
    ) -> None:
        folder.mkdir()
        self.authorized_keys = folder / "authorized_keys"
        self.log = folder / "log"
        self.ports = dict(zip(COMMANDS, free_ports(len(COMMANDS)), strict=True))
        self.private_host_key = folder / "host_key"
        if host_key:
            shutil.copy(host_key, self.private_host_key)
        self.host_key = "" if host_key else new_key(self.private_host_key)
        self._write_configuration(folder / "sshd_config", user, settings)
        give(folder, user)
        limited = ["prlimit", f"--fsize={largest_file_bytes}"] if largest_file_bytes else []
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*limited, SSHD, "-D", "-e", "-f", folder / "sshd_config"],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # SIGXFSZ stays ignored, as Python has it: a file at its size limit then is an error of the write.
                restore_signals=False,
                **process_of(user),
            )
        self._await()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _write_configuration(self, path: Path, user: str, settings: Sequence[str]) -> None:
        lines = [
            *settings,
            *(f"ListenAddress 127.0.0.1:{port}" for port in self.ports.values()),
            f"HostKey {self.private_host_key}",
            f"AuthorizedKeysFile {self.authorized_keys}",
            f"AllowUsers {user}",
            "PidFile none",
            "StrictModes no",
            "UsePAM yes",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin prohibit-password",
            "Subsystem sftp internal-sftp",
            "DisableForwarding yes",
        ]
        for name, port in self.ports.items():
            lines += [f"Match LocalPort {port}", f"ForceCommand {COMMANDS[name]}"]
        path.write_text("\n".join([*lines, ""]))

    def _await(self) -> None:
        until = time.monotonic() + PATIENCE_SECONDS
        while self._process.poll() is None and time.monotonic() < until:
            with suppress(OSError), begun_login(("127.0.0.1", self.ports["everything"])):
                return
        raise RuntimeError(f"sshd did not start: {self.log.read_text()}")


class SftpCase:
    kind = "sftp"

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._user = "nobody" if os.geteuid() == 0 else getpass.getuser()
        # pytest's folders are closed to other users than its own.
        self._open_folder = tempfile.TemporaryDirectory(prefix="sftp-")
        self._root = Path(self._open_folder.name)
        self._root.chmod(0o755)
        self.exports = self._root / "exports"
        self.exports.mkdir()
        give(self.exports, self._user)
        self._public_key = new_key(folder / "key", PASSPHRASE)
        self._server = Sshd(self._root / "server", environment, self._user)
        self._server.authorized_keys.write_text(f"{self._public_key}\n")
        self._known_hosts = folder / "known_hosts"
        self._known_hosts.write_text(f"[127.0.0.1]:* {self._server.host_key}\n")
        private_key = (folder / "key").read_text()
        self.surroundings = Surroundings(folder, {"SFTP_KEY": private_key, "SFTP_PASSPHRASE": PASSPHRASE})
        self.secrets = [PASSPHRASE, *(line for line in private_key.splitlines()[1:-1] if len(line) > 30)]
        self.endpoint = self._endpoint("everything")
        self.host_key = self._server.host_key

    def declaration(
        self, endpoint: Address | None = None, *, prefix: str = "", timeout_seconds: float = 20
    ) -> SftpDestination:
        host, port = endpoint or self.endpoint
        return SftpDestination.model_validate(
            {
                "type": "sftp",
                "name": "sftp",
                "host": host,
                "port": port,
                "user": self._user,
                "key": {"env": "SFTP_KEY"},
                "key_passphrase": {"env": "SFTP_PASSPHRASE"},
                "known_hosts": str(self._known_hosts),
                "folder": str(self.exports),
                "prefix": prefix,
                "timeout_seconds": timeout_seconds,
            }
        )

    def read(self, key: str) -> bytes:
        return (self.exports / key).read_bytes()

    def keys(self) -> set[str]:
        files = (path for path in self.exports.rglob("*") if path.is_file())
        return {str(path.relative_to(self.exports)) for path in files if not re.fullmatch(r"\..*\.part", path.name)}

    def readable(self, prefix: str) -> SftpDestination:
        return self.declaration(prefix=prefix)

    def change(self, key: str, content: bytes) -> None:
        (self.exports / key).write_bytes(content)

    def remove(self, key: str) -> None:
        (self.exports / key).unlink()

    def faults(self) -> Sequence[Fault]:
        inflictions: dict[str, tuple[FailureClass, Callable[[FaultProxy], AbstractContextManager[None]]]] = {
            "the key was taken out of authorized_keys": ("customer", self._without_the_key),
            "the server takes passwords alone": ("customer", self._another_server(*PASSWORDS_ALONE)),
            "the server has another host key": ("customer", self._another_server(has_our_key=False)),
            "the login starts no SFTP": ("customer", self._by_port("no sftp")),
            "the login may only read": ("customer", self._by_port("read only")),
            "the folder is gone": ("customer", self._without_the_folder),
            "the folder is not the user's to write": ("customer", self._with_a_closed_folder),
            "the disk is full": ("customer", self._another_server(largest_file_bytes=TOO_SMALL_BYTES)),
            "too many are logging in": ("transient", self._crowded),
        }
        ours = [Fault(name, whose, inflict) for name, (whose, inflict) in inflictions.items()]
        return [*network_faults(lost_response=LostResponse(AFTER_THE_LOGIN_BYTES)), *ours]

    def grants(self) -> Sequence[Grant]:
        wanted = {"write only": True, "least": True, "read only": False}
        return [Grant(name, suffices, self._declare(name), self.surroundings) for name, suffices in wanted.items()]

    def close(self) -> None:
        self._server.close()
        self._open_folder.cleanup()

    def _endpoint(self, grant: str) -> Address:
        return "127.0.0.1", self._server.ports[grant]

    def _declare(self, grant: str) -> Callable[[str], SftpDestination]:
        return lambda prefix: self.declaration(self._endpoint(grant), prefix=prefix)

    # Faults

    def _by_port(self, grant: str) -> Callable[[FaultProxy], AbstractContextManager[None]]:
        return lambda proxy: seen(proxy, self._endpoint(grant))

    def _another_server(
        self, *settings: str, has_our_key: bool = True, largest_file_bytes: int | None = None
    ) -> Callable[[FaultProxy], AbstractContextManager[None]]:
        @contextmanager
        def inflict(proxy: FaultProxy) -> Iterator[None]:
            with (
                self._sshd(*settings, has_our_key=has_our_key, largest_file_bytes=largest_file_bytes) as address,
                seen(proxy, address),
            ):
                yield

        return inflict

    @contextmanager
    def _crowded(self, proxy: FaultProxy) -> Iterator[None]:
        """One login is under way, and the server allows no other beside it."""
        with self._sshd("MaxStartups 1") as address, begun_login(address), seen(proxy, address):
            yield

    @contextmanager
    def _sshd(
        self, *settings: str, has_our_key: bool = True, largest_file_bytes: int | None = None
    ) -> Iterator[Address]:
        with tempfile.TemporaryDirectory(dir=self._root) as folder:
            Path(folder).chmod(0o755)
            server = Sshd(
                Path(folder, "server"),
                self._environment,
                self._user,
                settings=settings,
                host_key=self._server.private_host_key if has_our_key else None,
                largest_file_bytes=largest_file_bytes,
            )
            server.authorized_keys.write_text(f"{self._public_key}\n")
            try:
                yield "127.0.0.1", server.ports["everything"]
            finally:
                server.close()

    @contextmanager
    def _without_the_key(self, proxy: FaultProxy) -> Iterator[None]:
        with seen(proxy):
            self._server.authorized_keys.write_text("")
            try:
                yield
            finally:
                self._server.authorized_keys.write_text(f"{self._public_key}\n")

    @contextmanager
    def _without_the_folder(self, proxy: FaultProxy) -> Iterator[None]:
        elsewhere = self.exports.rename(self._root / "elsewhere")
        try:
            with seen(proxy):
                yield
        finally:
            elsewhere.rename(self.exports)

    @contextmanager
    def _with_a_closed_folder(self, proxy: FaultProxy) -> Iterator[None]:
        folders = [self.exports, *(path for path in self.exports.rglob("*") if path.is_dir())]
        for folder in folders:
            folder.chmod(0o555)
        try:
            with seen(proxy):
                yield
        finally:
            for folder in folders:
                folder.chmod(0o755)


@contextmanager
def seen(proxy: FaultProxy, server: Address | None = None) -> Iterator[None]:
    """Counts each login through the proxy as harmed, by whatever else is done, and closes what was open before.

    `server` is another one that the proxy stands before meanwhile.
    """
    upstream, connections = proxy.upstream, proxy.connections
    with proxy.inflicting(ResetInBody(1 << 60)):
        proxy.upstream = server or upstream
        try:
            yield
        finally:
            proxy.upstream = upstream
            for _ in range(proxy.connections - connections):
                proxy.count_harm()


@contextmanager
def begun_login(address: Address) -> Iterator[None]:
    """A connection that a server has greeted and that says nothing more; tried until one is greeted."""
    while True:
        with socket.create_connection(address, PATIENCE_SECONDS) as link:
            if link.recv(4) == b"SSH-":
                yield
                return


def free_ports(count: int) -> list[int]:
    """Held all at once, so that none is given twice."""
    with ExitStack() as held:
        listeners = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [listener.getsockname()[1] for listener in listeners]


def new_key(path: Path, passphrase: str = "", *, kind: str = "ed25519") -> str:
    """Makes a pair of keys at a path; the public one, as one line."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "", "-f", path]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path.with_name(f"{path.name}.pub").read_text().strip()


def give(path: Path, user: str) -> None:
    """Makes a file, or a folder with all in it, a user's own."""
    if os.geteuid() == 0:
        for one in (path, *path.rglob("*")):
            shutil.chown(one, user, pwd.getpwnam(user).pw_gid)


def process_of(user: str) -> _ProcessOwner:
    if os.geteuid() != 0:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def make_case(folder: Path, environment: Mapping[str, str]) -> SftpCase:
    if not SSHD.exists():
        raise ServerMissing("run tools/test_servers.sh as root, or: apt-get install openssh-server")
    return SftpCase(folder, environment)
