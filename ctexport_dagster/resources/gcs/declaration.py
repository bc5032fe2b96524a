"""Google Cloud Storage as a destination: a bucket that roles/storage.objectCreator alone lets us write into.

That role can neither replace nor delete, so every upload carries the precondition that nothing lies under its key,
unless the plan replaces a file. Google's library is imported, and credentials are read, when the first file is put.
"""

import re
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator, model_validator

from ctexport_dagster.core.errors import DeliveryError
from ctexport_dagster.core.failure import Failure
from ctexport_dagster.core.secret import Secret
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.declared_destination import DeclaredCloud
from ctexport_dagster.resources.extras import extra
from ctexport_dagster.resources.object_store import ObjectStore

if TYPE_CHECKING:
    from ctexport_dagster.resources.gcs.client import GcsClient

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_GOOGLE = "https://storage.googleapis.com"


class GcsDestination(DeclaredCloud):
    """A bucket of Google Cloud Storage, as `resources/<name>.yaml` declares it; `name` is the file's stem.

    Without `key_json` and `key_file` the machine's own credentials are used: the service account that it runs as, or
    what GOOGLE_APPLICATION_CREDENTIALS points to.
    """

    type: Literal["gcs"]
    bucket: str
    """The bucket's name, exactly as Google has it, without gs://."""
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

    @property
    def service_url(self) -> str:
        """Where requests go."""
        return (self.endpoint_url or _GOOGLE).rstrip("/")


class GcsBucket(ObjectStore):
    """A bucket with the right to create objects alone."""

    def __init__(self, declared: GcsDestination, surroundings: Surroundings) -> None:
        def connect() -> "GcsClient":
            with extra("gcs", declared.name):
                from ctexport_dagster.resources.gcs.client import GcsClient
            return GcsClient.connect(declared, surroundings)

        super().__init__(f"gs://{declared.bucket}", declared.prefix, connect)
        self.dated_by = declared.service_url

    def check(self) -> Failure | None:
        """Why nothing could be written, as far as it shows without a request to the bucket: extra, key, credentials.

        Raises:
            ConfigurationError: the extra is missing, or the variable of the key isn't set.
        """
        try:
            self.connection()
        except DeliveryError as error:
            return error.failure
        return None
