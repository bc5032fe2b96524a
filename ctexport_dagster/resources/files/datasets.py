"""Tables in files: which files, or which of their rows, belong to a partition.

path with {{Partition}}     the partition's own files
holds: all                  all files as they are now
cursor                      the rows of all files whose cursor lies beyond the partition before
else                        the files that weren't there at the partition before (arrival.py)
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, assert_never
from zoneinfo import ZoneInfo

import polars as pl
from pydantic import field_validator, model_validator

from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.datasets.source import DatasetInput, RawRows, Span
from ctexport_dagster.core.errors import SourceMissing, SourceUnreadable
from ctexport_dagster.core.schema import ValueType
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.resources.files.arrival import Seen, arrivals, arrivals_again
from ctexport_dagster.resources.files.cursor_rows import CursorRows
from ctexport_dagster.resources.files.found import Found, FoundFile, Place
from ctexport_dagster.resources.files.kept_rows import kept
from ctexport_dagster.resources.files.line_numbers import Lines
from ctexport_dagster.resources.files.ndjson_types import typed_ndjson_batches
from ctexport_dagster.resources.files.parquet_types import typed_parquet_batches
from ctexport_dagster.resources.files.templates import (
    FileFormat,
    checked_dataset_template,
    format_of,
    names_the_partition,
)
from ctexport_dagster.resources.files.text_columns import text_batches

_READING = 3
"""Raise it when the same files come to be read differently: it stands in the fingerprint."""
_ROW_BYTES = 200
_CSV_NAME = re.compile(r"\.csv(\.gz|\.gzip)?$", re.IGNORECASE)


def _typing(cursor: str) -> str:
    return f"{cursor!r} under `types:`, as integer, timestamp or date, or string if it sorts letter by letter"


class FilesDataset(DeclaredDataset):
    """A table in files."""

    path: str
    """Relative to the home, or a bucket's URL; with {{Partition}} each partition has files of its own."""
    format: Literal["auto", FileFormat] = "auto"
    """`auto`: by the file's extension, `.gz` aside."""

    @field_validator("path")
    @classmethod
    def _knows_its_variables(cls, path: str) -> str:
        return checked_dataset_template(path)

    @model_validator(mode="after")
    def _says_once_what_is_new(self) -> Self:
        if self.cursor is not None and names_the_partition(self.path):
            raise ValueError("`cursor` and {{Partition}} both say which rows are new: leave one of them out")
        if self.cursor is not None and self.holds == "all":
            raise ValueError(
                "write `cursor:` or `holds: all`: one of them says which rows a partition has;"
                " the column that tells a row's age is `timestamp:`"
            )
        return self

    @model_validator(mode="after")
    def _knows_its_order(self) -> Self:
        is_csv = self.format == "csv" or (self.format == "auto" and _CSV_NAME.search(self.path) is not None)
        if is_csv and self.cursor_without_type is not None:
            raise ValueError(f"CSV doesn't say how the cursor sorts: write {_typing(self.cursor_without_type)}")
        return self

    @property
    def cursor_without_type(self) -> str | None:
        """The cursor, if nothing says which type it has in files without types of their own (CSV)."""
        is_typed = self.cursor is not None and self.types.get(self.cursor, ValueType.UNKNOWN) != ValueType.UNKNOWN
        return None if is_typed else self.cursor

    @property
    def is_chained(self) -> bool:
        return self.holds == "added" and not names_the_partition(self.path)


