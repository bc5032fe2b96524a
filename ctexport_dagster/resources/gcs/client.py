"""Uploads to Google Cloud Storage with Google's own client; imported on use alone, for it brings the SDK in.

Files up to 1 MiB go in one request; larger ones in blocks of 4 MiB (a resumable upload), so that memory stays flat and
a refusal comes before the bytes. The CRC32C goes ahead of them: what was damaged is refused, and nothing appears.
The library's own check is off: on a mismatch it deletes the object, and deleting isn't ours to do.
Its retries are off as well (it would go on for 120 s): core/sending.py retries.
"""

import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, cast

import google.auth
import google_crc32c
from dagster_gcp.gcs.resources import GCSResource
from google.api_core.exceptions import GoogleAPICallError, NotFound
from google.auth.credentials import Credentials
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.cloud.storage import Client
from google.oauth2 import service_account
from pydantic import PrivateAttr
from requests.exceptions import RequestException

from ctexport_dagster.core.destination import PutOutcome, Upload
from ctexport_dagster.core.errors import DeliveryError
from ctexport_dagster.core.failure import STAGED_FILE_CHANGED, Failure
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.gcs.declaration import GcsDestination
from ctexport_dagster.resources.gcs.errors import failure_of, says_it_exists, says_no_bucket
from ctexport_dagster.resources.gcs.failures import (
    GCS,
    NAME_TOO_LONG,
    NO_CREDENTIALS,
    NO_KEY,
    STORED_OTHERWISE,
    TAKEN,
)
from ctexport_dagster.resources.gcs.key import KeyCredentials

_BLOCK_BYTES = 4 << 20
_IN_ONE_REQUEST_BYTES = 1 << 20
_READ_BYTES = 1 << 20
_LONGEST_NAME_BYTES = 1024
_SCOPES = ["https://www.googleapis.com/auth/devstorage.read_write"]


class Blob(Protocol):
    """As much of Google's blob as we use, with the types that its methods really take."""

    crc32c: str | None
    storage_class: str | None

    def upload_from_file(
        self,
        file_obj: BinaryIO,
        *,
        size: int | None,
        if_generation_match: int | None,
        timeout: tuple[float, float],
        checksum: str | None,
        retry: None,
    ) -> None: ...

    def open(self, mode: str, *, chunk_size: int, timeout: tuple[float, float], retry: None) -> BinaryIO: ...


class WritingClient(Client):
    """Google's client, less its look at the bucket.

    On a bucket's first use google-cloud-storage 3.17 calls `get_bucket` in a thread of its own, to label traces, even
    where tracing is off. That takes a right that we don't have, and shows as a denied access in the bucket's audit log.
    """

    def __init__(self, *, project: str | None, credentials: Credentials, endpoint_url: str | None) -> None:
        options = {"api_endpoint": endpoint_url.rstrip("/")} if endpoint_url else None
        super().__init__(project=project, credentials=credentials, client_options=options)
        self._bucket_metadata_cache = None


class GcsResource(GCSResource):
    """dagster-gcp's resource with what it lacks: credentials of our own, and an endpoint. Its repr shows no secret."""

    endpoint_url: str | None = None
    _credentials: Credentials = PrivateAttr()

    @classmethod
    def of(cls, declared: GcsDestination, credentials: Credentials) -> "GcsResource":
        resource = cls(project=declared.project, endpoint_url=declared.endpoint_url)
        resource._credentials = credentials
        return resource

    def get_client(self) -> WritingClient:
        """A client without a request; keep it, for each one asks for a token of its own."""
        return WritingClient(project=self.project, credentials=self._credentials, endpoint_url=self.endpoint_url)


