"""Small files that appear whole or not at all: JSON documents written by rename."""

import json
import os
from pathlib import Path


def write_json(path: Path, document: object) -> None:
    """Writes `document` to `path` so that a reader sees the old or the new text, also after a power cut."""
    write_bytes(path, (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Writes `content` to `path` by a rename of a synced temporary file beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with part.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable: a rename is lost in a power cut until its folder is synced."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
