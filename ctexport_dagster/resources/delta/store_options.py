"""`storage:` in the words of delta-rs, which has a store of its own for each cloud and needs no extra."""

from collections.abc import Mapping, Sequence

from ctexport_dagster.core.errors import ConfigurationError, Mistake
from ctexport_dagster.core.secret import Secret
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.storage import BucketUrl, Cloud, Storage

_ENDPOINT: Mapping[Cloud, str] = {
    "s3": "aws_endpoint_url",
    "gcs": "google_base_url",
    "azure": "azure_storage_endpoint",
}
_AWS_VARIABLES = ("AWS_SESSION_TOKEN",)
_AZURE_VARIABLES = ("AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_MASTER_KEY")
"""All names of one thing, which counts before a SAS token."""
_TRIES = 8
_NO_LIMIT = "24h"
"""Of a whole request: a large file may take its time; silence is bounded by `read_timeout`."""


def store_options(url: BucketUrl, storage: Storage, surroundings: Surroundings) -> dict[str, str]:
    """What delta-rs is told of a bucket's store; it holds secrets.

    Without credentials nothing is said of them: delta-rs looks for those of this machine itself.

    Raises:
        ConfigurationError: the variable of a secret isn't set, or holds no key; or delta-rs would mix it with one
            of the environment.
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
    if storage.access_key_id and not storage.session_token:
        _refuse_another_key(storage.access_key_id, _AWS_VARIABLES, "session_token", surroundings)
    return {
        "aws_region": storage.region or "us-east-1",
        "aws_access_key_id": _value(storage.access_key_id, surroundings),
        "aws_secret_access_key": _value(storage.secret_access_key, surroundings),
        "aws_session_token": _value(storage.session_token, surroundings),
    }


def _refuse_another_key(declared: Secret, names: Sequence[str], instead: str, surroundings: Surroundings) -> None:
    """delta-rs looks in the environment for what isn't declared, though one's key and another's don't go together."""
    name = next((name for name in names if surroundings.environment.get(name)), None)
    if name is not None:
        message = (
            f"is set, and delta-rs would use it along with {declared.env} or in its place: unset it;"
            f" or declare {instead}: {{env: {name}}} if it is what should be used"
        )
        raise ConfigurationError([Mistake("environment", 0, name, message)])


def _azure(url: BucketUrl, storage: Storage, surroundings: Surroundings) -> dict[str, str | None]:
    if storage.sas_token:
        _refuse_another_key(storage.sas_token, _AZURE_VARIABLES, "account_key", surroundings)
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
