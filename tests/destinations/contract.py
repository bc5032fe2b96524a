"""What the suites ask of a kind of destination: a real server, a declaration for it, and an eye on what arrived there.

Each kind has one file `case_<kind>.py` with `make_case(folder, environment) -> Case`. It starts its server on a free
port of the loopback, and raises `ServerMissing` where that isn't installed.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fault_proxy import FaultProxy

from ctexport_dagster.core.failure import FailureClass
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.home import DestinationDeclaration

Address = tuple[str, int]
"""Host and port."""


class ServerMissing(Exception):
    """The server isn't installed; the message says how to get it."""


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong between us and the destination, for as long as `inflict`'s context is entered.

    `inflict` gets the proxy that stands before the server. `counts` tells whether the proxy sees every try: it doesn't
    where nothing listens.
    """

    name: str
    whose: FailureClass
    inflict: Callable[[FaultProxy], AbstractContextManager[None]]
    counts: bool = True


@dataclass(frozen=True)
class Grant:
    """Rights at the destination, and a declaration that uses them and has no others.

    `declare` gives the declaration for a prefix. `suffices`: whether they are enough for exports.
    """

    name: str
    suffices: bool
    declare: Callable[[str], DestinationDeclaration]
    surroundings: Surroundings


class Case(Protocol):
    """One kind of destination with its running server."""

    kind: str
    """As declared: `s3`, `sftp`."""
    surroundings: Surroundings
    """The environment with the secrets that `declaration` names."""
    endpoint: Address
    """Where the real server listens; the suites put their proxy before it."""

    @property
    def secrets(self) -> Sequence[str]:
        """Every secret in use, as it must never show up anywhere: keys, passwords, tokens, signatures."""
        ...

    def declaration(
        self, endpoint: Address | None = None, *, prefix: str = "", timeout_seconds: float = 20
    ) -> DestinationDeclaration:
        """A declaration that has every right to write and to replace, without retries of the SDK's own.

        `endpoint` stands for the real server where given. `timeout_seconds` is the longest silence that it bears.
        """
        ...

    def read(self, key: str) -> bytes:
        """The bytes under a key, as a client with all rights sees them; the prefix is part of the key."""
        ...

    def keys(self) -> set[str]:
        """Every visible key of the bucket, container or folder, with prefix; temporary names of uploads left out."""
        ...

    def readable(self, prefix: str) -> DestinationDeclaration:
        """A declaration that may read as well as write."""
        ...

    def change(self, key: str, content: bytes) -> None:
        """Puts other bytes under a key, as somebody else would."""
        ...

    def remove(self, key: str) -> None:
        """Takes a file away, as somebody else would."""
        ...

    def faults(self) -> Sequence[Fault]:
        """The faults of this kind alone; the suites add those of the network (network_faults.py)."""
        ...

    def grants(self) -> Sequence[Grant]:
        """The write-only grants that must suffice, and at least one that must not."""
        ...

    def close(self) -> None:
        """Stops the server, by its process id."""
        ...


class CaseFactory(Protocol):
    """`make_case` of every case file: an empty folder for the server's files, and the environment for its process."""

    def __call__(self, folder: Path, environment: Mapping[str, str]) -> Case: ...


def under(case: Case, prefix: str) -> dict[str, bytes]:
    """What lies under a prefix, by key without it."""
    everything, start = case.keys(), f"{prefix}/"
    return {key.removeprefix(start): case.read(key) for key in sorted(everything) if key.startswith(start)}


def without_manifests(found: Mapping[str, bytes]) -> dict[str, bytes]:
    return {key: content for key, content in found.items() if not key.endswith(".manifest.json")}
