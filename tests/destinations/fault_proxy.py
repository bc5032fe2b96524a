"""A TCP proxy that does harm on demand: canned answers, resets, stalls, lost responses.

    with FaultProxy(("127.0.0.1", 9000)) as proxy:
        proxy.endpoint                        what the client is given
        with proxy.inflicting(Canned(503)):   every request is answered by the proxy
            ...
        proxy.requests, proxy.inflicted       what was seen, and how often harm was done

Bytes are passed through as they come; requests are counted by reading along (HTTP/1.1 with Content-Length or chunks).
What isn't HTTP (SFTP) counts by connections: `FaultProxy(upstream, speaks_http=False)`.
"""

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import responses

_BLOCK_BYTES = 65536


@dataclass(frozen=True)
class Request:
    """The head of one HTTP request; header names in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]


def any_request(_: Request) -> bool:
    return True


@dataclass(frozen=True)
class Canned:
    """The proxy answers by itself, once it has read the whole request; the server never sees it."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    matches: Callable[[Request], bool] = any_request

    def text(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {responses.get(self.status, 'Unknown')}"]
        given = {"Content-Length": str(len(self.body)), "Connection": "close", **self.headers}
        return (
            "\r\n".join([*lines, *(f"{name}: {value}" for name, value in given.items()), "", ""]).encode() + self.body
        )


@dataclass(frozen=True)
class Refused:
    """Nothing listens: connections are refused."""


@dataclass(frozen=True)
class ResetAtOnce:
    """The connection is reset as soon as it is made."""


@dataclass(frozen=True)
class ResetInBody:
    """The connection is reset once so many bytes have gone to the server."""

    after_bytes: int


@dataclass(frozen=True)
class Stall:
    """The server falls silent: what the client sends is swallowed, nothing comes back."""


@dataclass(frozen=True)
class LostResponse:
    """The server does what it is asked to; the client sees a reset instead of its answer.

    Where HTTP isn't spoken, the reset comes after so many bytes from the server.
    """

    after_bytes: int = 0
    matches: Callable[[Request], bool] = any_request


@dataclass(frozen=True)
class Altered:
    """The server's answer passes, changed by a function of head and body together."""

    change: Callable[[bytes], bytes]
    matches: Callable[[Request], bool] = any_request


Harm = Canned | Refused | ResetAtOnce | ResetInBody | Stall | LostResponse | Altered


class FaultProxy:
    """Listens on a free port of the loopback before `upstream`. Close it, or use it as a context."""

    def __init__(self, upstream: tuple[str, int], *, speaks_http: bool = True) -> None:
        self.upstream = upstream
        self.speaks_http = speaks_http
        self.requests: list[Request] = []
        self.connections = 0
        self.inflicted = 0
        self.bytes_to_server = 0
        self.on_bytes: Callable[[int], None] | None = None
        """Called with the bytes that have gone to the server so far, before each block; for deaths in mid-upload."""
        self._harm: Harm | None = None
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._listener = self._listen(0)
        self.endpoint: tuple[str, int] = self._listener.getsockname()

    def __enter__(self) -> "FaultProxy":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def inflicting(self, harm: Harm) -> Iterator[None]:
        """While this lasts, harm is done. Connections that are open at either end of it are closed."""
        self._hang_up()
        self._harm = harm
        if isinstance(harm, Refused):
            _close(self._listener)
        try:
            yield
        finally:
            self._harm = None
            self._hang_up()
            if isinstance(harm, Refused):
                self._listener = self._listen(self.endpoint[1])

    def forget(self) -> None:
        """Starts counting anew."""
        with self._lock:
            self.requests.clear()
            self.connections = self.inflicted = self.bytes_to_server = 0

    def close(self) -> None:
        _close(self._listener)
        self._hang_up()

    # One connection

    def _listen(self, port: int) -> socket.socket:
        listener = socket.create_server(("127.0.0.1", port), backlog=64)
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()
        return listener

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            self.connections += 1
            self._open.add(client)
        harm = self._harm
        try:
            if isinstance(harm, ResetAtOnce):
                self.count_harm()
                _reset(client)
            elif self.speaks_http:
                _HttpConnection(self, client).serve()
            else:
                self._pump(client, harm)
        except OSError:
            pass
        finally:
            _close(client)
            with self._lock:
                self._open.discard(client)

    def _pump(self, client: socket.socket, harm: Harm | None) -> None:
        """Passes bytes both ways until one side ends or the harm strikes; not HTTP."""
        if isinstance(harm, Stall):
            self.count_harm()
            _swallow(client)
            return
        with socket.create_connection(self.upstream) as server:
            back = threading.Thread(target=self._pump_back, args=(server, client, harm), daemon=True)
            back.start()
            sent = 0
            with suppress(OSError):
                while block := client.recv(_BLOCK_BYTES):
                    sent += len(block)
                    if isinstance(harm, ResetInBody) and sent > harm.after_bytes:
                        self.count_harm()
                        _reset(client)
                        return
                    self.note_bytes(len(block))
                    server.sendall(block)
            # Also after a reset by a client that was killed: the server must learn that nobody is there any more.
            with suppress(OSError):
                server.shutdown(socket.SHUT_WR)
            back.join()

    def _pump_back(self, server: socket.socket, client: socket.socket, harm: Harm | None) -> None:
        seen = 0
        with suppress(OSError):
            while block := server.recv(_BLOCK_BYTES):
                seen += len(block)
                if isinstance(harm, LostResponse) and seen > harm.after_bytes:
                    self.count_harm()
                    _reset(client)
                    return
                client.sendall(block)
            client.shutdown(socket.SHUT_WR)

    # What connections report

    @property
    def harm(self) -> Harm | None:
        return self._harm

    def note_request(self, request: Request) -> None:
        with self._lock:
            self.requests.append(request)

    def note_bytes(self, count: int) -> None:
        with self._lock:
            self.bytes_to_server += count
            total = self.bytes_to_server
        if self.on_bytes:
            self.on_bytes(total)

    def count_harm(self) -> None:
        with self._lock:
            self.inflicted += 1

    def _hang_up(self) -> None:
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _HttpConnection:
    """One client's connection: its requests one after the other, each passed on over a connection of its own."""

    def __init__(self, proxy: FaultProxy, client: socket.socket) -> None:
        self.proxy = proxy
        self.client = client
        self.reader = client.makefile("rb")

    def serve(self) -> None:
        while request := self._read_head():
            head, parsed = request
            self.proxy.note_request(parsed)
            harm = self.proxy.harm
            if isinstance(harm, Canned | LostResponse | Altered) and not harm.matches(parsed):
                harm = None
            if not self._answer(head, parsed, harm):
                return

    def _read_head(self) -> tuple[bytes, Request] | None:
        lines = []
        while (line := self.reader.readline()) not in (b"\r\n", b""):
            lines.append(line)
        if not lines or not line:
            return None
        method, target, _ = lines[0].decode("latin-1").split(" ", 2)
        pairs = (line.decode("latin-1").partition(":") for line in lines[1:])
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        return b"".join([*lines, b"\r\n"]), Request(method, target, headers)

    def _answer(self, head: bytes, request: Request, harm: Harm | None) -> bool:
        """Whether the connection can be used for another request."""
        match harm:
            case Canned():
                self.proxy.count_harm()
                self._continue(request)
                for _ in self._body(request):
                    pass
                self.client.sendall(harm.text())
                return False
            case Stall():
                self.proxy.count_harm()
                _swallow(self.client)
                return False
            case _:
                return self._pass_on(head, request, harm)

    def _continue(self, request: Request) -> None:
        if request.headers.get("expect", "").lower() == "100-continue":
            self.client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _pass_on(self, head: bytes, request: Request, harm: Harm | None) -> bool:
        with socket.create_connection(self.proxy.upstream) as server:
            server.sendall(_without(head, b"expect", b"connection")[:-2] + b"Connection: close\r\n\r\n")
            self._continue(request)
            sent = 0
            for block in self._body(request):
                sent += len(block)
                if isinstance(harm, ResetInBody) and sent > harm.after_bytes:
                    self._reset_both(server)
                    return False
                self.proxy.note_bytes(len(block))
                server.sendall(block)
            if isinstance(harm, ResetInBody) and request.headers.get("content-length", "0") != "0":
                self._reset_both(server)
                return False
            answer = b"".join(iter(lambda: server.recv(_BLOCK_BYTES), b""))
        if isinstance(harm, LostResponse):
            self._reset_client()
            return False
        if isinstance(harm, Altered):
            self.proxy.count_harm()
            answer = harm.change(answer)
        self.client.sendall(answer)
        return False

    def _reset_client(self) -> None:
        """The reader holds the connection open until it is closed as well."""
        self.proxy.count_harm()
        self.reader.close()
        _reset(self.client)

    def _reset_both(self, server: socket.socket) -> None:
        self._reset_client()
        _reset(server)

    def _body(self, request: Request) -> Iterator[bytes]:
        if "chunked" in request.headers.get("transfer-encoding", "").lower():
            yield from self._chunks()
            return
        left = int(request.headers.get("content-length", "0"))
        while left:
            block = self.reader.read1(min(left, _BLOCK_BYTES))
            if not block:
                raise ConnectionResetError
            left -= len(block)
            yield block

    def _chunks(self) -> Iterator[bytes]:
        """The chunks with their frames, and the trailer."""
        while True:
            size_line = self.reader.readline()
            size = int(size_line.split(b";")[0], 16)
            yield size_line
            if size:
                yield self.reader.read(size + 2)
                continue
            while (line := self.reader.readline()) not in (b"\r\n", b""):
                yield line
            yield b"\r\n"
            return


def _without(head: bytes, *names: bytes) -> bytes:
    lines = head.split(b"\r\n")
    return b"\r\n".join(line for line in lines if line.partition(b":")[0].strip().lower() not in names)


def _reset(connection: socket.socket) -> None:
    """Closes with RST: what is under way is lost on both sides. The shutdown wakes a thread that waits to read."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)
    connection.close()


def _close(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def _swallow(client: socket.socket) -> None:
    with suppress(OSError):
        while client.recv(_BLOCK_BYTES):
            pass
