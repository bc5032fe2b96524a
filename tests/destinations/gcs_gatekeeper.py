"""Google's rights before the emulator, which knows none: tokens for service accounts, IAM roles, ifGenerationMatch.

    client ── FaultProxy ── Gatekeeper ── gcp-storage-emulator
                               └─ POST /token: gives a token for an assertion that an account's own key has signed

It refuses as Google does, status, JSON and words: what a role may not do (403), a key that is disabled (400 at /token),
an unknown token (401), another bucket (404), a name that is taken where nothing may lie there (412).
"""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Literal
from urllib.parse import parse_qs, quote, unquote, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import jwt

Role = Literal["objectCreator", "objectUser", "objectViewer"]

_RIGHTS: Mapping[Role, frozenset[str]] = {
    "objectCreator": frozenset({"storage.objects.create"}),
    "objectUser": frozenset({f"storage.objects.{right}" for right in ("create", "delete", "get", "list")}),
    "objectViewer": frozenset({"storage.objects.get", "storage.objects.list"}),
}


@dataclass
class Account:
    """A service account with one key, which can be disabled."""

    email: str
    role: Role
    key_json: str
    private_key: str
    public_key: bytes
    is_disabled: bool = False


@dataclass(frozen=True)
class Call:
    """One request with its query, and whose token it carries."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes
    headers: Mapping[str, str]
    account: Account | None


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def error(status: int, reason: str, message: str) -> Answer:
    """As the JSON API words its errors."""
    told = {"message": message, "domain": "global", "reason": reason}
    body = {"error": {"code": status, "message": message, "errors": [told]}}
    return Answer(status, json.dumps(body).encode(), {"Content-Type": "application/json; charset=UTF-8"})


@dataclass
class Gatekeeper:
    """Stands before the emulator that listens on `port`; `bucket` is the only one."""

    port: int
    bucket: str
    accounts: dict[str, Account] = field(default_factory=dict)
    tokens: dict[str, Account] = field(default_factory=dict)
    sessions: dict[str, tuple[str, bool]] = field(default_factory=dict)
    """Upload id → the object's name, and whether nothing may lie there."""
    refused: list[str] = field(default_factory=list)
    """The permissions that were missing, in order."""
    _committing: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.endpoint: tuple[str, int] = ("127.0.0.1", self._server.server_port)
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def account(self, name: str, role: Role) -> Account:
        """A new service account with its key."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        email = f"{name}@project.iam.gserviceaccount.com"
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        key_json = {
            "type": "service_account",
            "project_id": "project",
            "private_key_id": secrets.token_hex(20),
            "private_key": private.decode(),
            "client_email": email,
            "client_id": "1",
            "token_uri": f"http://127.0.0.1:{self.endpoint[1]}/token",
        }
        self.accounts[email] = Account(email, role, json.dumps(key_json), private.decode(), public)
        return self.accounts[email]

    # What it answers

    def answer(self, call: Call) -> Answer:
        if call.path == "/token":
            return self._token(call)
        if call.account is None:
            return error(401, "authError", "Invalid Credentials")
        if not re.search(f"/b/{re.escape(self.bucket)}(/|$)", call.path):
            return error(404, "notFound", "The specified bucket does not exist.")
        if call.path.startswith("/upload/"):
            return self._upload(call, call.account)
        return self._denied(call.account, _needed(call)) or self.forward(call)

    def _token(self, call: Call) -> Answer:
        assertion = parse_qs(call.body.decode())["assertion"][0]
        account = self.accounts.get(jwt.decode(assertion, verify=False)["iss"])
        if account is None or account.is_disabled:
            refusal = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
            return Answer(400, json.dumps(refusal).encode(), {"Content-Type": "application/json"})
        jwt.decode(assertion, certs=account.public_key)
        token = f"ya29.{secrets.token_urlsafe(32)}"
        self.tokens[token] = account
        told = {"access_token": token, "expires_in": 3599, "token_type": "Bearer"}
        return Answer(200, json.dumps(told).encode(), {"Content-Type": "application/json"})

    def _upload(self, call: Call, account: Account) -> Answer:
        """Preconditions and rights are looked at when an upload begins, and again when its object is to appear."""
        with self._committing:
            upload_id = call.query.get("upload_id")
            if upload_id and upload_id not in self.sessions:
                return error(410, "gone", "The upload session is gone.")
            name, is_new = self.sessions[upload_id] if upload_id else (_name(call), _says_new(call))
            refusal = self._denied(account, "storage.objects.create") or self._taken(account, name, is_new=is_new)
            if refusal:
                return refusal
            answer = self.forward(call)
            if location := answer.headers.get("Location"):
                self.sessions[parse_qs(urlsplit(location).query)["upload_id"][0]] = (name, is_new)
            return answer

    def _taken(self, account: Account, name: str, *, is_new: bool) -> Answer | None:
        if not self._exists(name):
            return None
        if is_new:
            return error(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
        return self._denied(account, "storage.objects.delete")

    def _denied(self, account: Account, permission: str) -> Answer | None:
        if permission in _RIGHTS[account.role]:
            return None
        self.refused.append(permission)
        resource = "object" if ".objects." in permission else "bucket"
        message = (
            f"{account.email} does not have {permission} access to the Google Cloud Storage {resource}. "
            f"Permission '{permission}' denied on resource (or it may not exist)."
        )
        return error(403, "forbidden", message)

    def _exists(self, name: str) -> bool:
        path = f"/storage/v1/b/{self.bucket}/o/{quote(name, safe='')}"
        return self.forward(Call("GET", path, {}, b"", {}, None)).status == 200

    def forward(self, call: Call) -> Answer:
        """What the emulator answers; it takes the host that the client knows for the addresses of its uploads."""
        emulator = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            emulator.request(call.method, call.headers.get("x-target", call.path), call.body or None, _passed_on(call))
            reply = emulator.getresponse()
            kept = {name: value for name, value in reply.getheaders() if name.lower() not in _HOP}
            return Answer(reply.status, reply.read(), kept)
        finally:
            emulator.close()


_HOP = {"connection", "transfer-encoding", "content-length", "server", "date"}


def _passed_on(call: Call) -> dict[str, str]:
    dropped = {"authorization", "accept-encoding", "x-target", "transfer-encoding", "connection", "content-length"}
    return {name: value for name, value in call.headers.items() if name not in dropped}


def _name(call: Call) -> str:
    """The object's name, from the query or from the metadata that stands before the bytes."""
    if "name" in call.query:
        return call.query["name"]
    found = re.search(rb'"name": ("(?:[^"\\]|\\.)*")', call.body[:8192])
    assert found, "an upload without a name"
    return json.loads(found[1])


def _says_new(call: Call) -> bool:
    return call.query.get("ifGenerationMatch") == "0"


def _needed(call: Call) -> str:
    """The permission that a request other than an upload takes."""
    on_object = re.search(r"/o/[^/]", unquote(call.path))
    match call.method:
        case "GET" | "HEAD" if on_object:
            return "storage.objects.get"
        case "GET" | "HEAD":
            return "storage.objects.list" if call.path.endswith("/o") else "storage.buckets.get"
        case "DELETE":
            return "storage.objects.delete" if on_object else "storage.buckets.delete"
        case _:
            return "storage.objects.update"


def _handler(gatekeeper: Gatekeeper) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """HTTP/1.0: each connection has one request, so faults meet each of them alike."""

        def handle_one_request(self) -> None:
            """Whatever the method."""
            self.raw_requestline = self.rfile.readline(65537)
            if self.raw_requestline and self.parse_request():
                self._serve()
                self.wfile.flush()

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            token = headers.get("authorization", "").removeprefix("Bearer ")
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            call = Call(
                self.command,
                parts.path,
                query,
                body,
                {**headers, "x-target": self.path},
                gatekeeper.tokens.get(token),
            )
            answer = gatekeeper.answer(call)
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Says nothing."""

    return Handler
