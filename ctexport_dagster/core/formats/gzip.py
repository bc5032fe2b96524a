"""One gzip member from blocks that were compressed independently, in any thread; or no gzip at all.

Each block is raw deflate ended by a sync flush, so that blocks can stand one after the other; the member's checksum is
combined from theirs. The bytes depend on the blocks' content alone: no clock (mtime 0), no thread, no state from block
to block. Source: RFC 1951, RFC 1952; REQUIREMENTS P11.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from isal import isal_zlib
from zlib_ng import zlib_ng

from ctexport_dagster.core.export import Format

_HEADER = b"\x1f\x8b\x08\x00" + bytes(4) + b"\x00\xff"
"""Deflate, no flags, mtime 0, unknown system."""

_LAST_BLOCK = b"\x03\x00"
"""An empty final deflate block: ends the stream after any sync flush."""

_RAW_DEFLATE = -zlib.MAX_WBITS


@dataclass(frozen=True)
class Packed:
    """A block as it is delivered, with the size and checksum of what it holds (0 where nobody asks)."""

    content: memoryview
    raw_bytes: int
    crc: int


class Packing(Protocol):
    """How a file's parts become its delivered bytes: `header`, each part packed, `trailer` of all of them."""

    @property
    def header(self) -> bytes: ...

    def pack(self, raw: memoryview) -> Packed:
        """One part. Called from several threads at once."""
        ...

    def trailer(self, parts: Sequence[Packed]) -> bytes:
        """The bytes after all parts."""
        ...

    def bytes_at_most(self, raw_bytes: int) -> int:
        """What a part of this size, with the trailer, can come to at worst."""
        ...


def open_packing(declared: Format) -> Packing:
    """What the declared format is delivered in: gzip, or nothing, as its extension says."""
    if not declared.extension.endswith(".gz"):
        return Plain()
    return Gzip(_small if declared.compression == "small" else _fast)


class Plain:
    """Parts as they are."""

    header = b""

    def pack(self, raw: memoryview) -> Packed:
        return Packed(raw, len(raw), 0)

    def trailer(self, parts: Sequence[Packed]) -> bytes:
        return b""

    def bytes_at_most(self, raw_bytes: int) -> int:
        return raw_bytes


@dataclass(frozen=True)
class Gzip:
    """One gzip member; `deflate` gives a block as raw deflate that a sync flush ends."""

    deflate: Callable[[memoryview], bytes]
    header: bytes = _HEADER

    def pack(self, raw: memoryview) -> Packed:
        return Packed(memoryview(self.deflate(raw)), len(raw), isal_zlib.crc32(raw))

    def trailer(self, parts: Sequence[Packed]) -> bytes:
        crc = raw_bytes = 0
        for part in parts:
            crc = isal_zlib.crc32_combine(crc, part.crc, part.raw_bytes)
            raw_bytes += part.raw_bytes
        return _LAST_BLOCK + crc.to_bytes(4, "little") + (raw_bytes % 2**32).to_bytes(4, "little")

    def bytes_at_most(self, raw_bytes: int) -> int:
        """Deflate stores what it can't compress, in blocks with 5 bytes of overhead for 16 KB or more."""
        return raw_bytes + raw_bytes // 1000 + 64


def _fast(raw: memoryview) -> bytes:
    """ISA-L, level 2: an eighth of zlib's time for files less than a tenth larger; level 1 is no faster."""
    stream = isal_zlib.compressobj(2, zlib.DEFLATED, _RAW_DEFLATE)
    return stream.compress(raw) + stream.flush(zlib.Z_SYNC_FLUSH)


def _small(raw: memoryview) -> bytes:
    """zlib-ng, level 6: zlib's size in less than half its time."""
    stream = zlib_ng.compressobj(6, zlib.DEFLATED, _RAW_DEFLATE)
    return stream.compress(raw) + stream.flush(zlib.Z_SYNC_FLUSH)
