"""Stores of the object_store library for the three clouds; imported on use alone, for the extras bring it in.

It tries again by itself where a request fails in passing. Credentials that the declaration doesn't have are looked for
by the cloud's own Python library, as destinations do.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.storage import BucketUrl, Storage

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from obstore.auth.azure import AzureCredentialProvider
    from obstore.auth.boto3 import Boto3CredentialProvider
    from obstore.store import AzureConfig, AzureCredential, ClientConfig, GCSConfig, RetryConfig, S3Config, S3Credential

Store: TypeAlias = S3Store | GCSStore | AzureStore
_GOOGLE_SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"
_AZURE_SCOPE = "https://storage.azure.com/.default"


class NoCredentials(Exception):
    """Neither the declaration nor this machine has any."""


STORE_ERRORS = (BaseError, NoCredentials, FileNotFoundError, PermissionError)
"""What a store raises; it has Python's own errors for what is missing or forbidden."""


def open_store(url: BucketUrl, storage: Storage, surroundings: Surroundings) -> Store:
    """The store of a bucket; no request is made yet but for ambient credentials.

    Raises:
        NoCredentials: none are declared, and none were found.
        ConfigurationError: the variable of a secret isn't set, or holds no key.
    """
    match url.cloud:
        case "s3":
            return _s3(url, storage, surroundings)
        case "gcs":
            return _gcs(url, storage, surroundings)
        case "azure":
            return _azure(url, storage, surroundings)


def _s3(url: BucketUrl, storage: Storage, surroundings: Surroundings) -> Store:
    given: S3Config = {
        "region": storage.region or "us-east-1",
        "virtual_hosted_style_request": storage.endpoint_url is None,
    }
    if storage.endpoint_url:
        given["endpoint"] = storage.endpoint_url.rstrip("/")
    keys = _aws_keys(storage, surroundings)
    return S3Store(
        url.bucket,
        config=given,
        client_options=_client(storage),
        retry_config=_retries(storage),
        credential_provider=_found_by_aws() if keys is None else keys,
    )


def _aws_keys(storage: Storage, surroundings: Surroundings) -> "Callable[[], S3Credential] | None":
    """The declared keys, as a provider: as settings, the store would send the machine's AWS_SESSION_TOKEN along."""
    if not (storage.access_key_id and storage.secret_access_key):
        return None
    environment = surroundings.environment
    keys: S3Credential = {
        "access_key_id": storage.access_key_id.resolve(environment),
        "secret_access_key": storage.secret_access_key.resolve(environment),
        "token": storage.session_token.resolve(environment) if storage.session_token else None,
        "expires_at": None,
    }
    return lambda: keys


def _found_by_aws() -> "Boto3CredentialProvider":
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        return Boto3CredentialProvider()
    except ValueError:
        raise NoCredentials from None


def _gcs(url: BucketUrl, storage: Storage, surroundings: Surroundings) -> Store:
    from google.auth import default
    from google.auth.exceptions import DefaultCredentialsError
    from obstore.auth.google import GoogleCredentialProvider

    credentials = _google_key(storage, surroundings)
    if credentials is None:
        try:
            credentials, _ = default(scopes=[_GOOGLE_SCOPE])
        except DefaultCredentialsError:
            raise NoCredentials from None
    place: GCSConfig = {"base_url": storage.endpoint_url.rstrip("/")} if storage.endpoint_url else {}
    return GCSStore(
        url.bucket,
        client_options=_client(storage),
        retry_config=_retries(storage),
        credential_provider=GoogleCredentialProvider(credentials),
        config=place,
    )


def _azure(url: BucketUrl, storage: Storage, surroundings: Surroundings) -> Store:
    given: AzureConfig = {"account_name": url.account or storage.storage_account or ""}
    if storage.endpoint_url:
        given["endpoint"] = storage.endpoint_url.rstrip("/")
    declared = _azure_key(storage, surroundings)
    return AzureStore(
        url.bucket,
        config=given,
        client_options=_client(storage),
        retry_config=_retries(storage),
        credential_provider=_found_by_azure() if declared is None else declared,
    )


def _azure_key(storage: Storage, surroundings: Surroundings) -> "Callable[[], AzureCredential] | None":
    """The declared token or key, as a provider: before a declared token the store would take the machine's own key."""
    key: AzureCredential
    if storage.sas_token:
        token = storage.sas_token.resolve(surroundings.environment).strip().lstrip("?")
        key = {"sas_token": token, "expires_at": None}
    elif storage.account_key:
        key = {"access_key": storage.account_key.resolve(surroundings.environment), "expires_at": None}
    else:
        return None
    return lambda: key


def _found_by_azure() -> "AzureCredentialProvider":
    from obstore.auth.azure import AzureCredentialProvider

    return AzureCredentialProvider(scopes=[_AZURE_SCOPE])


def _google_key(storage: Storage, surroundings: Surroundings) -> "Credentials | None":
    """The declared key; the text of a parser's error may hold a part of it, so nothing of that is passed on."""
    from ctexport_dagster.resources.gcs.key import KeyCredentials

    text = storage.google_key(surroundings)
    if text is None:
        return None
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        return KeyCredentials.from_service_account_info(json.loads(text), scopes=[_GOOGLE_SCOPE])
    raise storage.no_google_key()


def _client(storage: Storage) -> "ClientConfig":
    """Without a limit for a whole request: a large file may take its time."""
    return {
        "allow_http": (storage.endpoint_url or "").startswith("http:"),
        "connect_timeout": timedelta(seconds=storage.connect_timeout_seconds),
        "read_timeout": timedelta(seconds=storage.read_timeout_seconds),
        "timeout": timedelta(days=1),
    }


def _retries(storage: Storage) -> "RetryConfig":
    return {"max_retries": 8 if storage.retry_seconds else 0, "retry_timeout": timedelta(seconds=storage.retry_seconds)}
