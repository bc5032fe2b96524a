"""A login at an SSH server that ends in an SFTP session, or in the reason why not. The one place that knows paramiko.

The host key is checked before anything of the user's is sent. No agent and no key of the machine's own is tried.
"""

import logging
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from io import StringIO
from time import monotonic
from typing import TYPE_CHECKING

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from ctexport_dagster.resources.sftp.failures import NoConnection
from ctexport_dagster.resources.sftp.host_keys import HostKey, HostKeys
from ctexport_dagster.resources.sftp.protocol import Garbled, SftpSession

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

# Without a handler of its own paramiko's tracebacks of broken connections go to the terminal.
logging.getLogger("paramiko").addHandler(logging.NullHandler())

_LOST = (OSError, EOFError, Garbled, paramiko.SSHException)
_INSTANT_SECONDS = 1.0
_RSA_TYPES = ("rsa-sha2-512", "rsa-sha2-256")


@dataclass(frozen=True)
class Login:
    """Where to log in, as whom, by what, and which host keys to trust. Times in seconds; its repr shows no secret."""

    host: str
    port: int
    user: str
    password: str | None = field(repr=False)
    key: paramiko.PKey | None = field(repr=False)
    host_keys: HostKeys
    timeout_seconds: float
    keepalive_seconds: int


class Connection:
    """One login with its SFTP session."""

    def __init__(self, transport: paramiko.Transport, link: socket.socket, session: SftpSession) -> None:
        self.session = session
        self._transport = transport
        self._link = link

    @property
    def is_alive(self) -> bool:
        return self._transport.is_active()

    def close(self) -> None:
        """Says goodbye, where everything that was asked for was answered."""
        _linger(self._link, is_cut=False)
        self._transport.close()

    def cut(self) -> None:
        """Ends it at once: a request that is still under way must not reach the server after the next try's."""
        self._transport.close()


def connect(login: Login) -> Connection:
    """Logs in.

    Raises:
        NoConnection: it did not come about.
    """
    link = _dial(login)
    transport = None
    try:
        transport = _transport(link, login)
        _log_in(transport, login)
        return Connection(transport, link, _session(transport, login.timeout_seconds))
    except BaseException:
        if transport is not None:
            transport.close()
        link.close()
        raise


class _Link(socket.socket):
    """A socket on which a send that gets no byte through for too long is an error; paramiko would try for ever."""

    longest_stall_seconds = 0.0
    _stalled_since: float | None = None

    def send(self, data: "ReadableBuffer", flags: int = 0, /) -> int:
        try:
            sent = super().send(data, flags)
        except TimeoutError:
            self._stalled_since = self._stalled_since or monotonic()
            if monotonic() - self._stalled_since > self.longest_stall_seconds:
                raise ConnectionAbortedError from None
            raise
        self._stalled_since = None
        return sent


def _dial(login: Login) -> _Link:
    try:
        plain = socket.create_connection((login.host, login.port), login.timeout_seconds)
    except socket.gaierror as error:
        is_unknown = error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
        raise NoConnection("unknown host" if is_unknown else "connection lost") from error
    except TimeoutError as error:
        raise NoConnection("timed out") from error
    except OSError as error:
        raise NoConnection("connection lost") from error
    link = _Link(plain.family, plain.type, plain.proto, plain.detach())
    link.longest_stall_seconds = login.timeout_seconds
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    _linger(link, is_cut=True)
    return link


def _linger(link: socket.socket, *, is_cut: bool) -> None:
    """Whether an end of the connection, the process's death too, throws away what the server has not yet got.

    Else the kernel would go on sending it for minutes: a rename of a dead try, in the midst of the next one's work.
    """
    if link.fileno() >= 0:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", is_cut, 0))


def _transport(link: socket.socket, login: Login) -> paramiko.Transport:
    """An encrypted connection to a server whose host key is trusted."""
    transport = paramiko.Transport(link)
    transport.banner_timeout = transport.auth_timeout = transport.channel_timeout = login.timeout_seconds
    try:
        _prefer(transport, login.host_keys.types)
        transport.start_client(timeout=login.timeout_seconds)
        shown = transport.get_remote_server_key()
    except IncompatiblePeer as error:
        transport.close()
        raise NoConnection("no common algorithm") from error
    except _LOST as error:
        transport.close()
        raise NoConnection("connection lost") from error
    verdict = login.host_keys.verdict(HostKey(shown.get_name(), shown.asbytes()))
    if verdict != "trusted":
        transport.close()
        raise NoConnection(f"host key {verdict}")
    return transport


def _prefer(transport: paramiko.Transport, types: list[str]) -> None:
    """Asks a server that has several host keys for one that we know."""
    options = transport.get_security_options()
    wanted = [name for kind in types for name in (_RSA_TYPES if kind == "ssh-rsa" else (kind,))]
    offered = list(options.key_types)
    options.key_types = [*(name for name in wanted if name in offered), *(n for n in offered if n not in wanted)]


def _log_in(transport: paramiko.Transport, login: Login) -> None:
    """By key, then by password, whichever are declared: a server may want both."""
    ways: list[Callable[[], list[str]]] = []
    if (key := login.key) is not None:
        ways.append(lambda: transport.auth_publickey(login.user, key))
    if (password := login.password) is not None:
        ways.append(lambda: transport.auth_password(login.user, password))
    refused = ""
    for way in ways:
        refused = _refusal_of(way, transport)
        if transport.is_authenticated():
            transport.set_keepalive(login.keepalive_seconds)
            return
    raise NoConnection(refused or "login refused")


def _refusal_of(way: Callable[[], list[str]], transport: paramiko.Transport) -> str:
    """Why one way to log in was refused; empty where it wasn't."""
    try:
        way()
    except paramiko.BadAuthenticationType:
        return "login method"
    except paramiko.AuthenticationException as error:
        # paramiko reports a silent or vanished server as if the login had been refused.
        if not transport.is_active() or "timeout" in str(error):
            raise NoConnection("connection lost") from error
        return "login refused"
    except _LOST as error:
        raise NoConnection("connection lost") from error
    return ""


def _session(transport: paramiko.Transport, timeout_seconds: float) -> SftpSession:
    try:
        channel = transport.open_session(timeout=timeout_seconds)
        channel.settimeout(timeout_seconds)
        channel.invoke_subsystem("sftp")
        return SftpSession(_Stream(channel))
    except TimeoutError as error:
        raise NoConnection("timed out") from error
    except _LOST as error:
        # A lost connection shows on its channels an instant before it shows on itself.
        transport.join(_INSTANT_SECONDS)
        raise NoConnection("no sftp" if transport.is_active() else "connection lost") from error


class _Stream:
    """A channel whose every break is an OSError or EOFError."""

    def __init__(self, channel: paramiko.Channel) -> None:
        self._channel = channel

    def sendall(self, data: bytes, /) -> None:
        try:
            self._channel.sendall(data)
        except paramiko.SSHException as error:
            raise EOFError from error

    def recv(self, byte_count: int, /) -> bytes:
        return self._channel.recv(byte_count)


def private_key(text: str, passphrase: str | None) -> paramiko.PKey:
    """A key in OpenSSH's or PEM form; its kind shows only by trying.

    Raises:
        NoConnection: it can't be read, or its passphrase is missing or wrong.
    """
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        try:
            return kind.from_private_key(StringIO(text), passphrase)
        except paramiko.PasswordRequiredException as error:
            raise NoConnection("key_passphrase") from error
        # A damaged key comes out of paramiko's parsers as any of these.
        except (paramiko.SSHException, ValueError, TypeError, IndexError, struct.error):
            continue
    raise NoConnection("key")
