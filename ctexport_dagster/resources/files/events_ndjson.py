"""Events in NDJSON files: each line's maps taken out as the text they are, without reading them.

A decoder in C finds the values of a line's keys and skips over them, which proves their syntax. It would keep the last
of two keys that are the same; but then the line is longer than its keys and values, as it is with white space between
them: such lines are made compact first. A block that fails is read line by line, and teaches the decoder its keys.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import cast

import msgspec
import numpy as np
import polars as pl
import pyarrow as pa

from ctexport_dagster.core.events.header import event_name_in
from ctexport_dagster.core.events.model import MAPS
from ctexport_dagster.core.events.normalise_objects import flaw_of, joined_maps
from ctexport_dagster.core.events.source import RawEvents
from ctexport_dagster.core.quarantine import QUARANTINE_SCHEMA, Reason, empty_quarantine
from ctexport_dagster.resources.files.bytes import BLOCK_BYTES
from ctexport_dagster.resources.files.event_model import MODEL_NAMES, model_name
from ctexport_dagster.resources.files.json_scalars import read_scalars
from ctexport_dagster.resources.files.ndjson import line_blocks, plain_lines
from ctexport_dagster.resources.files.ndjson_salvage import id_in_broken

_ABSENT = msgspec.Raw(b"")
_MARKUP = frozenset('{}"')
_MOST_KEYS = 256
"""Of more keys in a file's lines the decoder isn't told; their blocks are read line by line."""
_TEACHABLE = re.compile(r'[^"\\\x00-\x1f]*')
"""Other keys a struct of msgspec can't have; their blocks are read line by line as well."""
_decode_line = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def ndjson_events(
    path: Path, origin: str, columns: Mapping[str, str], event_name: str | None, block_bytes: int = BLOCK_BYTES
) -> Iterator[RawEvents]:
    """The file's events in order. A first line that is no object names all those that don't tell their name.

    In such a file a later one behind a whole event does so for those that follow: two files may have run into one.

    Raises:
        SourceUnreadable: the file is one JSON array, or a line is longer than 64 MB.
    """
    reader = _Reader(origin, columns, event_name)
    line = 1
    for block in line_blocks(path, block_bytes):
        yield reader.read(block, line)
        line += block.count(b"\n")


@dataclass
class _Lines:
    """What some lines hold: their numbers and texts, and for each key of theirs the values, `_ABSENT` for none.

    `event_names` are those that the headers before them give.
    """

    numbers: list[int]
    texts: Sequence[bytes]
    values: Mapping[str, Sequence[msgspec.Raw]]
    event_names: pl.Series


