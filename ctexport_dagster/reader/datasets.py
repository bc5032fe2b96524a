"""The rows of one delivered file of a table, the same whichever format it was delivered in.

A row has the columns that hold a value. Values are those of Python: numbers, Decimal, str, bytes, date, time,
timedelta, datetime (aware where the column has a zone), list, and dict for structs and maps (by text keys in the text
formats' spelling where a key is nested). What a format can't hold is listed in docs/formats.md; beside that, Python has
no nanoseconds (they are cut off), and no days and durations as far off as Parquet has (they are left out).
"""

import base64
import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
from pyarrow import parquet

from ctexport_dagster.core.datasets.formats.texts import in_calendar
from ctexport_dagster.core.datasets.type_names import type_named
from ctexport_dagster.core.manifest import Manifest
from ctexport_dagster.core.nested_values import instance
from ctexport_dagster.reader.rows import csv_cells, seekable

DatasetRow = dict[str, object]

_BATCH_ROWS = 4096
_DURATION = re.compile(r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d+))?S)?)?")


def read_dataset(manifest: Manifest, path: Path) -> Iterator[DatasetRow]:
    """The rows of one file of a manifest, in the file's order; it holds a block of the file at a time.

    Raises:
        ValueError, OSError, EOFError, SyntaxError: the file isn't what the manifest says, or can't be read.
    """
    types = {column.name: type_named(column.type) for column in manifest.columns}
    for raw in _reader(manifest)(types, path):
        values = ((name, _decoded(_known(types, name), value)) for name, value in raw.items())
        yield {name: value for name, value in values if value is not None}


_Types = Mapping[str, pl.DataType]
_Reader = Callable[[_Types, Path], Iterator[Mapping[str, object]]]


def _reader(manifest: Manifest) -> _Reader:
    readers: Mapping[object, _Reader] = {
        "csv": _csv_rows,
        "json": _json_rows,
        "xml": _xml_rows,
        "parquet": _parquet_rows,
    }
    kind = manifest.format.get("type")
    if kind not in readers:
        raise ValueError(f"a format {kind!r} that this reader doesn't know")
    return readers[kind]


def _known(types: _Types, name: str) -> pl.DataType:
    try:
        return types[name]
    except KeyError:
        raise ValueError(f"a column {name!r} that the manifest doesn't name") from None


def _csv_rows(types: _Types, path: Path) -> Iterator[Mapping[str, object]]:
    return (dict(cells) for cells in csv_cells(path, types))


def _json_rows(_: _Types, path: Path) -> Iterator[Mapping[str, object]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        for line in file:
            row = _from_json(line)
            if not isinstance(row, dict):
                raise ValueError("a line that is no JSON object")
            yield row


def _xml_rows(_: _Types, path: Path) -> Iterator[Mapping[str, object]]:
    with gzip.open(path, "rb") as file:
        events = ElementTree.iterparse(file, events=("start", "end"))  # noqa: S314 (checked by the manifest's checksum)
        root = next(events)[1]
        for event, element in events:
            if event == "end" and element.tag == "Row":
                yield {entry.findtext("key") or "": entry.findtext("value") or "" for entry in element}
                root.clear()


def _parquet_rows(_: _Types, path: Path) -> Iterator[Mapping[str, object]]:
    with seekable(path) as file, parquet.ParquetFile(file) as opened:
        for batch in opened.iter_batches(_BATCH_ROWS, use_threads=False):
            frame = pl.DataFrame(batch)
            frame.columns = batch.schema.names  # a column that is called "" has got another name
            columns = [in_calendar(pl.nth(place), dtype) for place, dtype in enumerate(frame.dtypes)]
            yield from frame.select(columns).iter_rows(named=True)


def _decoded(dtype: pl.DataType, raw: object) -> object:
    """A value as Python has it; None where there is none, or, in JSON, a float that isn't finite."""
    if raw is None:
        return None
    match dtype:
        case pl.List() | pl.Struct() | pl.Map():
            return _nested(dtype, _from_json(raw) if isinstance(raw, str) else raw)
        case pl.Float16() | pl.Float32():
            return pl.Series([float(str(raw))], dtype=dtype)[0]
        case pl.Boolean():
            return raw if isinstance(raw, bool) else _one_of(_TRUTHS, str(raw))
        case pl.Binary():
            return raw if isinstance(raw, bytes) else base64.b64decode(str(raw), validate=True)
        case pl.Datetime():
            instant = raw if isinstance(raw, datetime) else datetime.fromisoformat(str(raw))
            return instant.astimezone(UTC) if dtype.time_zone else instant
        case _ if type(dtype) in _SCALARS:
            wanted, parse = _SCALARS[type(dtype)]
            return raw if isinstance(raw, wanted) else parse(str(raw))
        case _ if dtype.is_integer():
            return int(str(raw))
        case _:
            raise ValueError(f"a value of the type {dtype}, which has none")


def _nested(dtype: pl.DataType, raw: object) -> object:
    match dtype, raw:
        case pl.List(), list():
            return [_decoded(instance(dtype.inner), item) for item in raw]
        case pl.Struct(), dict():
            return {field.name: _decoded(instance(field.dtype), raw.get(field.name)) for field in dtype.fields}
        case pl.Map(), dict():
            key, value = instance(dtype.key), instance(dtype.value)
            return {_decoded(key, name): _decoded(value, item) for name, item in raw.items()}
        case _:
            raise ValueError("a value that isn't nested as its column's type says")


def _duration(text: str) -> timedelta | None:
    parts = _DURATION.fullmatch(text)
    if not parts:
        raise ValueError("a text that is no duration")
    sign, days, hours, minutes, seconds, fraction = (part or "0" for part in parts.groups())
    try:
        whole = timedelta(days=int(days), hours=int(hours), minutes=int(minutes), seconds=int(seconds))
    except OverflowError:
        return None
    length = whole + timedelta(microseconds=int(fraction[:6].ljust(6, "0")))
    return -length if sign == "-" else length


def _one_of(values: Mapping[str, object], text: str) -> object:
    if text not in values:
        raise ValueError("a truth value that is neither true nor false")
    return values[text]


def _from_json(text: str) -> object:
    return json.loads(text, parse_float=Decimal)


_TRUTHS: Mapping[str, object] = {"true": True, "false": False}
_SCALARS: Mapping[type[pl.DataType], tuple[type, Callable[[str], object]]] = {
    pl.Float64: (float, float),
    pl.Decimal: (Decimal, Decimal),
    pl.String: (str, str),
    pl.Date: (date, date.fromisoformat),
    pl.Time: (time, time.fromisoformat),
    pl.Duration: (timedelta, _duration),
}
"""Type → how Python has it already, and how its text is read."""
