"""Connections that are kept between uploads: one for each upload at a time, made when first needed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Protocol

from ctexport_dagster.resources.sftp.protocol import Refused, SftpSession


class KeptConnection(Protocol):
    """A login with its session; `close` ends it in good order, `cut` at once."""

    @property
    def session(self) -> SftpSession: ...

    @property
    def is_alive(self) -> bool: ...

    def close(self) -> None: ...

    def cut(self) -> None: ...


class Connections:
    """Lends connections to threads; `connect` makes a new one."""

    def __init__(self, connect: Callable[[], KeptConnection]) -> None:
        self._connect = connect
        self._idle: list[KeptConnection] = []
        self._lock = Lock()

    @contextmanager
    def one(self) -> Iterator[SftpSession]:
        """A session for one thread; kept afterwards, unless it broke."""
        connection = self._take() or self._connect()
        try:
            yield connection.session
        except Refused:
            self._keep(connection)
            raise
        except BaseException:
            # What broke one connection has most likely broken those that lie idle.
            connection.cut()
            self.close()
            raise
        self._keep(connection)

    def close(self) -> None:
        """Ends what lies idle; the next upload connects anew."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _take(self) -> KeptConnection | None:
        with self._lock:
            while self._idle:
                connection = self._idle.pop()
                if connection.is_alive:
                    return connection
                connection.cut()
        return None

    def _keep(self, connection: KeptConnection) -> None:
        with self._lock:
            self._idle.append(connection)
