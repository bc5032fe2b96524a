"""A stretch of a staged file as the body of a request: read block by block, with its MD5."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True)
class Span:
    """`length` bytes of a file from `start` on."""

    path: Path
    start: int
    length: int

    @classmethod
    def whole(cls, path: Path) -> "Span":
        return cls(path, 0, path.stat().st_size)

    def pieces(self, bytes_each: int) -> Iterator["Span"]:
        """The same bytes in stretches of this size, the last one shorter; none of an empty span."""
        for start in range(self.start, self.start + self.length, bytes_each):
            yield Span(self.path, start, min(bytes_each, self.start + self.length - start))

    def md5(self) -> bytes:
        """Against damage on the way, not against malice."""
        digest = hashlib.md5(usedforsecurity=False)
        with self.opened() as body:
            while block := body.read(_BLOCK_BYTES):
                digest.update(block)
        return digest.digest()

    @contextmanager
    def opened(self) -> Iterator["Body"]:
        with self.path.open("rb") as file:
            file.seek(self.start)
            yield Body(file, self.length)


class Body:
    """What an HTTP client reads a request's body from. Its length is the bytes that are left."""

    def __init__(self, file: BinaryIO, length: int) -> None:
        self._file = file
        self._left = length

    def __len__(self) -> int:
        return self._left

    def __iter__(self) -> Iterator[bytes]:
        while block := self.read(_BLOCK_BYTES):
            yield block

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(block)
        return block
