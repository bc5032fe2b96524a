"""Documents that killed writers left half-written beside the real ones (core/atomic.py)."""

import time
from contextlib import suppress
from pathlib import Path

_FOLDERS = ("versions", "deliveries", "staging")
_OLD_SECONDS = 24 * 3600
"""No document takes that long to write: whatever is younger may be at work."""


def sweep_unfinished(state: Path) -> None:
    """Deletes them from a home's state once they are a day old."""
    oldest = time.time() - _OLD_SECONDS
    for folder in _FOLDERS:
        for part in (state / folder).rglob(".*.part"):
            with suppress(FileNotFoundError):
                if part.stat().st_mtime <= oldest:
                    part.unlink()
