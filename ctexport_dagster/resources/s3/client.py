"""The S3 client that writes: dagster-aws's resource with timeouts, one try a call, roles, and no look at the bucket.

Measured: making a client takes over a second, so whoever has one keeps it. `S3Resource` sets no timeouts, shows its
secret in its repr, and lets botocore ask for a bucket's region with a HEAD that we have no right to: all mended here.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import BinaryIO, Protocol, cast

from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    CredentialProvider,
    CredentialResolver,
    Credentials,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import NoCredentialsError
from botocore.session import Session
from dagster_aws.s3 import S3Resource

PUT = "before-call.s3.PutObject"
_SESSION_NAME = "ctexport"


PutArguments = dict[str, str | int | BinaryIO | bytes]


class Body(Protocol):
    """A reply's bytes."""

    def iter_chunks(self, chunk_size: int) -> Iterator[bytes]: ...


class S3Client(Protocol):
    """As much of botocore's client as we use. `get_object` is for `ctexport verify` alone."""

    def put_object(self, **arguments: str | int | BinaryIO | bytes) -> Mapping[str, object]: ...

    def get_object(self, **arguments: str) -> Mapping[str, Body]: ...


class WritingS3(S3Resource):
    """An `S3Resource` whose client only ever sends what it is told to, once, and doesn't wait for ever."""

    role_arn: str | None = None
    external_id: str | None = None
    sts_endpoint_url: str | None = None
    connect_timeout_seconds: float = 10
    read_timeout_seconds: float = 60
    connections: int = 4
    max_attempts: int = 1
    """Transient failures are tried again by core/sending.py, for the whole file."""

    def __repr__(self) -> str:
        return f"WritingS3(region_name={self.region_name!r}, endpoint_url={self.endpoint_url!r})"

    __str__ = __repr__

    def get_client(self) -> S3Client:
        """A new client; its credentials are looked up here, a role's when they are first needed."""
        session = self._session()
        client = session.create_client(
            "s3",
            region_name=self.region_name,
            endpoint_url=self.endpoint_url,
            use_ssl=self.use_ssl,
            verify=self.verify,
            config=self._config(),
        )
        client.meta.events.register(PUT, _stay_in_region)
        return cast(S3Client, client)

    def _config(self) -> Config:
        """Other services than AWS get the path style, and a signed body, which each of them checks."""
        is_other = self.endpoint_url is not None
        return Config(
            connect_timeout=self.connect_timeout_seconds,
            read_timeout=self.read_timeout_seconds,
            retries={"total_max_attempts": self.max_attempts, "mode": "standard"},
            max_pool_connections=self.connections,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            signature_version="s3v4",
            s3={"addressing_style": "path", "payload_signing_enabled": True} if is_other else {},
        )

    def _session(self) -> Session:
        session = Session(profile=self.profile_name)
        if self.aws_access_key_id and self.aws_secret_access_key:
            session.set_credentials(self.aws_access_key_id, self.aws_secret_access_key, self.aws_session_token)
        if self.role_arn is None:
            return session
        taking_on = Session(profile=self.profile_name)
        taking_on.register_component("credential_provider", CredentialResolver([_Role(self, self.role_arn, session)]))
        return taking_on

    def role_credentials(self, role_arn: str, session: Session) -> DeferredRefreshableCredentials:
        """Credentials of the role, fetched with those of a session, and anew before they end."""
        source = session.get_credentials()
        if source is None:
            raise NoCredentialsError
        config = Config(
            connect_timeout=self.connect_timeout_seconds,
            read_timeout=self.read_timeout_seconds,
            retries={"total_max_attempts": self.max_attempts, "mode": "standard"},
        )
        create = partial(
            session.create_client, region_name=self.region_name, endpoint_url=self.sts_endpoint_url, config=config
        )
        asked = {"RoleSessionName": _SESSION_NAME, **({"ExternalId": self.external_id} if self.external_id else {})}
        fetcher = AssumeRoleCredentialFetcher(create, source, role_arn, extra_args=asked)
        return DeferredRefreshableCredentials(method="assume-role", refresh_using=fetcher.fetch_credentials)


class _Role(CredentialProvider):
    METHOD = "ctexport-role"
    CANONICAL_NAME = None

    def __init__(self, resource: WritingS3, role_arn: str, session: Session) -> None:
        super().__init__()
        self._resource = resource
        self._role_arn = role_arn
        self._base = session

    def load(self) -> Credentials:  # pyright: ignore[reportIncompatibleMethodOverride]  (botocore's own says True)
        return self._resource.role_credentials(self._role_arn, self._base)


def _stay_in_region(context: dict[str, dict[str, bool]], **_: object) -> None:
    """Makes botocore believe that it was redirected already: else a wrong region leads to a HEAD of the bucket."""
    context.setdefault("s3_redirect", {})["redirected"] = True
