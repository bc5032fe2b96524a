"""Amazon S3, or a service that speaks its language, as a destination: what `resources/*.yaml` declares."""

import re
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from ctexport_dagster.core.secret import Secret
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.declared_destination import DeclaredCloud
from ctexport_dagster.resources.extras import extra

if TYPE_CHECKING:
    from ctexport_dagster.resources.s3.bucket import S3Bucket

AccountRegion = Literal["eu1", "in1", "us1", "sg1", "sk1"]
Encryption = Literal["sse-s3", "sse-kms"]
StorageClass = Literal[
    "STANDARD", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE"
]

BUCKET_REGIONS: dict[AccountRegion, str] = {
    "eu1": "eu-west-1",
    "in1": "ap-south-1",
    "us1": "us-west-2",
    "sg1": "ap-southeast-1",
    "sk1": "ap-northeast-2",
}
"""The AWS region whose buckets serve a CleverTap account's region. Source: REQUIREMENTS S3."""

_URLS = (
    re.compile(r"s3://(?P<bucket>[^/]+)/?"),
    re.compile(r"https?://(?P<bucket>[^/]+?)\.s3[.-][^/]*amazonaws\.com(\.cn)?/?"),
    re.compile(r"https?://s3[.-][^/]*amazonaws\.com(\.cn)?/(?P<bucket>[^/]+)/?"),
)


def _bucket_name(declared: object) -> object:
    """A bucket's name, out of its URL where one was given."""
    if not isinstance(declared, str):
        return declared
    matches = (pattern.fullmatch(declared) for pattern in _URLS)
    name = next((match["bucket"] for match in matches if match), declared)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]", name):
        raise ValueError("write the bucket's name, as acme-exports, or its URL, as s3://acme-exports; no path")
    return name


class S3Destination(DeclaredCloud):
    """A bucket. Without an access key, what AWS's own tools find is used: environment, role, profile."""

    type: Literal["s3"]
    bucket: Annotated[str, BeforeValidator(_bucket_name)]
    """Its name, or its URL."""
    region: str | None = Field(default=None, pattern=r"^[a-z]{2}(-[a-z]+)+-\d$|^auto$")
    """The bucket's region, as eu-west-1. Needed on AWS, unless `clevertap_region` says it."""
    clevertap_region: AccountRegion | None = None
    """The region of the CleverTap account; `ctexport check` warns where the bucket is elsewhere."""
    access_key_id: Secret | None = None
    secret_access_key: Secret | None = None
    session_token: Secret | None = None
    role_arn: str | None = Field(default=None, pattern=r"^arn:[a-z-]+:iam::\d{12}:role/.+$")
    """A role to take on before writing, with the access key or the ambient credentials."""
    external_id: Secret | None = None
    """What the role's trust policy asks for, if it does."""
    endpoint_url: str | None = Field(default=None, pattern=r"^https?://[^/@\s]+/?$")
    """Another service that speaks S3: MinIO, Ceph, R2. None means AWS."""
    sts_endpoint_url: str | None = Field(default=None, pattern=r"^https?://[^/@\s]+/?$")
    """Where the role is taken on; None means AWS."""
    encryption: Encryption | None = None
    """None leaves it to the bucket's own setting."""
    kms_key_id: str | None = None
    """The key of sse-kms; None means the account's own S3 key."""
    storage_class: StorageClass | None = None
    bucket_owner: str | None = Field(default=None, pattern=r"^\d{12}$")
    """The account that must own the bucket; files are refused where another one does."""
    conditional_writes: bool = True
    """Never write over a file that isn't ours (If-None-Match). Turn it off where an endpoint doesn't know it."""

    @model_validator(mode="after")
    def _fits_together(self) -> "S3Destination":
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key go together; leave both out for ambient credentials")
        if self.session_token and not self.access_key_id:
            raise ValueError("session_token goes with access_key_id and secret_access_key")
        if self.external_id and not self.role_arn:
            raise ValueError("external_id goes with role_arn")
        if self.kms_key_id and self.encryption != "sse-kms":
            raise ValueError("kms_key_id goes with encryption: sse-kms")
        if self.effective_region is None:
            raise ValueError("region is missing: the AWS region of the bucket, as eu-west-1")
        return self

    @property
    def effective_region(self) -> str | None:
        """As declared, else by the account's region; another service's is us-east-1, as they sign."""
        if self.region or self.clevertap_region is None:
            return self.region or ("us-east-1" if self.endpoint_url else None)
        return BUCKET_REGIONS[self.clevertap_region]

    @property
    def service_url(self) -> str:
        """Where requests go."""
        if self.endpoint_url:
            return self.endpoint_url.rstrip("/")
        region = self.effective_region or ""
        return f"https://s3.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed, but probably not meant."""
        if self.clevertap_region is None or self.endpoint_url:
            return ()
        expected = BUCKET_REGIONS[self.clevertap_region]
        if self.effective_region == expected:
            return ()
        return (
            f"the bucket is in {self.effective_region}, but a CleverTap account in {self.clevertap_region} exports to"
            f" {expected}; create the bucket there, or leave clevertap_region out",
        )

    def open(self, surroundings: Surroundings) -> "S3Bucket":
        """The destination, ready to take files; touches nothing and resolves no secret.

        Raises:
            ConfigurationError: the extra isn't installed.
        """
        with extra("s3", self.name):
            from ctexport_dagster.resources.s3.bucket import S3Bucket
        return S3Bucket(self, surroundings.environment)
