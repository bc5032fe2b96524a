"""A real `ctexport dev` on a home and a free port of its own, and the proof that nothing of it is left afterwards."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import psutil
from waiting import comes_true

START_SECONDS = 240
STOP_SECONDS = 30


@dataclass(frozen=True)
class DevServer:
    """Where it listens, and what it prints."""

    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, query: str) -> Mapping[str, object]:
        """The answer to a GraphQL query."""
        body = json.dumps({"query": query}).encode()
        request = Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())["data"]

    def asset_keys(self) -> set[str]:
        """The assets that it serves; none while its code still loads."""
        nodes = self.ask("{ assetNodes { assetKey { path } } }")["assetNodes"]
        assert isinstance(nodes, list)
        return {"/".join(node["assetKey"]["path"]) for node in nodes}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def dev_server(
    home: Path, environment: Mapping[str, str], log: Path, program: Sequence[str] = ("dev",)
) -> Iterator[DevServer]:
    """`ctexport dev`, or another program of ours that serves, until Ctrl-C; every process of it is gone at the end."""
    server = DevServer(free_port(), log)
    command = [str(Path(sys.executable).with_name("ctexport")), *program, "--port", str(server.port)]
    with log.open("w") as said:
        child = subprocess.Popen(
            command,
            cwd=home,
            env={**environment, "CTEXPORT_HOME": str(home)},
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_ignore_interrupts,
        )
    started: list[psutil.Process] = []
    try:
        _wait_until_it_serves(server, child)
        started = _family(child.pid)
        assert _listener(server.port) in {process.pid for process in started}
        yield server
    finally:
        _stop(child, started or _family(child.pid))


def _ignore_interrupts() -> None:
    """As a script does for what it starts in the background; `ctexport dev` must heed Ctrl-C all the same."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _wait_until_it_serves(server: DevServer, child: subprocess.Popen[bytes]) -> None:
    def serves() -> bool:
        assert child.poll() is None, server.log.read_text()
        try:
            return bool(server.asset_keys())
        except (URLError, ConnectionError, TimeoutError):
            return False

    assert comes_true(serves, START_SECONDS), f"it doesn't serve after {START_SECONDS} s:\n{server.log.read_text()}"


def _family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def _listener(port: int) -> int | None:
    """Who listens on the port."""
    listening = (c for c in psutil.net_connections("tcp4") if c.status == psutil.CONN_LISTEN)
    return next((c.pid for c in listening if c.laddr.port == port), None)


def _stop(child: subprocess.Popen[bytes], family: list[psutil.Process]) -> None:
    """Ctrl-C; what is left after its time is killed, and is a failure."""
    family = list({*family, *_children(family)})
    if child.poll() is None:
        os.kill(child.pid, signal.SIGINT)
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
    _, left = psutil.wait_procs(family, timeout=STOP_SECONDS)
    for process in left:
        process.kill()
    assert [process.pid for process in left] == []


def _children(family: list[psutil.Process]) -> list[psutil.Process]:
    """Those that were started since."""
    found: list[psutil.Process] = []
    for process in family:
        try:
            found += process.children(recursive=True)
        except psutil.NoSuchProcess:
            continue
    return found
