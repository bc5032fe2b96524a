"""Files and folders that nobody needs any more."""

from collections.abc import Iterable
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
