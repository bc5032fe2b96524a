"""NDJSON files as rows of a table: objects and lists as structs and lists, numbers as they are written.

What a file's values are shows only once all of it was seen: so it is read through first, and its shape is what all its
batches then have. As for profiles (ndjson.py), the fast reader reads against that shape and refuses whatever departs
from it; those blocks are read line by line.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pyarrow as pa

from ctexport_dagster.core.normalise.values import EXACT_INTEGERS
from ctexport_dagster.core.quarantine import QUARANTINE_SCHEMA, Reason
from ctexport_dagster.core.source import RawBatch
from ctexport_dagster.resources.files.bytes import BLOCK_BYTES
from ctexport_dagster.resources.files.json_shapes import FLOAT_DIGITS, Shape, fitted, is_too_deep, kind_of, read_float
from ctexport_dagster.resources.files.line_numbers import Lines
from ctexport_dagster.resources.files.ndjson import line_blocks, read_against
from ctexport_dagster.resources.files.ndjson_exact import json_object
from ctexport_dagster.resources.files.parquet import as_frame

_LONG_FRACTION = "|".join(
    [
        rf"\.0*[1-9][0-9]{{{FLOAT_DIGITS}}}",
        *(rf"[1-9][0-9]{{{whole - 1}}}\.[0-9]{{{FLOAT_DIGITS + 1 - whole}}}" for whole in range(1, FLOAT_DIGITS)),
    ]
)
"""Fractions with more digits than name a Float64; with longer whole parts they are too large to be read fast anyway."""


def typed_ndjson_batches(
    path: Path, origin: str, block_bytes: int = BLOCK_BYTES, *, lines: Lines | None = None
) -> Iterator[RawBatch]:
    """The file's rows in order, all in one shape, and the lines that are no rows; or of some lines alone.

    A row without any column in a file whose rows all have none is refused: nothing could hold it.

    Raises:
        SourceUnreadable: the file is one JSON array, or a line is longer than 64 MB.
    """
    table = _Table()
    for block in _blocks(path, block_bytes, lines):
        table.learn(block)
    for block in _blocks(path, block_bytes, lines):
        yield table.batch(block, origin)


@dataclass(frozen=True)
class _Block:
    """Some lines of a file with their numbers, ascending, from 1."""

    content: bytes
    lines: Sequence[int]


def _blocks(path: Path, block_bytes: int, wanted: Lines | None) -> Iterator[_Block]:
    first = 1
    for content in line_blocks(path, block_bytes):
        after = first + content.count(b"\n") + (not content.endswith(b"\n"))
        chosen = range(first, after) if wanted is None else wanted.between(first, after)
        if len(chosen) == after - first:
            yield _Block(content, chosen)
        elif chosen:
            each = content.split(b"\n")
            yield _Block(b"\n".join(each[number - first] for number in chosen), chosen)
        first = after


@dataclass
class _Table:
    """The shape of a file's rows."""

    columns: dict[str, Shape] = field(default_factory=dict)

    def learn(self, block: _Block) -> None:
        """Takes in what a block's values are."""
        contract = self._contract()
        table = _read_fast(block.content, contract) if contract else None
        if table is not None:
            self._count(table)
            return
        for row in _rows(block, "").objects:
            for name, value in row.items():
                self.columns.setdefault(name, Shape()).see(value)

    def batch(self, block: _Block, origin: str) -> RawBatch:
        """A block's rows, once all blocks were learnt from."""
        contract = self._contract()
        table = _read_fast(block.content, contract) if contract else None
        if table is None:
            return self._exact(_rows(block, origin), origin)
        return RawBatch(self._frame(table), origin=origin, numbers=pl.Series(block.lines, dtype=pl.UInt64))

    def _contract(self) -> pa.Schema | None:
        """As what the fast reader reads; None where it can't read some key's values as they are."""
        types = {name: shape.arrow_type(with_empty=True) for name, shape in self.columns.items()}
        if not types or None in types.values():
            return None
        return pa.schema(list(types.items()))

    def _count(self, table: pa.Table) -> None:
        """What the fast reader read is of the commonest kinds."""
        for name in table.column_names:
            valued = table.num_rows - table[name].null_count
            if valued and self.columns[name].types:
                (*_, kind), _ = self.columns[name].types[0]
                self.columns[name].counts[kind] += valued

    def _frame(self, table: pa.Table) -> pl.DataFrame:
        """With the keys within objects that never have a value left out."""
        kinds = {name: self.columns[name].arrow_type(with_empty=False) for name in table.column_names}
        frame = as_frame(table.cast(pa.schema(list(kinds.items()))))
        types = ((column, self.columns[column.name].types) for column in frame.iter_columns())
        # By name: in a list of series, one that is called "" would get another name.
        return pl.DataFrame({column.name: column.cast(found[0][1]) if found else column for column, found in types})

    def _exact(self, rows: "_Rows", origin: str) -> RawBatch:
        series: dict[str, pl.Series] = {}
        variants: dict[str, tuple[str, ...]] = {}
        for name, shape in self.columns.items():
            own, *further = _columns(name, shape, [row.get(name) for row in rows.objects])
            present = {self._free(column.name): column for column in further if column.null_count() < len(column)}
            series |= {name: own, **present}
            if present:
                variants[name] = tuple(present)
        if not series:
            rows = rows.without_objects(origin)
        return RawBatch(
            frame=pl.DataFrame(series),
            unreadable=pl.DataFrame(rows.refused, schema=QUARANTINE_SCHEMA, orient="row"),
            origin=origin,
            numbers=pl.Series(rows.lines, dtype=pl.UInt64),
            variants=variants,
        )

    def _free(self, name: str) -> str:
        """The name, or a longer one if a key of the file's is called so."""
        while name in self.columns:
            name += "\0"
        return name


