"""NDJSON line by line: slow, but every value exactly as written, and every broken line told apart."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

from ctexport_dagster.core.normalise.json_text import canonical_json, item_text
from ctexport_dagster.core.quarantine import QUARANTINE_SCHEMA, Reason
from ctexport_dagster.core.schema import STRINGS
from ctexport_dagster.core.source import RawBatch
from ctexport_dagster.resources.files.ndjson_salvage import id_in_broken

Kind = Literal["boolean", "integer", "wide", "float", "string", "list", "object"]
"""What JSON can hold; `wide` is an integer beyond 64 bits."""

_DTYPES: Mapping[Kind, pl.DataType] = {
    "boolean": pl.Boolean(),
    "integer": pl.Int64(),
    "wide": pl.Int128(),
    "float": pl.Float64(),
    "string": pl.String(),
    "list": STRINGS,
    "object": pl.String(),
}
_INT64 = 2**63
_INT128 = 2**127


class _Unusable(ValueError):
    """JSON that is no row: not an object, or one that names a key twice (json.loads keeps the last and drops it)."""


@dataclass
class _Column:
    rows: list[int] = field(default_factory=list)
    values: list[object] = field(default_factory=list)


@dataclass
class ExactBlock:
    """What a block of lines holds: per key (in order of appearance) its values by kind, and the lines refused."""

    origin: str
    id_key: str
    lines: list[int] = field(default_factory=list)
    columns: dict[str, dict[Kind, _Column]] = field(default_factory=dict)
    refused: list[tuple[str | None, ...]] = field(default_factory=list)
    items_are_text: dict[str, bool] = field(default_factory=dict)
    object_keys: dict[str, dict[str, bool]] = field(default_factory=dict)
    """Key → the keys of its objects, in order, and whether their values are text or null."""

    def batch(self) -> RawBatch:
        """The block as a raw batch: one column per key and kind, the commonest kind under the key's own name."""
        series: list[pl.Series] = []
        variants: dict[str, tuple[str, ...]] = {}
        for key, kinds in self.columns.items():
            ranked = sorted(kinds.items(), key=lambda pair: -len(pair[1].rows))
            names = [key, *(self._free_name(key, kind) for kind, _ in ranked[1:])]
            series += [self._series(name, *pair) for name, pair in zip(names, ranked, strict=False)]
            if not ranked:
                series.append(pl.Series(key, [None] * len(self.lines), dtype=pl.Null))
            if len(ranked) > 1:
                variants[key] = tuple(names[1:])
        if not series:
            series.append(pl.Series("clevertapId", [None] * len(self.lines), dtype=pl.Null))
        return RawBatch(
            # By name: in a list of series, one that is called "" would get another name.
            frame=pl.DataFrame({column.name: column for column in series}),
            unreadable=pl.DataFrame(self.refused, schema=QUARANTINE_SCHEMA, orient="row"),
            origin=self.origin,
            numbers=pl.Series(self.lines, dtype=pl.UInt64),
            variants=variants,
        )

    def _free_name(self, key: str, kind: Kind) -> str:
        name = f"{key}\0{kind}"
        while name in self.columns:
            name += "\0"
        return name

    def _series(self, name: str, kind: Kind, column: _Column) -> pl.Series:
        full: list[object] = [None] * len(self.lines)
        for row, value in zip(column.rows, column.values, strict=True):
            full[row] = value
        return pl.Series(name, full, dtype=_DTYPES[kind])

    def take(self, number: int, line: bytes) -> None:
        """Reads one line; a blank one is none."""
        text = line.strip(b" \t\r\n")
        if not text:
            return
        reason = Reason.UNREADABLE
        try:
            row = json_object(text)
            reason = Reason.NOT_FINITE
            values = [(key, _value(value)) for key, value in row.items()]
        except UnicodeError:
            self._refuse(number, line, Reason.INVALID_TEXT)
        except (ValueError, RecursionError):
            self._refuse(number, line, reason)
        else:
            self._keep(number, values, row)

    def _keep(self, number: int, values: list[tuple[str, tuple[Kind | None, object]]], row: dict[str, object]) -> None:
        place = len(self.lines)
        self.lines.append(number)
        for key, (kind, value) in values:
            kinds = self.columns.setdefault(key, {})
            if kind is None:
                continue
            column = kinds.setdefault(kind, _Column())
            column.rows.append(place)
            column.values.append(value)
            if kind in ("list", "object"):
                self._look_inside(key, row[key])

    def _look_inside(self, key: str, value: object) -> None:
        if isinstance(value, list):
            are_text = all(item is None or isinstance(item, str) for item in value)
            self.items_are_text[key] = self.items_are_text.get(key, True) and are_text
        elif isinstance(value, dict):
            inner = self.object_keys.setdefault(key, {})
            for name, item in value.items():
                inner[name] = inner.get(name, True) and (item is None or isinstance(item, str))

    def _refuse(self, number: int, line: bytes, reason: Reason) -> None:
        text = line.rstrip(b"\r\n").decode(errors="backslashreplace")
        identifier = id_in_broken(line, self.id_key)
        self.refused.append((identifier, reason.value, None, None, text, f"{self.origin}:{number}"))


def read_exactly(block: bytes, first_line: int, origin: str, id_key: str = "clevertapId") -> ExactBlock:
    """Reads a block of whole lines; `first_line` is the number of its first."""
    found = ExactBlock(origin, id_key)
    for number, line in enumerate(block.split(b"\n"), start=first_line):
        found.take(number, line)
    return found


def json_object(
    text: bytes,
    parse_float: Callable[[str], object] | None = None,
    parse_constant: Callable[[str], object] | None = None,
) -> dict[str, object]:
    """One JSON object; fractions, and NaN and the infinities, as `json.loads` reads them or as they are to be read.

    Raises:
        UnicodeError: it isn't UTF-8, or has half a surrogate pair.
        ValueError, RecursionError: it is no JSON, no object, or names a key twice.
    """
    row = json.loads(text.decode(), object_pairs_hook=_once, parse_float=parse_float, parse_constant=parse_constant)
    if not isinstance(row, dict):
        raise _Unusable
    if b"\\u" in text:
        json.dumps(row, ensure_ascii=False).encode()
    return row


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Unusable
    return found


def _value(value: object) -> tuple[Kind | None, object]:
    return (None, None) if value is None else _READERS[type(value)](value)


def _integer(value: int) -> tuple[Kind, object]:
    if -_INT64 <= value < _INT64:
        return "integer", value
    if -_INT128 <= value < _INT128:
        return "wide", value
    return "string", str(value)


_READERS: Mapping[type, Callable[..., tuple[Kind, object]]] = {
    bool: lambda value: ("boolean", value),
    int: _integer,
    float: lambda value: ("float", value),
    str: lambda value: ("string", value),
    list: lambda value: ("list", [item_text(item) for item in value]),
    dict: lambda value: ("object", canonical_json(value)),
}
