"""A fake of the part of Data Lake Storage's REST interface that a delivery speaks; Azure's own client talks to it.

It follows Azure in what matters here: a file is there, empty, from its creation on; what is appended shows with the
flush; a rename is one step and replaces unless If-None-Match says no; MD5s are checked; a SAS token allows what its
`sp` says, and a rename needs one for its source as well.
"""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

Answer = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""


@dataclass(frozen=True)
class Refusal(Exception):
    """An answer that is an error."""

    status: int
    code: str
    detail: str = "made up"


@dataclass(frozen=True)
class Asked:
    """One request, taken apart."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    rights: str


class AdlsServer:
    """One container of one account, in memory. `tokens` has the SAS tokens that it signed."""

    def __init__(self, account: str, container: str, tokens: Mapping[str, str]) -> None:
        self.account = account
        self.container = container
        self.files: dict[str, bytes] = {}
        self.rights = {_signature(token): parse_qs(token)["sp"][0] for token in tokens.values()}
        self._appended: dict[str, bytes] = {}
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PUT(self) -> None:
                server.answer(self, server.put)

            def do_PATCH(self) -> None:
                server.answer(self, server.patch)

            def do_GET(self) -> None:
                server.answer(self, server.get)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Says nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.endpoint: tuple[str, int] = ("127.0.0.1", self._http.server_port)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def answer(
        self, handler: BaseHTTPRequestHandler, act: Callable[[Asked], tuple[int, dict[str, str], bytes]]
    ) -> None:
        try:
            asked = self._asked(handler)
            with self._lock:
                status, headers, body = act(asked)
        except Refusal as refusal:
            told = {"error": {"code": refusal.code, "message": refusal.detail}}
            status, body = refusal.status, json.dumps(told).encode()
            headers = {"x-ms-error-code": refusal.code, "Content-Type": "application/json"}
        handler.send_response(status)
        headers |= {"Content-Length": str(len(body))}
        if handler.close_connection:
            headers |= {"Connection": "close"}
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    def put(self, asked: Asked) -> Answer:
        """Creates a file, or renames one."""
        if asked.headers.get("if-none-match") == "*" and asked.path in self.files:
            raise Refusal(409, "PathAlreadyExists")
        if asked.headers.get("if-match") == "*" and asked.path not in self.files:
            raise Refusal(412, "ConditionNotMet")
        if "x-ms-rename-source" in asked.headers:
            self._rename(asked)
        else:
            assert asked.query["resource"] == "file"
            _require(asked.rights, "w" if asked.path in self.files else "cw")
            self.files[asked.path] = b""
            self._appended[asked.path] = b""
        return 201, {"ETag": '"0x1"'}, b""

    def patch(self, asked: Asked) -> Answer:
        """Appends to a file, or shows what was appended."""
        _require(asked.rights, "w")
        if asked.path not in self._appended:
            raise Refusal(404, "PathNotFound")
        appended, position = self._appended[asked.path], int(asked.query["position"])
        if position != len(appended):
            raise Refusal(400, "InvalidFlushPosition")
        if asked.query["action"] == "flush":
            self.files[asked.path] = appended
            return 200, {}, b""
        told = base64.b64encode(hashlib.md5(asked.body).digest()).decode()
        if asked.headers.get("content-md5", told) != told:
            raise Refusal(400, "Md5Mismatch")
        self._appended[asked.path] = appended + asked.body
        return 202, {"Content-MD5": told}, b""

    def get(self, asked: Asked) -> Answer:
        _require(asked.rights, "r")
        if asked.path not in self.files:
            raise Refusal(404, "BlobNotFound")
        whole = self.files[asked.path]
        span = f"bytes 0-{len(whole) - 1}/{len(whole)}"
        return 206, {"Content-Range": span, "ETag": '"0x1"', "x-ms-blob-type": "BlockBlob"}, whole

    def _rename(self, asked: Asked) -> None:
        source = urlsplit(asked.headers["x-ms-rename-source"])
        _require(self._rights(source.query), "m")
        _require(asked.rights, "m")
        path = unquote(source.path).removeprefix(f"/{self.container}/")
        if path not in self.files:
            raise Refusal(404, "SourcePathNotFound")
        self.files[asked.path] = self.files.pop(path)
        self._appended.pop(path, None)

    def _asked(self, handler: BaseHTTPRequestHandler) -> Asked:
        headers = {name.lower(): value for name, value in handler.headers.items()}
        body = handler.rfile.read(int(headers.get("content-length", "0")))
        target = urlsplit(handler.path)
        account, _, rest = unquote(target.path).lstrip("/").partition("/")
        container, _, path = rest.partition("/")
        if (account, container) != (self.account, self.container):
            raise Refusal(404, "FilesystemNotFound")
        query = {name: values[0] for name, values in parse_qs(target.query).items()}
        return Asked(path, query, headers, body, self._rights(target.query))

    def _rights(self, query: str) -> str:
        """What the SAS token in a query allows; as Azure does, a changed token is refused."""
        told = parse_qs(query)
        granted = self.rights.get(told.get("sig", [""])[0])
        if granted is None or told["sp"][0] != granted:
            raise Refusal(403, "AuthenticationFailed", "Signature did not match.")
        return granted


def _require(rights: str, any_of: str) -> None:
    if not set(rights) & set(any_of):
        raise Refusal(403, "AuthorizationPermissionMismatch")


def _signature(token: str) -> str:
    return parse_qs(token)["sig"][0]
