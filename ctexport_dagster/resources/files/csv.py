"""CSV files as raw batches: RFC 4180, every value as text, an empty field null and `""` the empty string.

Arrow reads the records, but it neither minds a quote that is never closed (the rest of the file becomes one value) nor
text behind a closing quote. So a regular expression, as fast as Arrow, decides first what is a record; what is none is
refused line by line, and reading goes on at the next line.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.csv as pc

from ctexport_dagster.core.errors import SourceUnreadable
from ctexport_dagster.core.quarantine import QUARANTINE_SCHEMA, Reason
from ctexport_dagster.core.source import RawBatch
from ctexport_dagster.resources.files.bytes import BLOCK_BYTES, byte_blocks

# Before Python 3.11.5 possessive repeats go wrong around alternatives and possessive groups that fail. So a field has
# none: an optional quoted text up to a comma or line end, then all that stands unquoted, which behind it is nothing.
_FIELD = rb'(?:"[^"]*+(?:""[^"]*+)*+"(?![^,\r\n]))?[^",\r\n]*+'
_RECORD = re.compile(rb"(" + _FIELD + rb"(?:," + _FIELD + rb")*+)\r?+\n")
_RECORDS = re.compile(rb"(?:" + _FIELD + rb"(?:," + _FIELD + rb")*+\r?+\n)*+")
_OPEN_RECORD = re.compile(rb"(?:" + _FIELD + rb',)*+(?:"[^"]*+(?:""[^"]*+)*+"?|[^",\r\n]*+)\r?\Z')
_EACH_FIELD = re.compile(rb"(?:\A|,)(" + _FIELD + rb")")
_RECORD_BYTES = 16_000_000
"""A record that has no end by then has a stray quote."""


def csv_batches(
    path: Path, origin: str, block_bytes: int = BLOCK_BYTES, *, keeps_empty: bool = False
) -> Iterator[RawBatch]:
    """The file's rows in order; blank lines are none. An empty file gives no batch.

    `keeps_empty`: rows of empty fields alone (`,,`) are rows as well, as a table has them; else they are none.

    Raises:
        SourceUnreadable: the header is broken, or names a column twice or not at all.
    """
    reader: _Reader | None = None
    for given in _runs(path, block_bytes):
        run = given
        if reader is None:
            header = _RECORD.match(run.content) if run.is_sound else None
            reader = _Reader(origin, _header(path, header), keeps_empty=keeps_empty)
            yield RawBatch(reader.frame(b""), origin=origin)
            run = run.after(header.end() if header else 0)
        if run.content:
            yield reader.read(run)


@dataclass(frozen=True)
class _Run:
    """Whole records, or (not `is_sound`) lines that are none."""

    content: bytes
    first_line: int
    is_sound: bool

    def after(self, size: int) -> "_Run":
        """The run without its first bytes."""
        return _Run(self.content[size:], self.first_line + self.content[:size].count(b"\n"), self.is_sound)


class _Reader:
    def __init__(self, origin: str, names: list[str], *, keeps_empty: bool) -> None:
        self._origin = origin
        self._names = names
        self._keeps_empty = keeps_empty

    def read(self, run: _Run) -> RawBatch:
        if not run.is_sound:
            broken = list(enumerate(run.content.removesuffix(b"\n").split(b"\n"), start=run.first_line))
            return RawBatch(self.frame(b""), self._refused(broken), self._origin)
        try:
            frame, ragged = self.frame(run.content), []
            lines = self._lines(run, frame)
        except pa.ArrowException:
            whole, lines, ragged = self._sifted(run)
            frame = self.frame(whole)
        held = self._held(run, frame, lines)
        return RawBatch(frame.filter(held), self._refused(ragged), self._origin, lines.filter(held))

    def frame(self, records: bytes) -> pl.DataFrame:
        """Records of the right width as Binary columns."""
        if not records:
            return pl.DataFrame(schema=dict.fromkeys(self._names, pl.Binary()))
        table = pc.read_csv(
            pa.BufferReader(records),
            read_options=pc.ReadOptions(use_threads=False, column_names=self._names, block_size=len(records) + 1),
            parse_options=pc.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options=pc.ConvertOptions(
                column_types=dict.fromkeys(self._names, pa.binary()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        frame = pl.from_arrow(table)
        assert isinstance(frame, pl.DataFrame)
        return frame

    def _held(self, run: _Run, frame: pl.DataFrame, lines: pl.Series) -> pl.Series:
        """Whether each record is a row (Boolean)."""
        # `pl.all()`, for by name some columns would be taken for patterns.
        held = frame.select(pl.any_horizontal(pl.all().is_not_null()).alias("held")).to_series()
        if not self._keeps_empty or held.all():
            return held
        each = run.content.split(b"\n")
        has_fields = pl.Series([bool(each[line - run.first_line].strip(b"\r")) for line in lines.filter(~held)])
        return held.scatter((~held).arg_true(), has_fields)

    def _lines(self, run: _Run, frame: pl.DataFrame) -> pl.Series:
        """The number of the line at which each record starts; only records with line breaks within are counted out."""
        lines = pl.int_range(run.first_line, run.first_line + frame.height, dtype=pl.UInt64, eager=True)
        if run.content.count(b"\n") == frame.height:
            return lines
        broken = frame.select(pl.any_horizontal(pl.all().bin.contains(b"\n"))).to_series().fill_null(value=False)
        breaks = [sum(v.count(b"\n") for v in row if v) for row in frame.filter(broken).iter_rows()]
        within = pl.Series([0], dtype=pl.UInt64).new_from_index(0, frame.height).scatter(broken.arg_true(), breaks)
        return lines + within.cum_sum() - within

    def _sifted(self, run: _Run) -> tuple[bytes, pl.Series, list[tuple[int, bytes]]]:
        """The records as wide as the header with their lines, and the ragged ones: those are why Arrow gave up."""
        whole: list[bytes] = []
        lines: list[int] = []
        ragged: list[tuple[int, bytes]] = []
        line = run.first_line
        for match in _RECORD.finditer(run.content):
            if not match[1] or len(_EACH_FIELD.findall(match[1])) == len(self._names):
                whole.append(match[0])
                lines.append(line)
            else:
                ragged.append((line, match[0]))
            line += match[0].count(b"\n")
        return b"".join(whole), pl.Series(lines, dtype=pl.UInt64), ragged

    def _refused(self, lines: list[tuple[int, bytes]]) -> pl.DataFrame:
        rows = [
            (None, Reason.UNREADABLE.value, None, None, text.rstrip(b"\r\n").decode(errors="backslashreplace"), place)
            for place, text in ((f"{self._origin}:{line}", text) for line, text in lines)
        ]
        return pl.DataFrame(rows, schema=QUARANTINE_SCHEMA, orient="row")


def _header(path: Path, record: re.Match[bytes] | None) -> list[str]:
    fields = _EACH_FIELD.findall(record[1]) if record else []
    try:
        names = [_unquoted(field).decode() for field in fields]
    except UnicodeDecodeError:
        names = []
    if not names or "" in names:
        raise _unnamed(path, "its first line doesn't name every column")
    twice = next(((names.index(name), place) for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        # By places: without a header, what stands there is a row's values.
        first, second = (place + 1 for place in twice)
        raise _unnamed(path, f"its first line has the same name at the places {first} and {second}")
    return names


def _unnamed(path: Path, why: str) -> SourceUnreadable:
    step = "Give it a first line that names every column once, and run the partition again."
    return SourceUnreadable(f"Reading {path}", why, step)


def _unquoted(field: bytes) -> bytes:
    return field[1:-1].replace(b'""', b'"') if field.startswith(b'"') else field


def _runs(path: Path, block_bytes: int) -> Iterator[_Run]:
    """The file cut into runs of whole records and of lines that are none; the last line gets its line feed."""
    rest, line = b"", 1
    for block in chain(byte_blocks(path, block_bytes), (b"",)):
        rest += block
        if not block and rest and not rest.endswith(b"\n"):
            rest += b"\n"
        for content, is_sound in _cut(rest, is_end=not block):
            yield _Run(content, line, is_sound)
            line += content.count(b"\n")
            rest = rest[len(content) :]


def _cut(data: bytes, *, is_end: bool) -> Iterator[tuple[bytes, bool]]:
    """Runs of records and of broken lines, without what may still become a record once more has been read."""
    at = broken_from = 0
    while at < len(data):
        records = _RECORDS.match(data, at)
        end = records.end() if records else at
        if end > at:
            if broken_from < at:
                yield data[broken_from:at], False
            yield data[at:end], True
            at = broken_from = end
            continue
        line_end = data.find(b"\n", at) + 1
        may_go_on = not is_end and len(data) - at < _RECORD_BYTES
        if may_go_on and (not line_end or _OPEN_RECORD.match(data, at)):
            break
        at = line_end or len(data)
    if broken_from < at:
        yield data[broken_from:at], False
