"""Buckets that sources read, as they are declared: their URLs, and how a source is let in.

s3://bucket/folder/…                                     storage: region, access_key_id, secret_access_key, …
gs://bucket/folder/…                                     storage: key_json or key_file
az://container/folder/…                                  storage: storage_account, sas_token or account_key
abfss://container@account.dfs.core.windows.net/folder/…  the same; the account is in the URL
"""

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from ctexport_dagster.core.declared import Declared
from ctexport_dagster.core.errors import ConfigurationError, Mistake
from ctexport_dagster.core.secret import Secret
from ctexport_dagster.core.surroundings import Surroundings

Cloud = Literal["s3", "gcs", "azure"]
"""Also the name of the extra that brings what reading files there takes."""

_CLOUDS: dict[str, Cloud] = {"s3": "s3", "s3a": "s3", "gs": "gcs", "az": "azure", "abfss": "azure", "abfs": "azure"}
_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9]+)://(?P<bucket>[^/@]+)(@(?P<host>[^/]+))?/(?P<key>.+)", re.DOTALL)
_SIGNED = re.compile(r"[?&](sig|x-amz-[a-z-]+|x-goog-[a-z-]+)=", re.IGNORECASE)


@dataclass(frozen=True)
class BucketUrl:
    """The URL of files in a bucket, taken apart; `key` is what stands behind the bucket, wildcards and all."""

    cloud: Cloud
    root: str
    """Up to the slash before the key."""
    bucket: str
    key: str
    account: str | None
    """Azure's storage account, where the URL names it."""


def is_url(place: str) -> bool:
    """Whether a place is elsewhere than on a disk."""
    return "://" in place


def bucket_url(template: str) -> BucketUrl:
    """The URL's parts.

    Raises:
        ValueError: it is no URL of something in a bucket, or a secret stands in it; nothing of it is repeated.
    """
    found = _URL.fullmatch(template)
    cloud = _CLOUDS.get(found["scheme"]) if found else None
    if found and (":" in found["bucket"] or _SIGNED.search(found["key"])):
        raise ValueError("a secret never stands in a URL; write it under `storage:`, as {env: NAME}")
    if found is None or cloud is None or (found["host"] and cloud != "azure"):
        raise ValueError(
            "write what lies in a bucket as s3://bucket/…, gs://bucket/…, az://container/…"
            " or abfss://container@account.dfs.core.windows.net/…"
        )
    if "{{" in found["bucket"] or re.search(r"[*?\[]", found["bucket"]):
        raise ValueError("a variable or wildcard can't stand for the bucket; write its name")
    root = template.removesuffix(found["key"])
    account = (found["host"] or "").partition(".")[0] or None
    return BucketUrl(cloud, root, found["bucket"], found["key"], account)


class Storage(Declared):
    """How buckets are reached. Without credentials, what the cloud's own tools find on this machine is used."""

    region: str | None = None
    """Of a bucket on S3: its region, as eu-west-1."""
    access_key_id: Secret | None = None
    secret_access_key: Secret | None = None
    session_token: Secret | None = None
    key_json: Secret | None = None
    """Of Google's: a service account's key, the whole JSON text."""
    key_file: str | None = Field(default=None, min_length=1)
    """Of Google's: the path of the key's JSON file, relative to the home."""
    storage_account: str | None = Field(default=None, pattern="^[a-z0-9]{3,24}$")
    """Of Azure's: the account's name, where the URL doesn't say it."""
    sas_token: Secret | None = None
    """Of Azure's: a SAS token that may list and read."""
    account_key: Secret | None = None
    """Of Azure's: the key to the whole account."""
    endpoint_url: str | None = Field(default=None, pattern=r"^https?://[^?@\s]+$")
    """Another service of the same kind, a private endpoint or an emulator."""
    connect_timeout_seconds: float = Field(default=10, gt=0, le=3600)
    read_timeout_seconds: float = Field(default=60, gt=0, le=3600)
    """The longest silence that is borne."""
    retry_seconds: float = Field(default=120, ge=0, le=280)
    """So long is a request tried again where the network or the service stumbles."""

    @model_validator(mode="after")
    def _fits_together(self) -> "Storage":
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise ValueError("access_key_id and secret_access_key go together; leave both out for ambient credentials")
        if self.session_token and not self.access_key_id:
            raise ValueError("session_token goes with access_key_id and secret_access_key")
        if self.key_json and self.key_file:
            raise ValueError("give key_json or key_file, not both")
        if self.sas_token and self.account_key:
            raise ValueError("give sas_token or account_key, not both")
        return self

    def refuse_unless_enough_for(self, urls: Iterable[BucketUrl]) -> None:
        """Lets these URLs through.

        Raises:
            ValueError: one of them needs a field that isn't there.
        """
        problems = (self._missing_for(url) for url in urls)
        if problem := next(filter(None, problems), None):
            raise ValueError(problem)

    def google_key(self, surroundings: Surroundings) -> str | None:
        """The JSON text of the service account's key; None where none is declared.

        Raises:
            ConfigurationError: its variable isn't set, or it is no such key. Nothing of it is repeated.
        """
        text = None
        if self.key_json:
            text = self.key_json.resolve(surroundings.environment)
        elif self.key_file:
            with suppress(OSError, UnicodeDecodeError):
                text = (surroundings.home / Path(self.key_file).expanduser()).read_text(encoding="utf-8")
        else:
            return None
        with suppress(ValueError):
            key = json.loads(text or "")
            if isinstance(key, dict) and {"private_key", "client_email"} <= key.keys():
                return text
        raise self.no_google_key()

    def no_google_key(self) -> ConfigurationError:
        """What is raised of a declared key that is none."""
        named = self.key_json.env if self.key_json else self.key_file or "storage"
        message = "holds no key of a service account (its JSON text)"
        return ConfigurationError([Mistake("environment", 0, named, message)])

    def _missing_for(self, url: BucketUrl) -> str | None:
        if url.cloud == "azure" and not (url.account or self.storage_account):
            return "storage: storage_account is missing: the account of the container"
        if url.cloud == "s3" and not (self.region or self.endpoint_url):
            return "storage: region is missing: the AWS region of the bucket, as eu-west-1"
        return None
