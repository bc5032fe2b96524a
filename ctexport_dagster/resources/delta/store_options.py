"""`storage:` in the words of delta-rs, which has a store of its own for each cloud and needs no extra."""

from collections.abc import Mapping

from ctexport_dagster.core.secret import Secret
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.storage import BucketUrl, Cloud, Storage

_ENDPOINT: Mapping[Cloud, str] = {
    "s3": "aws_endpoint_url",
    "gcs": "google_base_url",
    "azure": "azure_storage_endpoint",
}
_TRIES = 8
_NO_LIMIT = "24h"
"""Of a whole request: a large file may take its time; silence is bounded by `read_timeout`."""


def store_options(url: BucketUrl, storage: Storage, surroundings: Surroundings) -> dict[str, str]:
    """What delta-rs is told of a bucket's store; it holds secrets.

    Without credentials nothing is said of them: delta-rs looks for those of this machine itself.

    Raises:
        ConfigurationError: the variable of a secret isn't set, or holds no key.
    """
    match url.cloud:
        case "s3":
            said = _s3(storage, surroundings)
        case "gcs":
            said = {"google_service_account_key": storage.google_key(surroundings)}
        case "azure":
            said = _azure(url, storage, surroundings)
    endpoint = storage.endpoint_url.rstrip("/") if storage.endpoint_url else None
    named = {**said, _ENDPOINT[url.cloud]: endpoint}
    return {**_client(storage), **{name: value for name, value in named.items() if value is not None}}


def _s3(storage: Storage, surroundings: Surroundings) -> dict[str, str | None]:
    return {
        "aws_region": storage.region or "us-east-1",
        "aws_access_key_id": _value(storage.access_key_id, surroundings),
        "aws_secret_access_key": _value(storage.secret_access_key, surroundings),
        "aws_session_token": _value(storage.session_token, surroundings),
    }


def _azure(url: BucketUrl, storage: Storage, surroundings: Surroundings) -> dict[str, str | None]:
    token = _value(storage.sas_token, surroundings)
    return {
        "azure_storage_account_name": url.account or storage.storage_account,
        "azure_storage_sas_key": token.strip().lstrip("?") if token else None,
        "azure_storage_account_key": _value(storage.account_key, surroundings),
    }


def _value(secret: Secret | None, surroundings: Surroundings) -> str | None:
    return secret.resolve(surroundings.environment) if secret else None


def _client(storage: Storage) -> dict[str, str]:
    return {
        "allow_http": "true" if (storage.endpoint_url or "").startswith("http:") else "false",
        "connect_timeout": _span(storage.connect_timeout_seconds),
        "read_timeout": _span(storage.read_timeout_seconds),
        "timeout": _NO_LIMIT,
        "max_retries": str(_TRIES if storage.retry_seconds else 0),
        "retry_timeout": _span(storage.retry_seconds),
    }


def _span(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"