@dataclass
class _Reader:
    """Reads the blocks of one file, in order."""

    origin: str
    columns: Mapping[str, str]
    event_name: str | None
    _keys: dict[str, None] = field(default_factory=dict)
    _decoder: "msgspec.json.Decoder[list[msgspec.Struct]] | None" = None
    _is_start: bool = True
    _is_headed: bool = False
    _is_behind_whole: bool = True
    """Whether the line before was an event or a header: behind a broken one, a bare text may be a part of it."""

    def read(self, block: bytes, first_line: int) -> RawEvents:
        """A block of whole lines as raw events."""
        if self._is_start:
            block, first_line = self._without_header(block, first_line)
        plain = plain_lines(block) if self._decoder is not None else None
        lines = self._fast(plain, first_line) if plain is not None else None
        if lines is not None:
            self._is_behind_whole = True
            return self._events(lines, empty_quarantine())
        return self._events(*self._exact(block, first_line))

    def _without_header(self, block: bytes, first_line: int) -> tuple[bytes, int]:
        """The block behind its first line, if that names the events; blank lines before it are none."""
        content = len(block) - len(block.lstrip())
        if content == len(block):
            return block, first_line
        self._is_start = False
        start, end = block.rfind(b"\n", 0, content) + 1, block.find(b"\n", content) + 1 or len(block)
        name = event_name_in(block[start:end])
        if name is None:
            return block, first_line
        self.event_name, self._is_headed = name, True
        return block[end:], first_line + block.count(b"\n", 0, end)

    def _fast(self, content: bytes, first_line: int) -> _Lines | None:
        """The lines as the decoder reads them; None where that might lose anything."""
        found = self._decoded(content)
        if found is None:
            try:
                content = b"".join(_compact(line) + b"\n" for line in content.split(b"\n")[:-1])
            except (msgspec.MsgspecError, RecursionError):
                return None
            found = self._decoded(content)
        if found is None:
            return None
        texts = content.split(b"\n")[:-1]
        return _Lines(list(range(first_line, first_line + len(texts))), texts, found, self._names(len(texts)))

    def _decoded(self, content: bytes) -> dict[str, list[msgspec.Raw]] | None:
        """The values of each key, if every line holds nothing but one value for each of its keys."""
        assert self._decoder is not None
        try:
            events = self._decoder.decode_lines(content)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
        ends = np.flatnonzero(np.frombuffer(content, np.uint8) == ord("\n"))
        if len(events) != len(ends):
            return None
        found = {key: list(map(attrgetter(f"k{place}"), events)) for place, key in enumerate(self._keys)}
        told = np.ones(len(ends), np.int64)
        for key, values in found.items():
            sizes = _sizes(values)
            told += np.where(sizes > 0, sizes + len(_literal(key)) + 2, 0)
        return found if bool((told == np.diff(ends, prepend=-1) - 1).all()) else None

    def _exact(self, block: bytes, first_line: int) -> tuple[_Lines, pl.DataFrame]:
        """The lines one by one, and those that can't be read as a quarantine frame."""
        numbers: list[int] = []
        texts: list[bytes] = []
        rows: list[dict[str, msgspec.Raw]] = []
        names: list[str | None] = []
        refused: list[tuple[str | None, ...]] = []
        for number, line in enumerate(block.split(b"\n"), start=first_line):
            text = line.strip(b" \t\r")
            if not text:
                continue
            row = _values(text)
            if isinstance(row, Reason):
                if self._is_header(line):
                    continue
                self._is_behind_whole = False
                refused.append(self._refusal(number, line, row))
                continue
            numbers.append(number)
            texts.append(text)
            rows.append(row)
            names.append(self.event_name)
            self._is_behind_whole = True
        self._learn(rows)
        keys = dict.fromkeys(key for row in rows for key in row)
        values = {key: [row.get(key, _ABSENT) for row in rows] for key in keys}
        return _Lines(numbers, texts, values, pl.Series(names, dtype=pl.String)), _frame_of(refused)

    def _is_header(self, line: bytes) -> bool:
        """Whether a line that is no event names those that follow, which it does from here on.

        Behind one that may be a name or a part of an event, events that don't tell their name have none: to refuse them
        is better than to file them under another's.
        """
        if not (self._is_headed and self._is_behind_whole) or line.lstrip().startswith(b"{"):
            return False
        name = event_name_in(line)
        is_clear = name is not None and (line.lstrip().startswith(b'"') or not _MARKUP & set(name))
        self.event_name = name if is_clear else None
        return is_clear

    def _names(self, count: int) -> pl.Series:
        return pl.Series([self.event_name], dtype=pl.String).new_from_index(0, count)

    def _learn(self, rows: Sequence[Mapping[str, msgspec.Raw]]) -> None:
        keys = {**self._keys, **dict.fromkeys(key for row in rows for key in row)}
        if not keys or len(keys) > _MOST_KEYS or keys.keys() == self._keys.keys():
            return
        if not all(map(_TEACHABLE.fullmatch, keys)):
            return
        self._keys = keys
        fields = {f"k{place}": key for place, key in enumerate(keys)}
        line = msgspec.defstruct(
            "Line",
            [(name, msgspec.Raw, _ABSENT) for name in fields],
            rename=fields,
            forbid_unknown_fields=True,
            gc=False,
        )
        self._decoder = cast("msgspec.json.Decoder[list[msgspec.Struct]]", msgspec.json.Decoder(line))

    def _events(self, lines: _Lines, unreadable: pl.DataFrame) -> RawEvents:
        """The lines as raw events; those with a value of the wrong kind are refused."""
        rows = len(lines.numbers)
        columns: dict[str, pl.Series] = {}
        kept = pl.Series([True], dtype=pl.Boolean).new_from_index(0, rows)
        refused: list[tuple[str | None, ...]] = []
        for key, values in lines.values.items():
            name = model_name(key, self.columns)
            if name not in MODEL_NAMES:
                continue
            given = _series(values)
            if name in MAPS:
                column = given.zip_with(given != "", pl.Series([None], dtype=pl.String))
            else:
                column, wrong = read_scalars(name, given)
                for place in (wrong & kept).arg_true().to_list():
                    number, text = lines.numbers[place], lines.texts[place]
                    refused.append(self._refusal(number, text, Reason.CONTRADICTS_TYPE, key, given[place]))
                kept &= ~wrong
            columns[name] = _joined(name, columns[name], column) if name in columns else column
        told = columns.get("eventName")
        columns["eventName"] = lines.event_names if told is None else told.fill_null(lines.event_names)
        frame = pl.DataFrame([column.alias(name) for name, column in columns.items()])
        numbers = pl.Series(lines.numbers, dtype=pl.UInt64)
        if refused:
            frame, numbers = frame.filter(kept), numbers.filter(kept)
        return RawEvents(frame, pl.concat([unreadable, _frame_of(refused)]), self.origin, numbers)

    def _refusal(
        self, number: int, line: bytes, reason: Reason, key: str | None = None, value: str | None = None
    ) -> tuple[str | None, ...]:
        text = line.rstrip(b"\r").decode(errors="backslashreplace")
        identifier = id_in_broken(line, self.columns.get("clevertapId", "clevertapId"))
        return (identifier, reason.value, key, value, text, f"{self.origin}:{number}")