def _columns(name: str, shape: Shape, values: list[object]) -> list[pl.Series]:
    """A key's values by type, the commonest one's under the key's own name."""
    types = shape.types
    if not types:
        return [pl.Series(name, [None] * len(values), dtype=pl.Null())]
    columns: list[pl.Series] = []
    for place, (kinds, dtype) in enumerate(types):
        own = [fitted(value, dtype) if value is not None and kind_of(value) in kinds else None for value in values]
        columns.append(pl.Series(name if not place else f"{name}\0{kinds[-1]}", own, dtype=dtype, strict=True))
    return columns


@dataclass
class _Rows:
    lines: list[int] = field(default_factory=list)
    objects: list[dict[str, object]] = field(default_factory=list)
    refused: list[tuple[str | None, ...]] = field(default_factory=list)

    def without_objects(self, origin: str) -> "_Rows":
        """All rows refused, of objects without any key."""
        empty = [(None, Reason.MISSING_VALUE.value, None, None, "{}", f"{origin}:{number}") for number in self.lines]
        return _Rows(refused=[*self.refused, *empty])


def _rows(block: _Block, origin: str) -> _Rows:
    """The lines one by one; blank ones are none."""
    found = _Rows()
    for number, line in zip(block.lines, block.content.split(b"\n"), strict=False):
        text = line.strip(b" \t\r\n")
        if not text:
            continue
        row = _row(text)
        if isinstance(row, Reason):
            shown = line.rstrip(b"\r").decode(errors="backslashreplace")
            found.refused.append((None, row.value, None, None, shown, f"{origin}:{number}"))
        else:
            found.lines.append(number)
            found.objects.append(row)
    return found


def _row(text: bytes) -> dict[str, object] | Reason:
    try:
        row = json_object(text, read_float, _no_number)
        return Reason.UNREADABLE if is_too_deep(row, text) else row
    except _NotFinite:
        return Reason.NOT_FINITE
    except UnicodeError:
        return Reason.INVALID_TEXT
    except (ValueError, RecursionError):
        return Reason.UNREADABLE


class _NotFinite(Exception):
    """NaN or an infinity, which JSON doesn't have."""


def _no_number(literal: str) -> object:
    raise _NotFinite(literal)


def _read_fast(block: bytes, contract: pa.Schema) -> pa.Table | None:
    table = read_against(block, contract)
    if table is None or _has_long_fractions(block) or any(_may_be_rounded(column) for column in table.columns):
        return None
    return table


def _has_long_fractions(block: bytes) -> bool:
    """Polars looks through a block ten times as fast as `re`."""
    return bool(pl.Series([block]).cast(pl.String).str.contains(_LONG_FRACTION).any())


def _may_be_rounded(column: pa.ChunkedArray) -> bool:
    """Whether a fraction anywhere within is so large that an integer may have stood in its place."""
    kind = column.type
    if pa.types.is_float64(kind):
        frame = pl.DataFrame({"size": pl.from_arrow(column)})
        return bool(frame.select((pl.col("size").abs() >= EXACT_INTEGERS).any()).item())
    if pa.types.is_list(kind):
        return any(_may_be_rounded(pa.chunked_array([chunk.flatten()])) for chunk in column.chunks)
    if pa.types.is_struct(kind):
        return any(_may_be_rounded(pa.chunked_array([part])) for chunk in column.chunks for part in chunk.flatten())
    return False
