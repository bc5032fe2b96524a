"""The files source: profiles and events in Parquet, NDJSON or CSV files, one set of files a partition of each."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, assert_never

from pydantic import field_validator, model_validator

from ctexport_dagster.core.errors import SourceMissing
from ctexport_dagster.core.events.source import EventInput, RawEvents
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.source import ProfileInput, RawBatch, SourceDeclaration
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.files.bytes import content_hash, unreadable
from ctexport_dagster.resources.files.csv import csv_batches
from ctexport_dagster.resources.files.events import READING, EventFile, read_events
from ctexport_dagster.resources.files.ndjson import ndjson_batches
from ctexport_dagster.resources.files.parquet import parquet_batches, parquet_row_count
from ctexport_dagster.resources.files.templates import (
    FileFormat,
    checked_template,
    event_name_of,
    files_of,
    folder_of,
    format_of,
    pattern_of,
)

_READING = 2
"""Raise it when the same files come to be read differently: it stands in the fingerprint."""
_ROW_BYTES = 300
_GZIP_RATIO = 6


class FilesSource(SourceDeclaration):
    """Declares files of profiles, of events or of both, on a disk that this machine can read."""

    type: Literal["files"] = "files"
    profiles: str | None = None
    """A path, relative to the home, with `{{Partition}}`; `*`, `?`, `[…]` and `**` match several files."""
    events: str | None = None
    """As `profiles`; where the path has `{{Event-name}}`, it names the events that don't tell theirs."""
    format: Literal["auto", FileFormat] = "auto"
    """`auto`: by the file's extension, `.gz` aside."""

    @field_validator("profiles")
    @classmethod
    def _names_the_partition(cls, template: str | None) -> str | None:
        return None if template is None else checked_template(template, may_name_events=False)

    @field_validator("events")
    @classmethod
    def _names_the_partition_of_events(cls, template: str | None) -> str | None:
        return None if template is None else checked_template(template, may_name_events=True)

    @model_validator(mode="after")
    def _has_files(self) -> Self:
        if self.profiles is None and self.events is None:
            raise ValueError("write `profiles:` or `events:`, the path of the files, as in data/{{Partition}}.parquet")
        return self

    @property
    def has_profiles(self) -> bool:
        return self.profiles is not None

    @property
    def has_events(self) -> bool:
        return self.events is not None

    def open(self, surroundings: Surroundings) -> "Files":
        """The source; nothing is read yet."""
        return Files(self, surroundings.home)

    def check(self, home_root: Path) -> tuple[str, ...]:
        """What stands in the way of reading it, in sentences: the folders before the first variable must exist."""
        templates = (template for template in (self.profiles, self.events) if template is not None)
        folders = dict.fromkeys(folder_of(template, home_root) for template in templates)
        return tuple(f"{folder} is no folder that can be read" for folder in folders if not folder.is_dir())


