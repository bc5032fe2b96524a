"""Google's XML API, in which object_store lists and reads, before a server that speaks the JSON API alone.

    GET /<bucket>?list-type=2&prefix=…   →  GET /storage/v1/b/<bucket>/o?prefix=…
    GET /<bucket>/<object>               →  GET /storage/v1/b/<bucket>/o/<object>?alt=media

Tokens are passed on, so that the server behind it judges them; its refusals get the XML API's form.
"""

import json
from datetime import datetime
from email.utils import format_datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

Address = tuple[str, int]


class XmlApi:
    """Translates for the JSON API at `upstream`."""

    def __init__(self, upstream: Address) -> None:
        self._upstream = upstream
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, target: str, token: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers."""
        parts = urlsplit(target)
        bucket, _, name = unquote(parts.path).removeprefix("/").partition("/")
        place = f"/storage/v1/b/{bucket}/o"
        if name:
            return self._object(f"{place}/{quote(name, safe='')}", token)
        prefix = parse_qs(parts.query).get("prefix", [""])[0]
        status, body = self._asked(f"{place}?prefix={quote(prefix, safe='')}", token)
        return (status, _listing(body), {}) if status == 200 else _refusal(status, body, "NoSuchBucket")

    def _object(self, place: str, token: str) -> tuple[int, bytes, dict[str, str]]:
        status, told = self._asked(place, token)
        if status != 200:
            return _refusal(status, told, "NoSuchKey")
        meta = json.loads(told)
        _, body = self._asked(f"{place}?alt=media", token)
        at = format_datetime(datetime.fromisoformat(meta["updated"]), usegmt=True)
        return 200, body, {"ETag": f'"{meta["md5Hash"]}"', "Last-Modified": at}

    def _asked(self, target: str, token: str) -> tuple[int, bytes]:
        connection = HTTPConnection(*self._upstream, timeout=60)
        try:
            connection.request("GET", target, headers={"Authorization": token})
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()


def _listing(body: bytes) -> bytes:
    entries = "".join(
        f"<Contents><Key>{escape(item['name'])}</Key><LastModified>{item['updated']}</LastModified>"
        f'<ETag>"{item["md5Hash"]}"</ETag><Size>{item["size"]}</Size></Contents>'
        for item in json.loads(body).get("items", [])
    )
    return f"<ListBucketResult>{entries}</ListBucketResult>".encode()


def _refusal(status: int, body: bytes, missing: str) -> tuple[int, bytes, dict[str, str]]:
    codes = {401: "AuthenticationRequired", 403: "AccessDenied", 404: missing}
    return status, f"<Error><Code>{codes.get(status, 'InternalError')}</Code></Error>".encode(), {}


def _handler(api: XmlApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, headers = api.answer(self.path, self.headers.get("Authorization", ""))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Says nothing."""

    return Handler
