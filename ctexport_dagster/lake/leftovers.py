"""Files and folders that nobody needs any more."""

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from shutil import rmtree


def drop(paths: Iterable[Path]) -> int:
    """Deletes them, whatever they are and whoever deletes them too; returns how many were named."""
    count = 0
    for path in paths:
        count += 1
        if path.is_dir():
            rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return count


def older(paths: Iterable[Path], hours: int) -> Iterator[Path]:
    """Those that nobody has written to for so long."""
    oldest = time.time() - hours * 3600
    for path in paths:
        with suppress(FileNotFoundError):
            if path.stat().st_mtime <= oldest:
                yield path
