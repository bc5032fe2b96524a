"""The bytes of an input file, plain or gzip, block by block."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from isal import igzip

from ctexport_dagster.core.errors import SourceUnreadable

BLOCK_BYTES = 8_000_000
_BOM = b"\xef\xbb\xbf"
_HASH_BYTES = 1 << 20


def byte_blocks(path: Path, block_bytes: int = BLOCK_BYTES) -> Iterator[bytes]:
    """The file's content, without a byte order mark, in blocks of this size; `.gz` and `.gzip` are unpacked.

    Raises:
        SourceUnreadable: the file can't be opened, or its gzip is broken or cut off.
    """
    try:
        with _opened(path) as file:
            block = file.read(block_bytes)
            block = block.removeprefix(_BOM)
            while block:
                yield block
                block = file.read(block_bytes)
    except (OSError, EOFError, igzip.BadGzipFile) as error:
        raise unreadable(path, type(error).__name__) from None


def unreadable(path: Path | str, why: str) -> SourceUnreadable:
    """The error for a file that can't be read as a whole."""
    return SourceUnreadable(f"Reading {path}", why, "Put a whole file in its place and run the partition again.")


def content_hash(path: Path, size: int | None = None) -> str:
    """sha256 (hex) of the file as it lies there, or of its first `size` bytes."""
    digest = hashlib.sha256()
    left = path.stat().st_size if size is None else size
    with path.open("rb") as file:
        while block := file.read(min(left, _HASH_BYTES)):
            digest.update(block)
            left -= len(block)
    return digest.hexdigest()


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if path.suffix not in (".gz", ".gzip"):
        with path.open("rb") as file:
            yield file
        return
    with igzip.open(path, "rb") as file:
        yield cast("BinaryIO", file)
