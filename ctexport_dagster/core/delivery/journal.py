"""An append-only file of JSON lines, each durable before `append` returns; a line that a crash tore is no line."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Lock

from ctexport_dagster.core.atomic import sync_folder

Entry = Mapping[str, object]


class Journal:
    """The entries of one file, which needs not exist; threads of one process may append at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._is_mended = False

    def entries(self) -> Iterator[Entry]:
        """Every whole entry, oldest first; a torn last line is left out."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield json.loads(line)

    def append(self, entry: Entry) -> None:
        """Adds one entry, in the file and on the disk."""
        line = json.dumps(entry, ensure_ascii=False).encode() + b"\n"
        with self._lock:
            self._mend()
            with self.path.open("ab") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())

    def _mend(self) -> None:
        """Creates the file, or cuts a torn last line off: what is appended to it would be lost with it."""
        if self._is_mended:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            file.truncate(_end_of_last_line(self.path))
            os.fsync(file.fileno())
        sync_folder(self.path.parent)
        self._is_mended = True


def _end_of_last_line(path: Path) -> int:
    end = 0
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                end += len(line)
    return end