def _joined(name: str, first: pl.Series, second: pl.Series) -> pl.Series:
    """Two spellings of one name: of maps the entries of both, else the first that has a value."""
    return joined_maps(first, second) if name in MAPS else first.fill_null(second)


def _values(line: bytes) -> dict[str, msgspec.Raw] | Reason:
    """The values of a line's keys, or why it can't be read; what is wrong within a map is found out later."""
    try:
        line.decode()
        compact = _compact(line)
        values = _decode_line(compact)
    except UnicodeDecodeError:
        return Reason.INVALID_TEXT
    except (msgspec.MsgspecError, RecursionError):
        reason = flaw_of(line.decode())
        return Reason.UNREADABLE if reason in (None, Reason.CONTRADICTS_TYPE) else reason
    told = 1 + sum(len(_literal(key)) + 2 + len(value) for key, value in values.items())
    return values if told == len(compact) else _without_twins(compact, values)


def _without_twins(line: bytes, values: dict[str, msgspec.Raw]) -> dict[str, msgspec.Raw] | Reason:
    """The values, if the line gives no key twice."""
    objects: list[int] = []
    try:
        json.loads(line, object_pairs_hook=lambda pairs: objects.append(len(pairs)))
    except (ValueError, RecursionError):
        return Reason.UNREADABLE
    return values if objects[-1] == len(values) else Reason.DUPLICATE_KEY


def _compact(line: bytes) -> bytes:
    return msgspec.json.format(line, indent=-1)


def _literal(key: str) -> bytes:
    return json.dumps(key, ensure_ascii=False).encode()


def _sizes(values: Sequence[msgspec.Raw]) -> np.ndarray:
    return np.fromiter(map(len, values), np.int64, count=len(values))


def _series(values: Sequence[msgspec.Raw]) -> pl.Series:
    """JSON values as a String column, "" for those that are absent; their block is known to be UTF-8."""
    offsets = np.zeros(len(values) + 1, np.int64)
    np.cumsum(_sizes(values), out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(values))]
    return pl.Series(pa.Array.from_buffers(pa.large_string(), len(values), buffers))


def _frame_of(refused: Sequence[tuple[str | None, ...]]) -> pl.DataFrame:
    return pl.DataFrame(refused, schema=QUARANTINE_SCHEMA, orient="row")
