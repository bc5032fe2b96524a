"""A server that takes uploads as Google does and keeps nothing, and how much memory uploading to it takes.

For sizes at which the emulator, which keeps everything, would measure itself.
"""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

from ctexport_dagster.core.destination import Upload
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.gcs.declaration import GcsDestination

_READ_BYTES = 1 << 16


class _Handler(BaseHTTPRequestHandler):
    """The address of a resumable upload ends in the checksum that came ahead."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/token":
            self._answer(200, {"access_token": "token", "expires_in": 3599, "token_type": "Bearer"})
            return
        found = re.search(rb'"crc32c": "([^"]+)"', body[:4096])
        assert found
        checksum, host = found[1].decode(), self.headers["Host"]
        location = {"Location": f"http://{host}/{checksum}"} if "uploadType=resumable" in self.path else {}
        self._answer(200, {"crc32c": checksum}, **location)

    def do_PUT(self) -> None:
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, _READ_BYTES)))
        span = self.headers["Content-Range"]
        if span.endswith("*"):
            self._answer(308, {}, Range=f"bytes=0-{span.split('-')[1].split('/')[0]}")
        else:
            self._answer(200, {"crc32c": self.path[1:]})

    def _answer(self, status: int, told: dict[str, str | int], **headers: str) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Says nothing."""


class BlackHole:
    """Listens on a free port of the loopback."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def added_bytes(url: str, key_json: str, folder: Path, file_bytes: int, files: int) -> int:
    """How much anonymous memory uploads add at their peak, four at once, after small ones have loaded everything.

    To be called in a process of its own.
    """
    declared = {"type": "gcs", "name": "hole", "bucket": "hole", "endpoint_url": url, "key_json": {"env": "KEY"}}
    opened = GcsDestination.model_validate(declared).open(Surroundings(folder, {"KEY": key_json}))

    def put_all(size: int, count: int) -> None:
        path = folder / str(size)
        with path.open("wb") as file:
            file.truncate(size)
        uploads = [Upload(path, f"{size}-{number}", size, "", "a1", overwrites=False) for number in range(count)]
        with ThreadPoolExecutor(4) as threads:
            assert set(threads.map(opened.put, uploads)) == {"written"}

    put_all(1, 8)
    before = peak = _anonymous_bytes()
    done = Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, _anonymous_bytes())

    watching = Thread(target=watch)
    watching.start()
    put_all(file_bytes, files)
    done.set()
    watching.join()
    return peak - before


def _anonymous_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))
