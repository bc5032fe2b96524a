"""An SFTP server as a destination: what a file in `resources/` declares. docs/destinations/sftp.md has it for users.

The server is known by a `known_hosts` file or a pinned key; there is no setting that trusts whoever answers.
"""

import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from ctexport_dagster.core.secret import Secret
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.declared_destination import DeclaredDestination
from ctexport_dagster.resources.extras import extra
from ctexport_dagster.resources.sftp.connections import Connections, KeptConnection
from ctexport_dagster.resources.sftp.failures import NoConnection
from ctexport_dagster.resources.sftp.folder import SftpFolder
from ctexport_dagster.resources.sftp.host_keys import HostKeys, known, pinned

if TYPE_CHECKING:
    from ctexport_dagster.resources.sftp.ssh import Login

_PUBLIC_KEY = r"^[a-z0-9@.-]+ +[A-Za-z0-9+/]+=*( .*)?$"


def _one_line(key: str) -> str:
    if not re.fullmatch(_PUBLIC_KEY, key):
        raise ValueError(
            "write the server's whole public key on one line, without the host's name before it: ssh-ed25519 AAAAC3Nz…"
        )
    return key


PublicKey = Annotated[str, AfterValidator(_one_line), Field(json_schema_extra={"pattern": _PUBLIC_KEY})]

_SSH_PORT = 22


class SftpDestination(DeclaredDestination):
    """A folder on an SFTP server, as `resources/<name>.yaml` declares it; `name` is the file's stem."""

    type: Literal["sftp"]
    host: str = Field(min_length=1)
    port: int = Field(default=_SSH_PORT, ge=1, le=65535)
    user: str = Field(min_length=1)
    key: Secret | None = None
    """The variable that holds the private key's whole text, in OpenSSH or PEM form."""
    key_file: str | None = None
    """The private key's file instead, relative to the home."""
    key_passphrase: Secret | None = None
    password: Secret | None = None
    """Instead of a key, or beside it where the server wants both."""
    known_hosts: str | None = None
    """A file with the server's public key, as ~/.ssh/known_hosts; relative to the home."""
    host_key: PublicKey | list[PublicKey] | None = None
    """The server's public key itself instead: `ssh-ed25519 AAAA…`; several while it is being changed."""
    folder: str = Field(default=".", min_length=1)
    """Must exist. A relative one starts where the user's login does."""
    timeout_seconds: float = Field(default=60, ge=1)
    """The longest silence of the server that is borne."""
    keepalive_seconds: int = Field(default=30, ge=0)
    """How often a waiting connection shows that it is alive; 0: never."""
    parallel_uploads: int = Field(default=4, ge=1, le=64)
    """Each has a connection of its own; the server must allow as many logins at once."""

    @field_validator("folder")
    @classmethod
    def _is_a_path(cls, folder: str) -> str:
        if "\0" in folder or folder.startswith("~"):
            raise ValueError("write a path without ~: a relative one starts where the user's login does")
        return folder

    @model_validator(mode="after")
    def _logs_in_somehow(self) -> "SftpDestination":
        if self.key is not None and self.key_file is not None:
            raise ValueError("declare key or key_file, not both")
        if self.key is None and self.key_file is None and self.password is None:
            raise ValueError("declare how to log in: key, key_file or password")
        if self.key_passphrase is not None and self.key is None and self.key_file is None:
            raise ValueError("key_passphrase needs key or key_file")
        return self

    @model_validator(mode="after")
    def _knows_the_server(self) -> "SftpDestination":
        if (self.known_hosts is None) == (not self.host_key):
            raise ValueError("declare the server's public key in one way: known_hosts (a file) or host_key")
        return self

    def open(self, surroundings: Surroundings) -> SftpFolder:
        """The destination, ready to take files; touches nothing, and takes no secret before the first connection."""
        return SftpFolder(self._server(), _root(self.folder), self.prefix, Connections(_Connector(self, surroundings)))

    def _server(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"sftp://{self.user}@{host}" + ("" if self.port == _SSH_PORT else f":{self.port}")


def _root(folder: str) -> str:
    """Without a slash at its end, and empty for the folder that the login starts in."""
    root = folder.rstrip("/") or "/"
    return "" if root == "." else root.removeprefix("./")


class _Connector:
    """Logs in; paramiko, which it needs, is imported with the first login. Its repr shows no secret."""

    def __init__(self, declared: SftpDestination, surroundings: Surroundings) -> None:
        self._declared = declared
        self._surroundings = surroundings

    def __call__(self) -> KeptConnection:
        login = self._login
        from ctexport_dagster.resources.sftp.ssh import connect

        return connect(login)

    @cached_property
    def _login(self) -> "Login":
        """Kept: to decrypt a private key takes longer than a login."""
        declared, surroundings = self._declared, self._surroundings
        with extra("sftp", declared.name):
            from ctexport_dagster.resources.sftp.ssh import Login, private_key
        host_keys = _host_keys(declared, surroundings)
        text, passphrase = _private_key(declared, surroundings), _resolved(declared.key_passphrase, surroundings)
        return Login(
            host=declared.host,
            port=declared.port,
            user=declared.user,
            password=_resolved(declared.password, surroundings),
            key=private_key(text, passphrase) if text is not None else None,
            host_keys=host_keys,
            timeout_seconds=declared.timeout_seconds,
            keepalive_seconds=declared.keepalive_seconds,
        )


def _resolved(secret: Secret | None, surroundings: Surroundings) -> str | None:
    return None if secret is None else secret.resolve(surroundings.environment)


def _private_key(declared: SftpDestination, surroundings: Surroundings) -> str | None:
    if declared.key_file is None:
        return _resolved(declared.key, surroundings)
    return _read(declared.key_file, "key_file", surroundings)


def _host_keys(declared: SftpDestination, surroundings: Surroundings) -> HostKeys:
    if declared.known_hosts is not None:
        return known(_read(declared.known_hosts, "known_hosts", surroundings), declared.host, declared.port)
    lines = [declared.host_key] if isinstance(declared.host_key, str) else declared.host_key or []
    try:
        return pinned(lines)
    except ValueError:
        raise NoConnection("host_key") from None


def _read(path: str, code: Literal["key_file", "known_hosts"], surroundings: Surroundings) -> str:
    """The text of a file that the declaration names, relative to the home."""
    try:
        return (surroundings.home / Path(path).expanduser()).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise NoConnection(code) from error
