"""What a destination must be able to do: take one whole file under one key, with write rights alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

PutOutcome = Literal["written", "already_there"]


@dataclass(frozen=True)
class Upload:
    """One whole file on its way: where it lies, the key it goes to, its size and its checksum (hex)."""

    path: Path
    key: str
    bytes: int
    sha256: str
    attempt: str
    """Names the delivery attempt: temporary names at the destination carry it."""
    overwrites: bool
    """Whether an older generation's file may lie under this key and is to be replaced."""
    may_lie_there: bool = False
    """Whether an earlier try may already have put these very bytes under this key. A destination that can't replace
    files then takes "it exists" for success; without it, an existing file is somebody else's."""


class Destination(Protocol):
    """A place that takes files. Implementations never read, list, head or delete there. Source: REQUIREMENTS P2.

    `put` is safe to repeat: after it returns, the key holds exactly these bytes; if it raises, or the process
    dies in it, the key holds what it held before, or exactly these bytes, never a part of them.
    """

    def put(self, upload: Upload) -> PutOutcome:
        """Delivers one file; `already_there` when the key holds the same bytes.

        Raises:
            DeliveryError: it could not be delivered.
        """
        ...

    def discard_unfinished(self, key: str, attempt: str) -> None:
        """Removes what an attempt that died while sending this key left under a temporary name, if anything.

        Where a key appears in one piece by itself, there is nothing to do. Safe to repeat.
        """
        ...

    def address(self, key: str) -> str:
        """The full address of a key, for people: `s3://bucket/prefix/key`, `/exports/key`."""
        ...


@runtime_checkable
class Readable(Protocol):
    """A destination that can also give files back, with more rights than deliveries have; `ctexport verify` uses it."""

    def read(self, key: str) -> Iterator[bytes]:
        """The bytes under a key, in blocks.

        Raises:
            FileNotFoundError: nothing lies there.
            DeliveryError: reading isn't allowed, or failed.
        """
        ...
