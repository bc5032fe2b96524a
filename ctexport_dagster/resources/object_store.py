"""An opened bucket or container of a cloud: addresses, one connection that all uploads share, failures as errors."""

from collections.abc import Callable, Iterator
from threading import Lock
from typing import Protocol

from ctexport_dagster.core.destination import PutOutcome, Upload
from ctexport_dagster.core.errors import DeliveryError
from ctexport_dagster.core.failure import Failure
from ctexport_dagster.resources.canary import try_with_a_canary
from ctexport_dagster.resources.key_prefix import prefixed


class Connection(Protocol):
    """A connection to one bucket or container; names have the prefix. Threads share it.

    Failures are given, not raised: an exception raised while one of the cloud's is handled would carry that one along,
    and with it the URL of a request with its signature, or of an upload's session, which is as good as a key.
    """

    def put(self, name: str, upload: Upload) -> PutOutcome | Failure: ...

    def discard_unfinished(self, name: str, attempt: str) -> Failure | None: ...

    def read(self, name: str) -> Iterator[bytes | Failure]:
        """The bytes under a name, in blocks; a failure is the last.

        Raises:
            FileNotFoundError: nothing lies there.
        """
        ...


class ObjectStore:
    """Takes files with the rights to write alone; a file appears there whole or not at all. Threads may share it.

    `place` stands before every name in addresses. `connect` is called by whoever needs the connection first; it may
    raise ConfigurationError (the extra is missing, or a secret's variable isn't set) and DeliveryError.
    """

    def __init__(self, place: str, prefix: str, connect: Callable[[], Connection]) -> None:
        self._place = place
        self._prefix = prefix
        self._connect = connect
        self._kept: Connection | None = None
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address('')!r})"

    def address(self, key: str) -> str:
        return f"{self._place}/{prefixed(self._prefix, key)}"

    def put(self, upload: Upload) -> PutOutcome:
        """Uploads one file; where one lies there already, it is taken for ours if the plan says that it may be.

        Raises:
            DeliveryError: the cloud refuses, can't be reached, or stored something else.
            ConfigurationError: the extra is missing, or the variable of a secret isn't set.
        """
        outcome = self.connection().put(prefixed(self._prefix, upload.key), upload)
        if isinstance(outcome, Failure):
            raise DeliveryError(f"Writing {self.address(upload.key)}", outcome)
        return outcome

    def discard_unfinished(self, key: str, attempt: str) -> None:
        """Empties what an attempt that died left under a temporary name, where the kind has such names.

        Raises:
            DeliveryError: the cloud refuses, or can't be reached.
        """
        failure = self.connection().discard_unfinished(prefixed(self._prefix, key), attempt)
        if failure:
            raise DeliveryError(f"Tidying up beside {self.address(key)}", failure)

    def read(self, key: str) -> Iterator[bytes]:
        """The bytes under a key, for `ctexport verify` alone; it takes the right to read.

        Raises:
            FileNotFoundError: nothing lies there.
            DeliveryError: reading isn't allowed, or failed.
        """
        for block in self.connection().read(prefixed(self._prefix, key)):
            if isinstance(block, Failure):
                raise DeliveryError(f"Reading {self.address(key)}", block)
            yield block

    def canary(self) -> Failure | None:
        """Writes one tiny file under `.ctexport-canary/`, never the same twice; why it couldn't, else None.

        Raises:
            ConfigurationError: as `put`.
        """
        return try_with_a_canary(self)

    def connection(self) -> Connection:
        """The one that all uploads share."""
        with self._lock:
            if self._kept is None:
                self._kept = self._connect()
            return self._kept
