"""An opened S3 bucket: one PutObject a file, with its SHA-256, which S3 checks and gives back."""

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, BinaryIO

from botocore.exceptions import BotoCoreError, ClientError

from ctexport_dagster.core.destination import PutOutcome, Upload
from ctexport_dagster.core.errors import DeliveryError
from ctexport_dagster.core.failure import Failure, reading_denied
from ctexport_dagster.core.secret import Secret
from ctexport_dagster.resources.canary import try_with_a_canary
from ctexport_dagster.resources.extras import extra
from ctexport_dagster.resources.key_prefix import prefixed
from ctexport_dagster.resources.s3.failures import S3, s3_failure

if TYPE_CHECKING:
    from ctexport_dagster.resources.s3.client import PutArguments, S3Client
    from ctexport_dagster.resources.s3.declaration import S3Destination

_ENCRYPTION = {"sse-s3": "AES256", "sse-kms": "aws:kms"}
_EXISTS = "412 "
"""How the code of a failure begins that says: this key is taken (If-None-Match)."""
_BLOCK_BYTES = 1 << 20
_READING_DENIED = reading_denied("403 AccessDenied", "s3:GetObject on the bucket's objects (and s3:ListBucket on it)")


@dataclass
class S3Bucket:
    """Takes files with the right `s3:PutObject` alone. `environment` has the secrets; threads may share it."""

    declaration: "S3Destination"
    environment: Mapping[str, str] = field(repr=False)
    _kept: "S3Client | None" = field(default=None, init=False, repr=False)
    _damaged: set[str] = field(default_factory=set, init=False, repr=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def address(self, key: str) -> str:
        return f"s3://{self.declaration.bucket}/{prefixed(self.declaration.prefix, key)}"

    def put(self, upload: Upload) -> PutOutcome:
        """Sends one file; S3 shows it whole or not at all.

        Raises:
            DeliveryError: it was refused or didn't arrive, or another file has its name.
            ConfigurationError: a secret's variable isn't set, or the extra isn't installed.
        """
        replaces = upload.overwrites or upload.key in self._damaged
        try:
            with self._reported(f"Writing {self.address(upload.key)}"), upload.path.open("rb") as body:
                reply = self._client().put_object(
                    **self._arguments(upload.key, body, upload.sha256, replaces=replaces), ContentLength=upload.bytes
                )
        except DeliveryError as error:
            if upload.may_lie_there and error.failure.code.startswith(_EXISTS):
                return "already_there"
            raise
        self._compare(upload, reply)
        return "written"

    def discard_unfinished(self, key: str, attempt: str) -> None:
        """Nothing to do: an upload that died left nothing."""

    def read(self, key: str) -> Iterator[bytes]:
        """The bytes under a key, for `ctexport verify` alone; it takes the right `s3:GetObject`.

        Raises:
            FileNotFoundError: nothing lies there.
            DeliveryError: reading isn't allowed, or failed.
        """
        with self._reported(f"Reading {self.address(key)}"):
            try:
                reply = self._client().get_object(
                    Bucket=self.declaration.bucket, Key=prefixed(self.declaration.prefix, key)
                )
            except ClientError as error:
                match error.response.get("Error", {}).get("Code"):
                    case "NoSuchKey":
                        raise FileNotFoundError(self.address(key)) from None
                    case "AccessDenied":
                        raise DeliveryError(f"Reading {self.address(key)}", _READING_DENIED) from None
                raise
            yield from reply["Body"].iter_chunks(_BLOCK_BYTES)

    @property
    def dated_by(self) -> str:
        """Where requests go."""
        return self.declaration.service_url

    def check(self) -> Failure | None:
        """Why nothing could be written now, as far as it shows without writing: credentials that can't be found.

        Raises:
            ConfigurationError: a secret's variable isn't set, or the extra isn't installed.
        """
        try:
            with self._reported("Looking for credentials"):
                self._client()
        except DeliveryError as error:
            return error.failure
        return None

    def canary(self) -> Failure | None:
        """Writes one tiny file under `.ctexport-canary/`; None if that was allowed.

        Raises:
            ConfigurationError: a secret's variable isn't set, or the extra isn't installed.
        """
        return try_with_a_canary(self)

    @contextmanager
    def _reported(self, attempted: str) -> Iterator[None]:
        """The client's errors as ours. They are cut off: their text may echo what was sent."""
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            raise DeliveryError(attempted, s3_failure(error)) from None

    def _arguments(self, key: str, body: BinaryIO, sha256: str, *, replaces: bool) -> "PutArguments":
        declared = self.declaration
        wanted = {
            "StorageClass": declared.storage_class,
            "ServerSideEncryption": _ENCRYPTION.get(declared.encryption or ""),
            "SSEKMSKeyId": declared.kms_key_id,
            "ExpectedBucketOwner": declared.bucket_owner,
            "IfNoneMatch": "*" if declared.conditional_writes and not replaces else None,
        }
        return {
            "Bucket": declared.bucket,
            "Key": prefixed(declared.prefix, key),
            "Body": body,
            "ChecksumAlgorithm": "SHA256",
            "ChecksumSHA256": _base64(sha256),
            **{name: value for name, value in wanted.items() if value is not None},
        }

    def _compare(self, upload: Upload, reply: Mapping[str, object]) -> None:
        """A service that doesn't know the checksum doesn't give one back; it has checked the signed body."""
        told = reply.get("ChecksumSHA256")
        if told is not None and told != _base64(upload.sha256):
            self._damaged.add(upload.key)
            raise DeliveryError(f"Writing {self.address(upload.key)}", S3.classify(code="ChecksumMismatch"))
        self._damaged.discard(upload.key)

    def _client(self) -> "S3Client":
        with self._lock:
            if self._kept is None:
                self._kept = self._made()
            return self._kept

    def _made(self) -> "S3Client":
        with extra("s3", self.declaration.name):
            from ctexport_dagster.resources.s3.client import WritingS3
        declared = self.declaration
        key_id, secret, token = self._credentials()
        return WritingS3(
            region_name=declared.effective_region,
            endpoint_url=declared.endpoint_url,
            aws_access_key_id=key_id,
            aws_secret_access_key=secret,
            aws_session_token=token,
            role_arn=declared.role_arn,
            external_id=self._resolved(declared.external_id),
            sts_endpoint_url=declared.sts_endpoint_url,
            connect_timeout_seconds=declared.connect_timeout_seconds,
            read_timeout_seconds=declared.read_timeout_seconds,
            connections=declared.parallel_uploads,
        ).get_client()

    def _credentials(self) -> tuple[str | None, str | None, str | None]:
        """Key, secret and token: as declared, else as this environment has them; None leaves it to AWS's own search."""
        declared = self.declaration
        if declared.access_key_id and declared.secret_access_key:
            names = (declared.access_key_id, declared.secret_access_key, declared.session_token)
            key_id, secret, token = (self._resolved(name) for name in names)
            return key_id, secret, token
        key_id, secret, token = (
            self.environment.get(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
        )
        return (key_id, secret, token) if key_id and secret else (None, None, None)

    def _resolved(self, secret: Secret | None) -> str | None:
        return secret.resolve(self.environment) if secret else None


def _base64(sha256: str) -> str:
    return base64.b64encode(bytes.fromhex(sha256)).decode()
