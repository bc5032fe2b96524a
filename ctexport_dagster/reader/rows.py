"""The rows of one delivered file, in all four formats and both styles, read as a stream."""

import gzip
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.csv as arrow_csv
from pyarrow import parquet

from ctexport_dagster.core.manifest import Manifest, ManifestColumn
from ctexport_dagster.reader.values import Raw, Row, decoded, from_json_text, is_list, split_brackets

_CSV_BLOCK_BYTES = 8_000_000
_PARQUET_BATCH_ROWS = 4096

RawRow = Iterator[tuple[ManifestColumn, Raw]]


def read_rows(manifest: Manifest, path: Path) -> Iterator[Row]:
    """The rows of one file of a manifest, in the file's order; it holds a block of the file at a time.

    Raises:
        ValueError, OSError, EOFError: the file isn't what the manifest says, or can't be read.
    """
    for raw_row in _reader(manifest)(_Columns(manifest), path):
        yield {column.name: decoded(column, raw) for column, raw in raw_row}


class _Columns:
    """A manifest's columns by header, and how its style writes lists."""

    def __init__(self, manifest: Manifest) -> None:
        self.by_header = {column.name: column for column in manifest.columns}
        self.device = next((column for column in manifest.columns if column.source == "device"), None)
        self.identity = next((column for column in manifest.columns if column.source == "identity"), None)
        self.is_typed = manifest.format.get("style") == "typed"

    def named(self, header: str) -> ManifestColumn:
        try:
            return self.by_header[header]
        except KeyError:
            raise ValueError(f"a column {header!r} that the manifest doesn't name") from None

    def entry(self, section: str, key: str) -> ManifestColumn:
        """The column of an entry in XML, or in Parquet's maps."""
        if section == "device" and self.device:
            return self.device
        return self.named(key)

    def listed(self, text: str) -> Raw:
        """A list that is written as text: JSON in the style `typed`, else in plain brackets."""
        return from_json_text(text) if self.is_typed else split_brackets(text)


_Reader = Callable[[_Columns, Path], Iterator[RawRow]]


def _reader(manifest: Manifest) -> _Reader:
    kind = manifest.format.get("type")
    readers: Mapping[object, _Reader] = {"csv": _csv_rows, "json": _json_rows, "xml": _xml_rows}
    if kind in readers:
        return readers[kind]
    if kind != "parquet":
        raise ValueError(f"a format {kind!r} that this reader doesn't know")
    return _typed_parquet_rows if manifest.format.get("style") == "typed" else _parquet_rows


def _csv_rows(columns: _Columns, path: Path) -> Iterator[RawRow]:
    for cells in csv_cells(path, columns.by_header):
        yield ((column := columns.named(header), _csv_value(columns, column, cell)) for header, cell in cells)


