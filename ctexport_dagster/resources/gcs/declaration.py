"""Google Cloud Storage as a destination: a bucket that roles/storage.objectCreator alone lets us write into.

That role can neither replace nor delete, so every upload carries the precondition that nothing lies under its key,
unless the plan replaces a file. Google's library is imported, and credentials are read, when the first file is put.
"""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import uuid4

from pydantic import Field, field_validator, model_validator

from ctexport_dagster.core.declared import Declared
from ctexport_dagster.core.destination import PutOutcome, Upload
from ctexport_dagster.core.errors import ConfigurationError, DeliveryError
from ctexport_dagster.core.failure import Failure
from ctexport_dagster.core.secret import Secret
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.extras import extra
from ctexport_dagster.resources.gcs.failures import NAME_TOO_LONG, not_set_up
from ctexport_dagster.resources.key_prefix import KeyPrefix, prefixed

if TYPE_CHECKING:
    from ctexport_dagster.resources.gcs.client import GcsClient

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_KMS_KEY = r"^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$"
_LONGEST_NAME_BYTES = 1024
_CANARY = b"written by ctexport check --canary; it can be deleted\n"

Seconds = Annotated[float, Field(gt=0, le=3600)]


class GcsDestination(Declared):
    """A bucket of Google Cloud Storage, as `resources/<name>.yaml` declares it; `name` is the file's stem.

    Without `key_json` and `key_file` the machine's own credentials are used: the service account that it runs as, or
    what GOOGLE_APPLICATION_CREDENTIALS points to.
    """

    type: Literal["gcs"]
    name: str
    description: str | None = None
    bucket: str
    """The bucket's name, exactly as Google has it, without gs://."""
    prefix: KeyPrefix = ""
    """Stands before every key, as a folder: exports/daily."""
    key_json: Secret | None = None
    """The service account's key: the whole JSON text, in an environment variable."""
    key_file: str | None = Field(default=None, min_length=1)
    """The service account's key: the path of its JSON file, relative to the home."""
    project: str | None = None
    """The project that requests are made for; writing needs none."""
    endpoint_url: str | None = Field(default=None, pattern=r"^https?://[^/@\s]+/?$")
    """Instead of Google's own, for private endpoints and emulators."""
    storage_class: Literal["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"] | None = None
    """Else the bucket's default."""
    kms_key: str | None = Field(
        default=None, pattern=r"^projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/[^/]+$"
    )
    """The Cloud KMS key that encrypts the files, else the bucket's default."""
    connect_timeout_seconds: Seconds = 10
    read_timeout_seconds: Seconds = 60
    """How long the service may stay silent."""
    parallel_uploads: int = Field(default=4, ge=1, le=32)
    """Each holds 8 MiB in memory."""

    @field_validator("bucket")
    @classmethod
    def _is_a_bucket(cls, bucket: str) -> str:
        if not _BUCKET.fullmatch(bucket):
            raise ValueError(
                "a bucket's name has lower-case letters, digits, dots, dashes and underscores, 3 to 222 of them: "
                "write it exactly as Google has it, without gs:// and without a folder (that is prefix)"
            )
        return bucket

    @model_validator(mode="after")
    def _has_one_key(self) -> "GcsDestination":
        if self.key_json and self.key_file:
            raise ValueError("give key_json or key_file, not both")
        return self

    def open(self, surroundings: Surroundings) -> "GcsBucket":
        """The destination, ready to take files; touches no network and reads no secret."""
        return GcsBucket(self, surroundings)


@dataclass(eq=False)
class GcsBucket:
    """Takes files into a bucket with the right to create objects alone; an object appears there whole or not at all."""

    declared: GcsDestination
    surroundings: Surroundings
    _client: "GcsClient | None" = field(init=False, repr=False, default=None)
    _lock: Lock = field(init=False, repr=False, default_factory=Lock)

    def address(self, key: str) -> str:
        return f"gs://{self.declared.bucket}/{prefixed(self.declared.prefix, key)}"

    def put(self, upload: Upload) -> PutOutcome:
        """Uploads one file; where one lies there already, it is taken for ours if the plan says that it may be.

        Raises:
            DeliveryError: Google refuses, can't be reached, or stored something else.
            ConfigurationError: the extra is missing, or the variable of the key isn't set.
        """
        attempted = f"Writing {self.address(upload.key)}"
        name = prefixed(self.declared.prefix, upload.key)
        if len(name.encode()) > _LONGEST_NAME_BYTES:
            raise DeliveryError(attempted, NAME_TOO_LONG)
        outcome = self._connected().put(name, upload)
        if isinstance(outcome, Failure):
            raise DeliveryError(attempted, outcome)
        return outcome

    def read(self, key: str) -> Iterator[bytes]:
        """The bytes under a key, for `ctexport verify`; it takes the right to read (storage.objects.get).

        Raises:
            FileNotFoundError: nothing lies there.
            DeliveryError: reading isn't allowed, or failed.
        """
        for block in self._connected().read(prefixed(self.declared.prefix, key)):
            if isinstance(block, Failure):
                raise DeliveryError(f"Reading {self.address(key)}", block)
            yield block

    def discard_unfinished(self, key: str, attempt: str) -> None:
        """Nothing to do: an upload that died shows nowhere, and Google forgets it after a week."""

    def check(self) -> Failure | None:
        """Why nothing could be written, as far as it shows without a request to the bucket: extra, key, credentials."""
        try:
            self._connected()
        except ConfigurationError as error:
            return not_set_up(error)
        except DeliveryError as error:
            return error.failure
        return None

    def canary(self) -> Failure | None:
        """Writes one tiny object under `.ctexport-canary/`, never the same twice; why it couldn't, else None."""
        attempt = uuid4().hex
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "canary")
            path.write_bytes(_CANARY)
            key, digest = f".ctexport-canary/{attempt}", sha256(_CANARY).hexdigest()
            try:
                self.put(Upload(path, key, len(_CANARY), digest, attempt, overwrites=False))
            except ConfigurationError as error:
                return not_set_up(error)
            except DeliveryError as error:
                return error.failure
        return None

    def _connected(self) -> "GcsClient":
        """The one client that all uploads share, made by whoever needs it first."""
        with self._lock:
            if self._client is None:
                with extra("gcs", self.declared.name):
                    from ctexport_dagster.resources.gcs.client import GcsClient
                self._client = GcsClient.connect(self.declared, self.surroundings)
            return self._client
