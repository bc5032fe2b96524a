"""The events of one delivered file, as the file itself nests and spells them, read as a stream.

    json      the object of each line, as JSON has it
    csv       header → text; an empty field is left out
    xml       element → text, or a dict of its own elements; entries by their keys
    parquet   column → value, maps as dicts; of unions, the one member that isn't null

Nothing is brought to one shape: an event's maps are open, and each format writes them as its readers expect them.
"""

import csv
import gzip
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast
from xml.etree import ElementTree

from pyarrow import parquet

from ctexport_dagster.core.manifest import Manifest

Event = dict[str, object]

_BATCH_ROWS = 4096
_GZIP = b"\x1f\x8b"


def read_events(manifest: Manifest, path: Path) -> Iterator[Event]:
    """The events of one file of a manifest, in the file's order.

    Raises:
        ValueError, OSError, EOFError, SyntaxError: the file isn't what the manifest says, or can't be read.
    """
    match manifest.format.get("type"):
        case "json":
            return _json_events(path, has_header=bool(manifest.format.get("header_line")))
        case "csv":
            return _csv_events(path)
        case "xml":
            return _xml_events(path)
        case "parquet":
            return _parquet_events(path)
        case kind:
            raise ValueError(f"a format {kind!r} that this reader doesn't know")


@contextmanager
def _plain(path: Path) -> Iterator[IO[bytes]]:
    """The file's content, whether it is compressed or not."""
    with path.open("rb") as file:
        is_gzip = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        yield cast("IO[bytes]", gzip.GzipFile(fileobj=file)) if is_gzip else file


def _json_events(path: Path, *, has_header: bool) -> Iterator[Event]:
    with _plain(path) as file:
        if has_header:
            file.readline()
        for line in file:
            event = json.loads(line)
            if not isinstance(event, dict):
                raise ValueError("a line that is no object")
            yield event


def _csv_events(path: Path) -> Iterator[Event]:
    with _plain(path) as file:
        lines = (line.decode() for line in file)
        for row in csv.DictReader(lines):
            yield {header: text for header, text in row.items() if text}


def _xml_events(path: Path) -> Iterator[Event]:
    with _plain(path) as file:
        parsing = ElementTree.iterparse(file, ("start", "end"))  # noqa: S314 (our own files)
        _, root = next(parsing)
        for happened, element in parsing:
            if happened == "end" and element.tag == "Event":
                yield {part.tag: _element(part) for part in element}
                root.clear()


def _element(element: ElementTree.Element) -> object:
    if not len(element):
        return element.text or ""
    return dict(_entry(part) for part in element)


def _entry(part: ElementTree.Element) -> tuple[str, object]:
    if part.tag == "entry":
        return part.findtext("key") or "", part.findtext("value") or ""
    return part.tag, _element(part)


def _parquet_events(path: Path) -> Iterator[Event]:
    with _plain(path) as file:
        for batch in parquet.ParquetFile(file).iter_batches(_BATCH_ROWS):
            for row in batch.to_pylist(maps_as_pydicts="strict"):
                yield {name: _value(value) for name, value in row.items() if value is not None}


def _value(value: object) -> object:
    """A map as a dict, a union as its one member."""
    if isinstance(value, Mapping):
        if value and all(str(name).startswith("member") for name in value):
            return _value(next((member for member in value.values() if member is not None), None))
        return {name: _value(item) for name, item in value.items()}
    return [_value(item) for item in value] if isinstance(value, list) else value