@dataclass(frozen=True)
class FileTable:
    """One declared dataset of a source of files."""

    source: SourceDeclaration
    name: str
    declared: FilesDataset
    place: Place

    def input(self, span: Span) -> DatasetInput:
        """One partition.

        Raises:
            SourceMissing: no file matches the path, and none ever did; or one of a partition read before is gone.
            SourceUnreadable: a file can't be read or its format told; or its new rows can't be told from older ones.
        """
        attempted = f"Looking for the dataset {self.name} of {self.source.name} for {span.partition}"
        found = self.place.find(self.declared.path, span.partition)
        if not found.files and not (self.declared.is_chained and (span.since or span.upto)):
            raise self._missing(found, attempted)
        if not self.declared.is_chained:
            return self._of(found.files, [(file.name, file.content()) for file in found.files], None)
        if self.declared.cursor is not None:
            return self._by_cursor(found.files, span, attempted)
        before = [*span.earlier(), span.since] if span.since is not None else []
        since = Seen.remembered(before, attempted)
        if span.upto:
            come = arrivals_again(found.files, since, Seen.remembered([span.upto], attempted), attempted)
        else:
            come = arrivals(found.files, since, attempted)
        return self._of(come.files, come.contents, come.seen.written())

    def _of(self, files: Sequence[FoundFile], contents: Sequence[tuple[str, str]], upto: str | None) -> DatasetInput:
        """All rows of some files."""
        reading = self._reading(files)
        return DatasetInput(
            fingerprint=self._fingerprint(contents),
            places=tuple(file.name for file in files),
            batches=reading.batches,
            row_estimate=sum(file.row_estimate(kind, _ROW_BYTES) for file, kind in reading.files),
            upto=upto,
        )

    def _by_cursor(self, files: Sequence[FoundFile], span: Span, attempted: str) -> DatasetInput:
        """The span's rows, read now."""
        reading, untyped = self._reading(files), self.declared.cursor_without_type
        csv = next((file.name for file, kind in reading.files if kind == "csv"), None)
        if csv is not None and untyped is not None:
            raise SourceUnreadable(
                attempted, f"{csv} is CSV, and nothing says how {untyped!r} sorts", f"Write {_typing(untyped)}."
            )
        rows = CursorRows(self.declared, span, ZoneInfo(self.source.timezone), attempted)
        found = kept(reading.picked(rows))
        return DatasetInput(
            fingerprint=self._fingerprint(found.fingerprint),
            places=tuple(file.name for file in files),
            batches=found.batches,
            row_estimate=found.row_count,
            upto=rows.upto.model_dump_json(),
        )

    def _reading(self, files: Sequence[FoundFile]) -> "_Reading":
        declared = self.declared.format
        kinds: list[FileFormat] = [
            format_of(file.name, self.source.name) if declared == "auto" else declared for file in files
        ]
        return _Reading(list(zip(files, kinds, strict=True)))

    def _fingerprint(self, contents: Sequence[tuple[str, str]] | str) -> str:
        shape = self.declared.model_dump(mode="json", include={"format", "types", "holds", "cursor"})
        told = [_READING, contents, shape, self.source.timezone]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def _missing(self, found: Found, attempted: str) -> SourceMissing:
        step = f"Put its files there, or mend `path` of the dataset {self.name} in the source's declaration."
        return SourceMissing(attempted, f"no file matches {found.pattern}", step)


@dataclass(frozen=True)
class _Reading:
    """Some files with their formats."""

    files: list[tuple[FoundFile, FileFormat]]

    def batches(self) -> Iterator[RawRows]:
        for file, kind in self.files:
            with file.here() as path:
                yield from _batches(path, file.name, kind)

    def picked(self, rows: CursorRows) -> Iterator[RawRows]:
        """The rows of a span, in the shape that they have by themselves, whatever else stands in the files."""
        for file, kind in self.files:
            with file.here() as path:
                batches = rows.picked(_batches(path, file.name, kind))
                found = _by_themselves(path, file.name, batches) if kind == "ndjson" else batches
                yield from map(rows.settled, found)


def _batches(path: Path, name: str, kind: FileFormat) -> Iterator[RawRows]:
    match kind:
        case "parquet":
            return typed_parquet_batches(path, name)
        case "csv":
            return text_batches(path, name)
        case "ndjson":
            return typed_ndjson_batches(path, name)
        case _:
            assert_never(kind)


def _by_themselves(path: Path, name: str, batches: Iterator[RawRows]) -> Iterator[RawRows]:
    """Rows of an NDJSON file read once more, without those that weren't picked: these would shape them, too."""
    lines = Lines()
    for batch in batches:
        if batch.numbers is not None:
            lines.add(batch.numbers)
        if batch.unreadable.height:
            yield RawRows(pl.DataFrame(), batch.unreadable, name)
    yield from typed_ndjson_batches(path, name, lines=lines)