@dataclass(frozen=True)
class GcsClient:
    """One client with its credentials, shared by all uploads to a destination."""

    client: Client
    declared: GcsDestination

    @classmethod
    def connect(cls, declared: GcsDestination, surroundings: Surroundings) -> "GcsClient":
        """Reads the credentials; makes no request where a key is declared.

        Raises:
            ConfigurationError: the variable of the key isn't set.
            DeliveryError: there are no credentials, or the key is none.
        """
        return cls(GcsResource.of(declared, _credentials(declared, surroundings)).get_client(), declared)

    def put(self, name: str, upload: Upload) -> PutOutcome | Failure:
        """Uploads a file, or tells why it couldn't."""
        if len(name.encode()) > _LONGEST_NAME_BYTES:
            return NAME_TOO_LONG
        size, checksum = _crc32c(upload.path)
        if size != upload.bytes:
            return STAGED_FILE_CHANGED
        blob = self._blob(name)
        try:
            self._send(blob, upload, checksum)
        except (GoogleAPICallError, GoogleAuthError, RequestException) as error:
            if says_it_exists(error, overwrites=upload.overwrites):
                return "already_there" if upload.may_lie_there else TAKEN
            return failure_of(error)
        return "written" if blob.crc32c == checksum else GCS.classify(code=STORED_OTHERWISE)

    def discard_unfinished(self, name: str, attempt: str) -> None:
        """Nothing to do: an upload that died shows nowhere, and Google forgets it after a week."""

    def read(self, name: str) -> Iterator[bytes | Failure]:
        failure, is_missing = None, False
        try:
            with self._blob(name).open("rb", chunk_size=_BLOCK_BYTES, timeout=self._timeout, retry=None) as file:
                while block := file.read(_READ_BYTES):
                    yield block
        except NotFound as error:
            is_missing, failure = not says_no_bucket(error), failure_of(error)
        except (GoogleAPICallError, GoogleAuthError, RequestException) as error:
            failure = failure_of(error)
        if is_missing:
            raise FileNotFoundError(name)
        if failure:
            yield failure

    def _blob(self, name: str) -> Blob:
        """`bucket()` asks nothing of Google; `get_bucket()` would need a right that we don't have."""
        bucket = self.client.bucket(self.declared.bucket)
        return cast("Blob", bucket.blob(name, chunk_size=_BLOCK_BYTES, kms_key_name=self.declared.kms_key))

    def _send(self, blob: Blob, upload: Upload, checksum: str) -> None:
        """A size that isn't given makes the library send in blocks from the first byte on."""
        blob.crc32c = checksum
        if self.declared.storage_class:
            blob.storage_class = self.declared.storage_class
        with upload.path.open("rb") as stream:
            blob.upload_from_file(
                stream,
                size=upload.bytes if upload.bytes <= _IN_ONE_REQUEST_BYTES else None,
                if_generation_match=None if upload.overwrites else 0,
                timeout=self._timeout,
                checksum=None,
                retry=None,
            )

    @property
    def _timeout(self) -> tuple[float, float]:
        return self.declared.connect_timeout_seconds, self.declared.read_timeout_seconds


def _credentials(declared: GcsDestination, surroundings: Surroundings) -> Credentials:
    """The declared key's, else this machine's own."""
    attempted = f"Reading the credentials of {declared.name}"
    if declared.key_json:
        return _from_key(attempted, declared.key_json.resolve(surroundings.environment))
    if declared.key_file:
        return _from_key(attempted, _text(attempted, surroundings.home / Path(declared.key_file).expanduser()))
    try:
        credentials, _ = google.auth.default(scopes=_SCOPES)
    except DefaultCredentialsError:
        credentials = None
    if credentials is None:
        raise DeliveryError(attempted, GCS.classify(code=NO_CREDENTIALS))
    return KeyCredentials.like(credentials) if isinstance(credentials, service_account.Credentials) else credentials


def _text(attempted: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise DeliveryError(attempted, GCS.classify(code=NO_KEY)) from None


def _from_key(attempted: str, key: str) -> Credentials:
    """The text of a parser's error may hold a part of the key: nothing of it is passed on."""
    credentials = None
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        credentials = KeyCredentials.from_service_account_info(json.loads(key), scopes=_SCOPES)
    if credentials is None:
        raise DeliveryError(attempted, GCS.classify(code=NO_KEY))
    return credentials


def _crc32c(path: Path) -> tuple[int, str]:
    """A file's size and CRC32C, as Google writes it: base64 of four bytes, the highest first."""
    checksum = google_crc32c.Checksum()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            checksum.update(block)
        return file.tell(), base64.b64encode(checksum.digest()).decode()
