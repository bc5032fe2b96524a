"""An opened Azure container of either kind: addresses, one shared connection, failures as errors, check and canary."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Protocol
from uuid import uuid4

from ctexport_dagster.core.destination import PutOutcome, Upload
from ctexport_dagster.core.errors import DeliveryError
from ctexport_dagster.core.failure import Failure
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.azure.access import Access, Service, find_access
from ctexport_dagster.resources.azure.declared import AzureDeclared
from ctexport_dagster.resources.key_prefix import prefixed

_CANARY = b"written by ctexport check --canary; it can be deleted\n"
_ALSO_NEEDED: dict[Service, dict[str, str]] = {"blob": {}, "dfs": {"m": "move"}}


class Writer(Protocol):
    """A connection to one container; names have the prefix.

    Failures are given, not raised: an exception raised while one of Azure's is handled would carry that one along, and
    with it the URL of the request and its signature.
    """

    def put(self, name: str, upload: Upload) -> PutOutcome | Failure: ...

    def discard_unfinished(self, name: str, attempt: str) -> Failure | None: ...

    def read(self, name: str) -> Iterator[bytes] | Failure | None:
        """The bytes under a name; None where nothing lies there."""
        ...


@dataclass(eq=False)
class AzureContainer:
    """Takes files with the rights to write alone; a file appears there whole or not at all. Threads may share it."""

    declared: AzureDeclared
    surroundings: Surroundings
    service: Service
    _connect: Callable[[Access], Writer] = field(repr=False)
    _kept: Writer | None = field(init=False, repr=False, default=None)
    _lock: Lock = field(init=False, repr=False, default_factory=Lock)

    def address(self, key: str) -> str:
        return f"{self.declared.place(self.service)}/{self._name(key)}"

    def put(self, upload: Upload) -> PutOutcome:
        """Uploads one file; where one lies there already, it is taken for ours if the plan says that it may be.

        Raises:
            DeliveryError: Azure refuses, can't be reached, or stored something else.
            ConfigurationError: the extra is missing, or the variable of the secret isn't set.
        """
        outcome = self._writer().put(self._name(upload.key), upload)
        if isinstance(outcome, Failure):
            raise DeliveryError(f"Writing {self.address(upload.key)}", outcome)
        return outcome

    def discard_unfinished(self, key: str, attempt: str) -> None:
        """Empties what an attempt that died left under a temporary name, where the kind has such names.

        Raises:
            DeliveryError: Azure refuses, or can't be reached.
        """
        failure = self._writer().discard_unfinished(self._name(key), attempt)
        if failure:
            raise DeliveryError(f"Tidying up beside {self.address(key)}", failure)

    def read(self, key: str) -> Iterator[bytes]:
        """The bytes under a key, for `ctexport verify` alone; it takes the right to read.

        Raises:
            FileNotFoundError: nothing lies there.
            DeliveryError: reading isn't allowed, or failed.
        """
        found = self._writer().read(self._name(key))
        if found is None:
            raise FileNotFoundError(self.address(key))
        if isinstance(found, Failure):
            raise DeliveryError(f"Reading {self.address(key)}", found)
        return found

    def check(self) -> Failure | None:
        """Why nothing could be written, as far as it shows without a request: what the SAS token says of itself.

        Raises:
            ConfigurationError: the extra is missing, or the variable of the secret isn't set or holds something else.
        """
        access = find_access(self.declared, self.surroundings.environment, self.service)
        self._writer()
        return access.shortcoming(datetime.now(UTC), _ALSO_NEEDED[self.service])

    def canary(self) -> Failure | None:
        """Writes one tiny file under `.ctexport-canary/`, never the same twice; why it couldn't, else None.

        Raises:
            ConfigurationError: as `check`.
        """
        attempt = uuid4().hex
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "canary")
            path.write_bytes(_CANARY)
            key, digest = f".ctexport-canary/{attempt}", sha256(_CANARY).hexdigest()
            try:
                self.put(Upload(path, key, len(_CANARY), digest, attempt, overwrites=False))
            except DeliveryError as error:
                return error.failure
        return None

    def _name(self, key: str) -> str:
        return prefixed(self.declared.prefix, key)

    def _writer(self) -> Writer:
        """The one connection that all uploads share, made by whoever needs it first."""
        with self._lock:
            if self._kept is None:
                access = find_access(self.declared, self.surroundings.environment, self.service)
                self._kept = self._connect(access)
            return self._kept
