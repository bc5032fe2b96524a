"""The maps of events, read where a format has to: typed entries of a column of JSON objects, and their values as text.

Source: REQUIREMENTS L8 to L11; core/events/json_spans.py for how.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
import numpy as np
import polars as pl

from ctexport_dagster.core.events.json_spans import Entries, JsonValues, Kind, column_entries, spliced
from ctexport_dagster.core.events.text_views import TextViews, texts_from

_BACKSLASH = ord("\\")
_COMMA = ord(",")
_QUOTE = ord('"')


@dataclass(frozen=True)
class MapEntries:
    """The entries of one map, row by row: `codes` says which of the `names` each one's key is.

    `names` are unescaped, in order of first appearance, none twice.
    """

    entries: Entries
    codes: np.ndarray
    names: tuple[str, ...]

    @property
    def rows(self) -> np.ndarray:
        return self.entries.rows

    @property
    def values(self) -> JsonValues:
        return self.entries.values

    @cached_property
    def texts(self) -> TextViews:
        """Each value as plain text."""
        return plain_texts(self.values)

    def where(self, chosen: np.ndarray) -> "MapEntries":
        return MapEntries(self.entries.where(chosen), self.codes[chosen], self.names)

    def under(self, rows: np.ndarray) -> "MapEntries":
        """The entries under other rows: `rows` has one for each of the present ones."""
        entries = Entries(rows[self.rows], self.entries.keys, self.entries.values)
        return MapEntries(entries, self.codes, self.names)

    def named(self, *names: str) -> np.ndarray:
        """Which entries have one of these keys (Boolean)."""
        return np.array([name in names for name in self.names], bool)[self.codes]

    @property
    def first_of_each(self) -> "MapEntries":
        """Each row's first entry of each key."""
        _, firsts = np.unique(self.rows * len(self.names) + self.codes, return_index=True)
        return self if len(firsts) == len(self.rows) else self.where(np.sort(firsts))

    def told_apart(self, prefix: str) -> "MapEntries":
        """The same entries; one with the key of a later one in its row gets a key with this prefix, till none has."""
        _, lasts = np.unique((self.rows * len(self.names) + self.codes)[::-1], return_index=True)
        if len(lasts) == len(self.rows):
            return self
        is_earlier = np.ones(len(self.rows), bool)
        is_earlier[len(self.rows) - 1 - lasts] = False
        renamed = {code: prefix + self.names[code] for code in np.unique(self.codes[is_earlier]).tolist()}
        names = tuple(dict.fromkeys((*self.names, *renamed.values())))
        new_codes = np.arange(len(self.names), dtype=np.int32)
        new_codes[list(renamed)] = [names.index(name) for name in renamed.values()]
        codes = np.where(is_earlier, new_codes[self.codes], self.codes)
        return MapEntries(self.entries, codes, names).told_apart(prefix)

    @property
    def present(self) -> "MapEntries":
        """The entries whose value isn't null: a null means the same as no entry."""
        is_null = self.values.kinds == Kind.NULL
        return self.where(~is_null) if is_null.any() else self


def read_map(texts: pl.Series) -> MapEntries:
    """The entries of a column of JSON objects (String; null for none)."""
    return with_names(column_entries(texts))


def with_names(entries: Entries) -> MapEntries:
    """Entries with their keys told apart. Two spellings of a key (`a` and `\\u0061`) are one."""
    keys = entries.keys
    codes, spellings = TextViews.of(keys.content, keys.starts, keys.ends).encoded()
    read = [_unescaped_name(spelling) for spelling in spellings]
    names = {name: code for code, name in enumerate(dict.fromkeys(read))}
    if len(names) < len(read):
        codes = np.array([names[name] for name in read], np.int32)[codes]
    return MapEntries(entries, codes, tuple(names))


def plain_texts(values: JsonValues) -> TextViews:
    """Values as plain text: strings unescaped, everything else as the JSON that it is."""
    is_text = values.kinds == Kind.STRING
    starts, ends = values.starts + is_text, values.ends - is_text
    (escaped,) = np.nonzero(is_text & _have_backslash(values))
    if not len(escaped):
        return TextViews.of(values.content, starts, ends)
    read = _unescaped(values.where(escaped))
    offsets = len(values.content) + np.cumsum([0, *(len(text) for text in read)])
    starts[escaped], ends[escaped] = offsets[:-1], offsets[1:]
    appended = np.frombuffer(b"".join(read), np.uint8)
    return TextViews.of(np.concatenate([values.content, appended]), starts, ends)


def key_columns(found: MapEntries, keys: Sequence[str], row_count: int) -> list[pl.Series]:
    """The values under each of these keys as plain text, a String column of all rows each; null where there is none.

    Raises:
        ValueError: an entry has another key.
    """
    places = {key: place for place, key in enumerate(keys)}
    unknown = [name for name in found.names if name not in places]
    if unknown and found.named(*unknown).any():
        raise ValueError(f"{len(unknown)} keys of an event are not among its known ones, the first is {unknown[0]}")
    slots = np.array([places.get(name, 0) for name in found.names], np.int64)[found.codes]
    return found.texts.spread(slots, found.rows, len(keys), row_count)


def spliced_texts(found: MapEntries, row_count: int) -> pl.Series:
    """The entries of each row as JSON, each with a comma before it: `,"a":1,"b":2`; an empty text for none."""
    content, offsets = found.entries.joined()
    spliced_content = content.copy()
    starts = offsets[:-1]
    spliced_content[starts] = _COMMA
    bounds = np.searchsorted(found.rows, np.arange(row_count + 1))
    return texts_from(spliced_content, offsets[bounds])


def with_members(objects: pl.Series, members: pl.Series) -> pl.Series:
    """JSON objects (null for an empty one) with further members, each of which has a comma before it."""
    opened = pl.col("objects").fill_null("{}").str.strip_suffix("}")
    more = pl.col("members").fill_null("")
    led = pl.when(opened == "{").then(more.str.slice(1)).otherwise(more)
    frame = pl.DataFrame([objects.alias("objects"), members.alias("members")])
    return frame.select(pl.concat_str(opened, led, pl.lit("}"))).to_series()


def as_strings(content: np.ndarray, offsets: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> pl.Series:
    """JSON texts (bytes and offsets) with quotes put around the spans `[starts, ends)`."""
    places = np.stack([starts, ends], axis=1).ravel()
    return texts_from(np.insert(content, places, _QUOTE), offsets + np.searchsorted(places, offsets, side="left"))


def _have_backslash(values: JsonValues) -> np.ndarray:
    places = np.flatnonzero(values.content == _BACKSLASH)
    has = np.zeros(len(values), bool)
    if len(places) and len(values):
        around = np.maximum(np.searchsorted(values.starts, places, side="right") - 1, 0)
        is_inside = (values.starts[around] <= places) & (places < values.ends[around])
        has[around[is_inside]] = True
    return has


def _unescaped(values: JsonValues) -> list[bytes]:
    """JSON strings as the UTF-8 that they mean; read as one list, ten times as fast as one by one."""
    content, offsets = spliced(values.content, values.starts, values.ends)
    listed = np.insert(content, offsets[1:-1], _COMMA).tobytes()
    return [text.encode() for text in msgspec.json.decode(b"[" + listed + b"]", type=list[str])]


def _unescaped_name(spelling: str) -> str:
    return json.loads(f'"{spelling}"') if "\\" in spelling else spelling


MapKeys = Mapping[str, tuple[str, ...]]
"""Map → its keys in one event, in the order in which files list them."""
