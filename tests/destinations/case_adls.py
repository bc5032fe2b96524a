"""ADLS Gen2, *simulated*: Azure's own client talks to a fake of ours, for there is no emulator of its interface."""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha512
from pathlib import Path

from adls_server import AdlsServer
from azure.storage.filedatalake import generate_file_system_sas
from azure_cases import declared_as, secrets_of, url_of
from contract import Address, Case, Fault, Grant
from fault_proxy import Canned, LostResponse, Request, any_request
from network_faults import network_faults

from ctexport_dagster.core.failure import FailureClass
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.azure.adls import AdlsDestination

ACCOUNT = "acmelake"
CONTAINER = "acme-exports"
KEY = base64.b64encode(sha512(b"the key of the lake").digest()).decode()
NOW = datetime.now(UTC)
REFUSALS: Sequence[tuple[str, FailureClass, int, str]] = [
    ("the signature is refused", "customer", 403, "AuthenticationFailed"),
    ("the right to write is gone", "customer", 403, "AuthorizationPermissionMismatch"),
    ("the bucket or container is gone", "customer", 404, "FilesystemNotFound"),
    ("the container is being deleted", "customer", 409, "FilesystemBeingDeleted"),
    ("the account has no hierarchy", "customer", 409, "HierarchicalNamespaceNotEnabled"),
    ("the service asks to slow down", "transient", 503, "ServerBusy"),
    ("the service stumbles", "transient", 500, "OperationTimedOut"),
]
"""Name, class, and the status and code of what Azure answers."""


class AdlsCase:
    """One container; its declaration has a SAS token that may create, write and move."""

    kind = "adls"

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._tokens = {"WRITE_MOVE": sas("cwm"), "READ_LIST": sas("rl"), "WITHOUT_MOVE": sas("cw")}
        self.server = AdlsServer(ACCOUNT, CONTAINER, {**self._tokens, "READ_TOO": sas("rcwm")})
        self.endpoint: Address = self.server.endpoint
        url = f"{url_of(self.endpoint, ACCOUNT)}/{CONTAINER}?{self._tokens['WRITE_MOVE']}"
        tokens = {**self._tokens, "UNSIGNED": self._tokens["WRITE_MOVE"].replace("sp=cwm", "sp=rcwm")}
        self.surroundings = Surroundings(folder, {**tokens, "READ_TOO": sas("rcwm"), "SAS_URL": url})

    @property
    def secrets(self) -> Sequence[str]:
        return secrets_of(KEY, self._tokens)

    def declaration(
        self, endpoint: Address | None = None, *, prefix: str = "", timeout_seconds: float = 20
    ) -> AdlsDestination:
        return self.declared({"sas_token": "WRITE_MOVE"}, endpoint, prefix=prefix, timeout_seconds=timeout_seconds)

    def declared(
        self,
        secret: Mapping[str, str],
        endpoint: Address | None = None,
        *,
        prefix: str = "",
        timeout_seconds: float = 20,
    ) -> AdlsDestination:
        """A declaration with one secret: its field, and the variable that holds it."""
        return declared_as(
            AdlsDestination,
            secret,
            timeout_seconds=timeout_seconds,
            type="adls",
            name="acme_lake",
            storage_account=ACCOUNT,
            container=CONTAINER,
            prefix=prefix,
            endpoint_url=url_of(endpoint or self.endpoint, ACCOUNT),
        )

    def read(self, key: str) -> bytes:
        return self.server.files[key]

    def keys(self) -> set[str]:
        return {key for key in self.server.files if not key.endswith(".part")}

    def parts(self) -> dict[str, bytes]:
        """What lies there under temporary names."""
        return {key: content for key, content in self.server.files.items() if key.endswith(".part")}

    def readable(self, prefix: str) -> AdlsDestination:
        return self.declared({"sas_token": "READ_TOO"}, prefix=prefix)

    def change(self, key: str, content: bytes) -> None:
        self.server.files[key] = content

    def remove(self, key: str) -> None:
        del self.server.files[key]

    def faults(self) -> Sequence[Fault]:
        taken = _refusal(409, "PathAlreadyExists", matches=renames)
        damaged = _refusal(400, "Md5Mismatch", matches=lambda request: request.method == "PATCH")
        return [
            *network_faults(lost_response=LostResponse(matches=renames)),
            *(_refusing(name, whose, _refusal(status, code)) for name, whose, status, code in REFUSALS),
            _refusing("the name is taken", "customer", taken),
            _refusing("the file is damaged on its way", "transient", damaged),
        ]

    def grants(self) -> Sequence[Grant]:
        ways = [
            ("a SAS token to create, write and move", True, {"sas_token": "WRITE_MOVE"}),
            ("a SAS URL", True, {"sas_url": "SAS_URL"}),
            ("a SAS token without the right to move", False, {"sas_token": "WITHOUT_MOVE"}),
            ("a SAS token to read and list", False, {"sas_token": "READ_LIST"}),
            ("a SAS token that somebody changed", False, {"sas_token": "UNSIGNED"}),
        ]
        return [
            Grant(name, suffices, lambda prefix, way=way: self.declared(way, prefix=prefix), self.surroundings)
            for name, suffices, way in ways
        ]

    def close(self) -> None:
        self.server.close()


def make_case(folder: Path, environment: Mapping[str, str]) -> Case:
    return AdlsCase(folder, environment)


def sas(rights: str) -> str:
    """A SAS token for the container."""
    return generate_file_system_sas(
        ACCOUNT, CONTAINER, KEY, permission=rights, start=NOW - timedelta(days=1), expiry=NOW + timedelta(days=1)
    )


def renames(request: Request) -> bool:
    """Whether a file gets its name with this request."""
    return "x-ms-rename-source" in request.headers


def _refusal(status: int, code: str, *, matches: Callable[[Request], bool] = any_request) -> Canned:
    body = json.dumps({"error": {"code": code, "message": "made up"}}).encode()
    return Canned(status, body, {"Content-Type": "application/json", "x-ms-error-code": code}, matches)


def _refusing(name: str, whose: FailureClass, answer: Canned) -> Fault:
    return Fault(name, whose, lambda proxy: proxy.inflicting(answer))
