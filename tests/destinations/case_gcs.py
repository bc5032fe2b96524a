"""Google Cloud Storage: the emulator from PyPI, and before it a gatekeeper with Google's rights and preconditions."""

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from contract import Address, Fault, Grant, ServerMissing
from fault_proxy import Altered, Canned, LostResponse, Request
from gcs_gatekeeper import Account, Gatekeeper, error
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client
from network_faults import network_faults
from servers import Server, free_port

from ctexport_dagster.core.failure import FailureClass
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.gcs.declaration import GcsDestination

BUCKET = "acme-exports"

REFUSALS: Sequence[tuple[str, FailureClass, int, str, str]] = [
    ("the token is refused", "customer", 401, "authError", "Invalid Credentials"),
    (
        "the right to write is gone",
        "customer",
        403,
        "forbidden",
        "x does not have storage.objects.create access to the object.",
    ),
    ("the bucket or container is gone", "customer", 404, "notFound", "The specified bucket does not exist."),
    ("the name is taken", "customer", 412, "conditionNotMet", "At least one of the pre-conditions did not hold."),
    (
        "the file is damaged on its way",
        "transient",
        400,
        "invalid",
        'Provided CRC32C "a" doesn\'t match calculated "b".',
    ),
    ("the service asks to slow down", "transient", 429, "rateLimitExceeded", "The object exceeded the rate limit."),
    ("the service stumbles", "transient", 503, "backendError", "Backend Error"),
]
"""Name, class, and the status, reason and message of what Google answers."""


def _commits(request: Request) -> bool:
    """Whether the object appears with this request: an upload in one request, or its last block."""
    span = request.headers.get("content-range", "*")
    return "uploadType=multipart" in request.target or not span.endswith("*")


def make_case(folder: Path, environment: Mapping[str, str]) -> "GcsCase":
    if find_spec("gcp_storage_emulator") is None:
        raise ServerMissing("gcp-storage-emulator; pip install gcp-storage-emulator")
    return GcsCase(folder, environment)


class GcsCase:
    """One bucket. Its declaration's account may replace files; the grants have one that may create them alone."""

    kind = "gcs"
    bucket = BUCKET

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        port = free_port()
        start = [
            "start",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--default-bucket",
            BUCKET,
            "--in-memory",
            "--quiet",
        ]
        command = [sys.executable, "-m", "gcp_storage_emulator", *start]
        self._emulator = Server(command, ("127.0.0.1", port), folder, environment)
        self.gatekeeper = Gatekeeper(port, BUCKET)
        self.endpoint: Address = self.gatekeeper.endpoint
        self.user = self.gatekeeper.account("user", "objectUser")
        self.creator = self.gatekeeper.account("creator", "objectCreator")
        self.viewer = self.gatekeeper.account("viewer", "objectViewer")
        keys = {variable(account): account.key_json for account in self.gatekeeper.accounts.values()}
        self.surroundings = Surroundings(folder, keys)
        self.reader = Client(
            project="project",
            credentials=AnonymousCredentials(),
            client_options={"api_endpoint": f"http://127.0.0.1:{port}"},
        )

    def declaration(
        self, endpoint: Address | None = None, *, prefix: str = "", timeout_seconds: float = 20
    ) -> GcsDestination:
        return self.declared(self.user, endpoint, prefix=prefix, timeout_seconds=timeout_seconds)

    def declared(
        self,
        account: Account,
        endpoint: Address | None = None,
        *,
        prefix: str = "",
        timeout_seconds: float = 20,
        bucket: str = BUCKET,
    ) -> GcsDestination:
        """A declaration with an account's key."""
        host, port = endpoint or self.endpoint
        return GcsDestination.model_validate(
            {
                "type": "gcs",
                "name": "acme_gcs",
                "bucket": bucket,
                "prefix": prefix,
                "key_json": {"env": variable(account)},
                "endpoint_url": f"http://{host}:{port}",
                "connect_timeout_seconds": timeout_seconds,
                "read_timeout_seconds": timeout_seconds,
            }
        )

    @property
    def secrets(self) -> Sequence[str]:
        """The private keys line by line, for a message may hold a part of one; the tokens; the uploads' addresses."""
        accounts = self.gatekeeper.accounts.values()
        lines = [line for account in accounts for line in account.private_key.splitlines()[1:-1]]
        return [*lines, *self.gatekeeper.tokens, *self.gatekeeper.sessions]

    def read(self, key: str) -> bytes:
        return self.reader.bucket(BUCKET).blob(key).download_as_bytes()

    def keys(self) -> set[str]:
        return {blob.name for blob in self.reader.list_blobs(BUCKET)}

    def readable(self, prefix: str) -> GcsDestination:
        return self.declaration(prefix=prefix)

    def change(self, key: str, content: bytes) -> None:
        self.reader.bucket(BUCKET).blob(key).upload_from_string(content)

    def remove(self, key: str) -> None:
        self.reader.bucket(BUCKET).blob(key).delete()

    def faults(self) -> Sequence[Fault]:
        return [
            *network_faults(lost_response=LostResponse(matches=_commits)),
            Fault("the key is disabled", "customer", lambda _: self._disabled(self.user), counts=False),
            *(_refusing(*refusal) for refusal in REFUSALS),
            Fault(
                "the answer names another checksum", "ours", lambda proxy: proxy.inflicting(Altered(_other_checksum))
            ),
        ]

    def grants(self) -> Sequence[Grant]:
        return [
            Grant(
                account.role,
                account is self.creator,
                lambda prefix, account=account: self.declared(account, prefix=prefix),
                self.surroundings,
            )
            for account in (self.creator, self.viewer)
        ]

    def close(self) -> None:
        self.reader.close()
        self.gatekeeper.close()
        self._emulator.stop()

    @contextmanager
    def _disabled(self, account: Account) -> Iterator[None]:
        account.is_disabled = True
        try:
            yield
        finally:
            account.is_disabled = False


def variable(account: Account) -> str:
    """The environment variable with an account's key."""
    return f"GCS_KEY_OF_{account.email.partition('@')[0].upper()}"


def _refusing(name: str, whose: FailureClass, status: int, reason: str, message: str) -> Fault:
    """The library asks for two new tokens where one is refused, so the proxy sees more tries than we make."""
    answer = error(status, reason, message)
    harm = Canned(status, answer.body, answer.headers)
    return Fault(name, whose, lambda proxy: proxy.inflicting(harm), counts=status != 401)


def _other_checksum(answer: bytes) -> bytes:
    return re.sub(rb'"crc32c": "[^"]{8}"', b'"crc32c": "AAAAAA=="', answer)
