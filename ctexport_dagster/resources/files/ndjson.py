"""NDJSON files as raw batches: fast where the fast reader provably loses nothing, line by line elsewhere.

The first, small block is read exactly. What its values are becomes a contract: pyarrow reads the next blocks against
it as an explicit schema, and refuses to coerce: other kinds, 1.5 or 1.0 for an integer, integers beyond 64 bits, new
keys, keys given twice, broken escapes and surrogates all fail the block. It doesn't see invalid UTF-8, two objects on a
line, or an integer in a float's place beyond 2^53: those are looked for here. A block that fails is read exactly, and
teaches a new contract.
"""

import re
from collections.abc import Collection, Iterator
from math import isfinite
from pathlib import Path
from typing import cast

import polars as pl
import pyarrow as pa
import pyarrow.json as pj

from ctexport_dagster.core.normalise.values import EXACT_INTEGERS
from ctexport_dagster.core.source import RawBatch
from ctexport_dagster.resources.files.bytes import BLOCK_BYTES, byte_blocks, unreadable
from ctexport_dagster.resources.files.ndjson_exact import ExactBlock, read_exactly
from ctexport_dagster.resources.files.parquet import as_frame

_FIRST_BYTES = 500_000
_LINE_BYTES = 64_000_000
_OPENS_ARRAY = re.compile(rb"\s*\[\s*(?:[\[{\"\d\]tfn-]|$)")
"""A JSON array, by its first item too: an event's name on the first line may be `[Promo] Sale`."""


def ndjson_batches(
    path: Path,
    origin: str,
    object_keys: Collection[str],
    block_bytes: int = BLOCK_BYTES,
    *,
    id_key: str = "clevertapId",
) -> Iterator[RawBatch]:
    """The file's rows in order. `object_keys`: the keys whose objects' nulls mean the same as missing.

    `id_key`: the key of the profile's id, which is looked for in broken lines, too.

    Raises:
        SourceUnreadable: the file is one JSON array, or a line is longer than 64 MB.
    """
    reader = NdjsonReader(origin, object_keys, id_key)
    line = 1
    for block in line_blocks(path, block_bytes):
        yield reader.read(block, line)
        line += block.count(b"\n")


class NdjsonReader:
    """Reads the blocks of one file, in order."""

    def __init__(self, origin: str, object_keys: Collection[str], id_key: str = "clevertapId") -> None:
        self._origin = origin
        self._id_key = id_key
        self._object_keys = object_keys
        self._contract: pa.Schema | None = None

    def read(self, block: bytes, first_line: int) -> RawBatch:
        """A block of whole lines as a raw batch."""
        frame = read_fast(block, self._contract) if self._contract is not None else None
        if frame is not None:
            numbers = pl.int_range(first_line, first_line + frame.height, dtype=pl.UInt64, eager=True)
            return RawBatch(frame, origin=self._origin, numbers=numbers)
        exact = read_exactly(block, first_line, self._origin, self._id_key)
        self._contract = self._learned(exact)
        return exact.batch()

    def _learned(self, exact: ExactBlock) -> pa.Schema | None:
        """The old contract with what a block shows; None where no contract can hold a key's values exactly."""
        fields = {field.name: field.type for field in self._contract or ()}
        for key in exact.columns:
            kind = self._arrow_type(key, exact)
            if kind is None:
                return None
            if kind != pa.null() or key not in fields:
                fields[key] = kind
        return pa.schema(fields.items()) if fields else None

    def _arrow_type(self, key: str, exact: ExactBlock) -> pa.DataType | None:
        kinds = exact.columns[key]
        if not kinds:
            return pa.null()
        match max(kinds, key=lambda kind: len(kinds[kind].rows)):
            case "boolean":
                return pa.bool_()
            case "integer" | "float":
                has_floats = "float" in kinds and any(isfinite(cast("float", value)) for value in kinds["float"].values)
                return pa.float64() if has_floats else pa.int64()
            case "string":
                return pa.string()
            case "list":
                return pa.list_(pa.string()) if exact.items_are_text[key] else None
            case "object":
                inner = exact.object_keys.get(key, {})
                is_plain = key in self._object_keys and inner and all(inner.values())
                return pa.struct([(name, pa.string()) for name in inner]) if is_plain else None
            case _:
                return None


def read_fast(block: bytes, contract: pa.Schema) -> pl.DataFrame | None:
    """A block of whole lines read against a contract; None where that might lose or change anything."""
    table = read_against(block, contract)
    if table is None:
        return None
    frame = as_frame(table)
    return None if _may_have_rounded(frame) else frame


def read_against(block: bytes, contract: pa.Schema) -> pa.Table | None:
    """A block of whole lines as a table, if it keeps a contract; integers in a float's place may have been rounded."""
    lines = plain_lines(block)
    if lines is None:
        return None
    try:
        table = pj.read_json(
            pa.BufferReader(lines),
            read_options=pj.ReadOptions(use_threads=False, block_size=len(lines) + 1),
            parse_options=pj.ParseOptions(explicit_schema=contract, unexpected_field_behavior="error"),
        )
    except pa.ArrowException:
        return None
    return table if table.num_rows == lines.count(b"\n") else None


def plain_lines(block: bytes) -> bytes | None:
    """The block with bare line feeds, if it is UTF-8 and every line starts with `{` and ends with `}`.

    Then no object spans two lines, so that as many rows as lines means one a line.
    """
    lines = block.replace(b"\r\n", b"\n") if b"\r" in block else block
    if not lines.endswith(b"\n"):
        lines += b"\n"
    if not (lines.startswith(b"{") and lines.endswith(b"}\n")) or lines.count(b"}\n{") != lines.count(b"\n") - 1:
        return None
    return lines if _is_utf8(lines) else None


def _is_utf8(content: bytes) -> bool:
    """Polars checks eight times as fast as `bytes.decode` where text isn't ASCII."""
    try:
        pl.Series([content], dtype=pl.Binary).cast(pl.String)
    except pl.exceptions.ComputeError:
        return False
    return True


def _may_have_rounded(frame: pl.DataFrame) -> bool:
    floats = frame.select(pl.col(pl.Float64))
    return any(bool((column.abs() >= EXACT_INTEGERS).any()) for column in floats.iter_columns())


def line_blocks(path: Path, block_bytes: int) -> Iterator[bytes]:
    """Blocks of whole lines, the first one small; only the last may lack its line feed."""
    rest = b""
    limit = min(_FIRST_BYTES, block_bytes)
    is_start = True
    for block in byte_blocks(path, block_bytes):
        if is_start and _OPENS_ARRAY.match(block):
            raise unreadable(path, "it is one JSON array, not one object a line (`jq -c '.[]'` makes it so)")
        is_start = False
        rest += block
        while len(rest) >= limit and (end := rest.rfind(b"\n", 0, limit) + 1 or rest.find(b"\n") + 1):
            yield rest[:end]
            rest, limit = rest[end:], block_bytes
        if len(rest) > _LINE_BYTES:
            raise unreadable(path, f"a line is longer than {_LINE_BYTES // 10**6} MB")
    if rest:
        yield rest