@dataclass(frozen=True)
class Files:
    """Files of profiles and events, as a `Source` and an `EventSource`."""

    declaration: FilesSource
    home_root: Path

    def profiles(self, partition: str, window: Interval) -> ProfileInput:
        """The files of one partition, in the order of their names.

        An empty file is a partition without rows. Formats are told before anything is read.

        Raises:
            SourceMissing: no file matches the path.
            SourceUnreadable: a file's format can't be told.
        """
        paths = self._paths(partition)
        formats: dict[Path, FileFormat] = {path: self._format_of(path) for path in paths}
        return ProfileInput(
            fingerprint=self._fingerprint(paths),
            places=tuple(self._name_of(path) for path in paths),
            batches=lambda: self._batches(formats),
            row_estimate=sum(_row_estimate(path, kind) for path, kind in formats.items()),
        )

    def events(self, partition: str, window: Interval) -> EventInput:
        """The files of one partition's events, in the order of their names.

        Raises:
            SourceMissing: no file matches the path.
            SourceUnreadable: a file's format can't be told.
        """
        template = self.declaration.events
        paths = self._matching(template, partition, "events")
        files = [self._event_file(path, partition) for path in paths]
        return EventInput(
            fingerprint=self._fingerprint(paths, [READING, template]),
            places=tuple(file.origin for file in files),
            batches=lambda: self._event_batches(files),
            row_estimate=sum(file.row_estimate for file in files),
        )

    def column_names(self, partition: str) -> tuple[str, ...]:
        """The columns of a partition's first rows, under the names that they have in the files.

        Raises:
            SourceMissing, SourceUnreadable: as `profiles`.
        """
        path = self._paths(partition)[0]
        for batch in self._read(path, self._format_of(path)):
            further = {name for variants in batch.variants.values() for name in variants}
            return tuple(name for name in batch.frame.columns if name not in further)
        return ()

    def _paths(self, partition: str) -> list[Path]:
        return self._matching(self.declaration.profiles, partition, "profiles")

    def _matching(self, template: str | None, partition: str, content: Literal["profiles", "events"]) -> list[Path]:
        attempted = f"Looking for the {content} of {self.declaration.name} for {partition}"
        if template is None:
            raise SourceMissing(attempted, "its declaration names no files of them", f"Add `{content}:` to it.")
        pattern = pattern_of(template, partition, self.home_root)
        files = files_of(pattern)
        if not files:
            raise SourceMissing(
                attempted,
                f"no file matches {pattern}",
                f"Put the partition's file there, or mend `{content}:` in the source's declaration.",
            )
        return files

    def _event_file(self, path: Path, partition: str) -> EventFile:
        name = event_name_of(self.declaration.events or "", partition, path)
        return EventFile(path, self._name_of(path), self._format_of(path), name)

    def _event_batches(self, files: list[EventFile]) -> Iterator[RawEvents]:
        for file in files:
            yield from read_events(file, self.declaration)

    def _format_of(self, path: Path) -> FileFormat:
        declared = self.declaration.format
        return format_of(path, self.declaration.name) if declared == "auto" else declared

    def _name_of(self, path: Path) -> str:
        return str(path.relative_to(self.home_root)) if path.is_relative_to(self.home_root) else str(path)

    def _fingerprint(self, paths: list[Path], reading: int | list[int | str | None] = _READING) -> str:
        contents = [[self._name_of(path), content_hash(path)] for path in paths]
        shape = self.declaration.model_dump(mode="json", include={"format", "columns", "types", "timezone", "mode"})
        return hashlib.sha256(json.dumps([reading, contents, shape], sort_keys=True).encode()).hexdigest()

    def _batches(self, formats: dict[Path, FileFormat]) -> Iterator[RawBatch]:
        for path, kind in formats.items():
            for batch in self._read(path, kind):
                yield _in_the_model(batch, self.declaration.columns, path, needs_id=kind != "ndjson")

    def _read(self, path: Path, kind: FileFormat) -> Iterator[RawBatch]:
        origin = self._name_of(path)
        match kind:
            case "parquet":
                return parquet_batches(path, origin)
            case "ndjson":
                names = self.declaration.columns
                objects = {names.get(name, name) for name in ("device", "subscriptionGroups")}
                id_key = names.get("clevertapId", "clevertapId")
                return ndjson_batches(path, origin, objects, id_key=id_key)
            case "csv":
                return csv_batches(path, origin)
            case _:
                assert_never(kind)


def _in_the_model(batch: RawBatch, columns: dict[str, str], path: Path, *, needs_id: bool) -> RawBatch:
    """The batch with its columns named as in the model: `columns` maps model names to the file's."""
    names = {given: model for model, given in columns.items()}
    further = {name for variants in batch.variants.values() for name in variants}
    renamed = {name: names.get(name, name) for name in batch.frame.columns if name not in further}
    taken: dict[str, str] = {}
    for given, model in renamed.items():
        if model in taken:
            why = f"its columns {taken[model]!r} and {given!r} would both become {model!r} by `columns:`"
            raise unreadable(path, why)
        taken[model] = given
    if needs_id and "clevertapId" not in taken:
        raise unreadable(path, f"it has no column {columns.get('clevertapId', 'clevertapId')!r} for the clevertapId")
    variants = {renamed[name]: further for name, further in batch.variants.items()}
    return RawBatch(batch.frame.rename(renamed), batch.unreadable, batch.origin, batch.numbers, variants)


def _row_estimate(path: Path, kind: FileFormat) -> int:
    if kind == "parquet":
        return parquet_row_count(path)
    ratio = _GZIP_RATIO if path.suffix in (".gz", ".gzip") else 1
    return path.stat().st_size * ratio // _ROW_BYTES
