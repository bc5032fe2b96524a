"""Server processes on free ports of the loopback: started, waited for, stopped by their process id."""

import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from contract import Address, ServerMissing

_PATIENCE_SECONDS = 60


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Server:
    """A process that listens on `address`; its output goes to a file in `folder`."""

    def __init__(self, command: Sequence[str], address: Address, folder: Path, environment: Mapping[str, str]) -> None:
        self.address = address
        self.output = folder / f"server-{address[1]}.log"
        with self.output.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=folder, env=environment)
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait(self) -> None:
        """Until the port answers; between two looks it waits for what else may happen: that the process ends."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not self._answers():
            if self._has_ended_within(0.05) or time.monotonic() > deadline:
                raise RuntimeError(f"the server didn't start: {self.output.read_text()[-2000:]}")

    def _has_ended_within(self, seconds: float) -> bool:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return self._process.returncode is not None

    def _answers(self) -> bool:
        try:
            socket.create_connection(self.address, timeout=0.2).close()
        except OSError:
            return False
        return True


def installed(path: Path, how: str) -> Path:
    """The path, if something lies there.

    Raises:
        ServerMissing: nothing does; `how` says how to get it.
    """
    if not path.exists():
        raise ServerMissing(f"{path.name} isn't installed; {how}")
    return path