def csv_cells(path: Path, headers: Iterable[str]) -> Iterator[Iterator[tuple[str, str]]]:
    """The header and text of each cell, row by row. An empty field is no value, `""` is an empty text."""
    with gzip.open(path, "rb") as file:
        batches = arrow_csv.open_csv(
            pa.PythonFile(file, mode="r"),
            read_options=arrow_csv.ReadOptions(block_size=_CSV_BLOCK_BYTES, use_threads=False),
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(headers, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        for batch in batches:
            names = batch.schema.names
            for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                yield ((name, cell) for name, cell in zip(names, cells, strict=True) if cell is not None)


def _csv_value(columns: _Columns, column: ManifestColumn, text: str) -> Raw:
    if column.source == "device":
        return _token(from_json_text(text))
    if column.source == "clevertapIds":
        return columns.listed(text)
    return from_json_text(text) if is_list(column) or column.source == "subscriptionGroups" else text


def _json_rows(columns: _Columns, path: Path) -> Iterator[RawRow]:
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        for line in file:
            yield ((column, _json_value(column, value)) for column, value in _json_cells(columns, line))


def _json_cells(columns: _Columns, line: str) -> RawRow:
    document = json.loads(line)
    if not isinstance(document, dict):
        raise ValueError("a line that is no JSON object")
    return ((columns.named(header), value) for header, value in document.items())


def _json_value(column: ManifestColumn, value: Raw) -> Raw:
    if column.source == "device":
        return _token(value)
    if column.source == "clevertapIds" and isinstance(value, str):
        return split_brackets(value)
    return value


def _xml_rows(columns: _Columns, path: Path) -> Iterator[RawRow]:
    with gzip.open(path, "rb") as file:
        events = ElementTree.iterparse(file, events=("start", "end"))  # noqa: S314 (checked by the manifest's checksum)
        _, root = next(events)
        for event, element in events:
            if event == "end" and element.tag == "Profile":
                yield iter([*_xml_cells(columns, element)])
                root.clear()


def _xml_cells(columns: _Columns, profile: ElementTree.Element) -> RawRow:
    for section in profile:
        if section.tag == "identity":
            if columns.identity:
                yield columns.identity, _xml_value(columns, columns.identity, section.text or "")
            continue
        for entry in section:
            column = columns.entry(section.tag, entry.findtext("key") or "")
            yield column, _xml_value(columns, column, entry.findtext("value") or "")


def _xml_value(columns: _Columns, column: ManifestColumn, text: str) -> Raw:
    if column.source == "subscriptionGroups":
        return from_json_text(text)
    return columns.listed(text) if is_list(column) else text


def _parquet_rows(columns: _Columns, path: Path) -> Iterator[RawRow]:
    """Style `clevertap`: `identity`, and maps whose values are unions of one non-null member."""
    for row in _parquet_dicts(path):
        yield iter([*_union_cells(columns, row)])


def _union_cells(columns: _Columns, row: Mapping[str, Raw]) -> RawRow:
    for section, value in row.items():
        if section != "identity":
            for key, members in _pairs(value):
                column = columns.entry(section, key)
                yield column, _union_value(column, _member(members))
        elif columns.identity and value is not None:
            yield columns.identity, from_json_text(str(value)) if is_list(columns.identity) else value


def _union_value(column: ManifestColumn, value: Raw) -> Raw:
    if column.source == "all_identities" and isinstance(value, str):
        return split_brackets(value)
    if column.source == "subscriptionGroups":
        return {group: _member(members) for group, members in _pairs(value)}
    return from_json_text(value) if is_list(column) and isinstance(value, str) else value


def _pairs(value: Raw) -> list[tuple[str, Raw]]:
    """A Parquet map, which arrives as a list of pairs."""
    return list(value) if isinstance(value, list) else []


def _member(members: Raw) -> Raw:
    if not isinstance(members, dict):
        raise ValueError("a value that is no union of members")
    held = [value for value in members.values() if value is not None]
    if len(held) != 1:
        raise ValueError(f"a union of which {len(held)} members have a value")
    return held[0]


def _typed_parquet_rows(columns: _Columns, path: Path) -> Iterator[RawRow]:
    for row in _parquet_dicts(path):
        named = ((columns.named(header), value) for header, value in row.items() if value is not None)
        yield ((column, _token(value) if column.source == "device" else value) for column, value in named)


def _parquet_dicts(path: Path) -> Iterator[Mapping[str, Raw]]:
    with seekable(path) as file, parquet.ParquetFile(file) as opened:
        for batch in opened.iter_batches(_PARQUET_BATCH_ROWS, use_threads=False):
            yield from batch.to_pylist()


@contextmanager
def seekable(path: Path) -> Iterator[IO[bytes]]:
    """The Parquet file, unwrapped on the disk where it was wrapped in gzip: its end must be read first."""
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            file.seek(0)
            yield file
            return
        file.seek(0)
        with tempfile.TemporaryFile() as plain, gzip.open(file) as wrapped:
            shutil.copyfileobj(wrapped, plain)
            plain.seek(0)
            yield plain


def _token(value: Raw) -> Raw:
    if not isinstance(value, dict) or "token" not in value:
        raise ValueError("device data without a token")
    return value["token"]
