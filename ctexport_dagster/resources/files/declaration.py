"""The files source: profiles, events and tables in Parquet, NDJSON or CSV files."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self, assert_never

from pydantic import Field, field_validator, model_validator

from ctexport_dagster.core.datasets.source import DatasetInput, Span
from ctexport_dagster.core.errors import SourceMissing, SourceUnreadable
from ctexport_dagster.core.events.source import EventInput, RawEvents
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.source import ProfileInput, RawBatch
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.declared_source import DeclaredSource, alone
from ctexport_dagster.resources.files.buckets import Bucket
from ctexport_dagster.resources.files.bytes import unreadable
from ctexport_dagster.resources.files.csv import csv_batches
from ctexport_dagster.resources.files.datasets import FilesDataset, FileTable
from ctexport_dagster.resources.files.events import READING, read_events
from ctexport_dagster.resources.files.events import ROW_BYTES as EVENT_BYTES
from ctexport_dagster.resources.files.found import Disk, FoundFile, Place
from ctexport_dagster.resources.files.ndjson import ndjson_batches
from ctexport_dagster.resources.files.parquet import parquet_batches
from ctexport_dagster.resources.files.templates import (
    FileFormat,
    checked_template,
    event_name_of,
    folder_of,
    format_of,
)
from ctexport_dagster.resources.storage import Storage, bucket_url, is_url

_READING = 3
"""Raise it when the same files come to be read differently: it stands in the fingerprint."""
_ROW_BYTES = 300


class FilesSource(DeclaredSource[str, str, FilesDataset]):
    """Declares files of profiles, events or tables, on a disk that this machine can read."""

    what_places_are: ClassVar[str] = "the path of the files, as in data/{{Partition}}.parquet"

    type: Literal["files"] = "files"
    profiles: str | None = None
    """A path, relative to the home, with `{{Partition}}`; `*`, `?`, `[…]` and `**` match several files."""
    events: str | None = None
    """As `profiles`; where the path has `{{Event-name}}`, it names the events that don't tell theirs."""
    datasets: dict[str, Annotated[FilesDataset, alone("path", FilesDataset)]] = Field(default_factory=dict)
    """Name: the path of a table's files, or a mapping with more. Without `{{Partition}}` rows are new by arrival."""
    format: Literal["auto", FileFormat] = "auto"
    """Of profiles and events. `auto`: by the file's extension, `.gz` aside."""

    storage: Storage = Storage()
    """Of files in a bucket: how it is reached. Credentials that are left out are looked for on this machine."""

    @field_validator("profiles")
    @classmethod
    def _names_the_partition(cls, template: str | None) -> str | None:
        return None if template is None else checked_template(template, may_name_events=False)

    @field_validator("events")
    @classmethod
    def _names_the_partition_of_events(cls, template: str | None) -> str | None:
        return None if template is None else checked_template(template, may_name_events=True)

    @model_validator(mode="after")
    def _storage_suffices(self) -> Self:
        self.storage.refuse_unless_enough_for(map(bucket_url, filter(is_url, self.templates)))
        return self

    @property
    def templates(self) -> tuple[str, ...]:
        """The paths of everything that it declares."""
        tables = (declared.path for declared in self.datasets.values())
        return tuple(template for template in (self.profiles, self.events, *tables) if template is not None)

    def open(self, surroundings: Surroundings) -> "Files":
        """The source; nothing is read yet."""
        return Files(self, surroundings.home, surroundings.environment)

    def check(self, home_root: Path) -> tuple[str, ...]:
        """What stands in the way of reading it, in sentences: the folders before the first variable must exist."""
        tables = {f"datasets.{name}.path": declared.path for name, declared in self.datasets.items()}
        paths = {"profiles": self.profiles, "events": self.events, **tables}
        local = {field: template for field, template in paths.items() if template and not is_url(template)}
        folders = {field: folder_of(template, home_root) for field, template in local.items()}
        return tuple(
            f"{field}: {folder} is no folder that can be read; make it, or mend the path"
            for field, folder in folders.items()
            if not folder.is_dir()
        )


@dataclass(frozen=True)
class Files:
    """Files of profiles, events and tables, as a `Source`, an `EventSource` and a `DatasetSource`."""

    declaration: FilesSource
    home_root: Path
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)

    def profiles(self, partition: str, window: Interval) -> ProfileInput:
        """The files of one partition, in the order of their names.

        An empty file is a partition without rows. Formats are told before anything is read.

        Raises:
            SourceMissing: no file matches the path.
            SourceUnreadable: a file's format can't be told, or the files can't be reached.
        """
        files = self._formats_of(self._matching(self.declaration.profiles, partition, "profiles"))
        return ProfileInput(
            fingerprint=self._fingerprint(files),
            places=tuple(file.name for file, _ in files),
            batches=lambda: self._batches(files),
            row_estimate=sum(file.row_estimate(kind, _ROW_BYTES) for file, kind in files),
        )

    def events(self, partition: str, window: Interval) -> EventInput:
        """The files of one partition's events, in the order of their names.

        Raises:
            SourceMissing: no file matches the path.
            SourceUnreadable: a file's format can't be told, or the files can't be reached.
        """
        template = self.declaration.events
        files = self._formats_of(self._matching(template, partition, "events"))
        return EventInput(
            fingerprint=self._fingerprint(files, [READING, template]),
            places=tuple(file.name for file, _ in files),
            batches=lambda: self._event_batches(files, partition),
            row_estimate=sum(file.row_estimate(kind, EVENT_BYTES) for file, kind in files),
        )

    def dataset(self, name: str, span: Span) -> DatasetInput:
        """One partition of a declared table (datasets.py).

        Raises:
            SourceMissing: there is no such dataset; or no file of it.
            SourceUnreadable: its files can't be read, or their new rows can't be told from older ones.
        """
        attempted = f"Looking for the dataset {name} of {self.declaration.name} for {span.partition}"
        declared = self.declaration.dataset(name, attempted)
        return FileTable(self.declaration, name, declared, self._place(declared.path)).input(span)

    def column_names(self, partition: str) -> tuple[str, ...]:
        """The columns of a partition's first rows, under the names that they have in the files.

        Raises:
            SourceMissing, SourceUnreadable: as `profiles`.
        """
        first = self._matching(self.declaration.profiles, partition, "profiles")[0]
        for batch in self._read(first, self._format_of(first)):
            further = {name for variants in batch.variants.values() for name in variants}
            return tuple(name for name in batch.frame.columns if name not in further)
        return ()

    def check(self) -> tuple[str, ...]:
        """Why its buckets can't be listed now, in sentences.

        Raises:
            ConfigurationError: the extra isn't installed, or the variable of a secret isn't set.
        """
        buckets = (self._place(template) for template in filter(is_url, self.declaration.templates))
        problems = (place.check() for place in buckets if isinstance(place, Bucket))
        return tuple(dict.fromkeys(problem for problem in problems if problem))

    def _matching(
        self, template: str | None, partition: str, content: Literal["profiles", "events"]
    ) -> Sequence[FoundFile]:
        attempted = f"Looking for the {content} of {self.declaration.name} for {partition}"
        if template is None:
            raise SourceMissing(attempted, "its declaration names no files of them", f"Add `{content}:` to it.")
        found = self._place(template).find(template, partition)
        if not found.files:
            raise SourceMissing(
                attempted,
                f"no file matches {found.pattern}",
                f"Put the partition's file there, or mend `{content}:` in the source's declaration.",
            )
        return found.files

    def _place(self, template: str) -> Place:
        if not is_url(template):
            return Disk(self.home_root)
        surroundings = Surroundings(self.home_root, self.environment)
        return Bucket.of(template, self.declaration.storage, surroundings, self.declaration.name)

    def _formats_of(self, files: Sequence[FoundFile]) -> list[tuple[FoundFile, FileFormat]]:
        return [(file, self._format_of(file)) for file in files]

    def _format_of(self, file: FoundFile) -> FileFormat:
        declared = self.declaration.format
        return format_of(file.name, self.declaration.name) if declared == "auto" else declared

    def _fingerprint(
        self, files: Sequence[tuple[FoundFile, FileFormat]], reading: int | list[int | str | None] = _READING
    ) -> str:
        contents = [[file.name, file.content()] for file, _ in files]
        shape = self.declaration.model_dump(mode="json", include={"format", "columns", "types", "timezone", "mode"})
        return hashlib.sha256(json.dumps([reading, contents, shape], sort_keys=True).encode()).hexdigest()

    def _batches(self, files: Sequence[tuple[FoundFile, FileFormat]]) -> Iterator[RawBatch]:
        for file, kind in files:
            for batch in self._read(file, kind):
                yield _in_the_model(batch, self.declaration, file.name, needs_id=kind != "ndjson")

    def _event_batches(self, files: Sequence[tuple[FoundFile, FileFormat]], partition: str) -> Iterator[RawEvents]:
        for file, kind in files:
            event_name = event_name_of(self.declaration.events or "", partition, file.name)
            with file.here() as path:
                yield from read_events(path, file.name, kind, self.declaration, event_name)

    def _read(self, file: FoundFile, kind: FileFormat) -> Iterator[RawBatch]:
        with file.here() as path:
            match kind:
                case "parquet":
                    yield from parquet_batches(path, file.name)
                case "ndjson":
                    names = self.declaration.columns
                    objects = {names.get(name, name) for name in ("device", "subscriptionGroups")}
                    id_key = names.get("clevertapId", "clevertapId")
                    yield from ndjson_batches(path, file.name, objects, id_key=id_key)
                case "csv":
                    yield from csv_batches(path, file.name)
                case _:
                    assert_never(kind)


def _in_the_model(batch: RawBatch, declared: FilesSource, file: str, *, needs_id: bool) -> RawBatch:
    """The batch with its columns named as in the model, as `columns:` says."""
    columns = declared.columns
    names = {given: model for model, given in columns.items()}
    further = {name for variants in batch.variants.values() for name in variants}
    renamed = {name: names.get(name, name) for name in batch.frame.columns if name not in further}
    taken: dict[str, str] = {}
    for given, model in renamed.items():
        if model in taken:
            why = f"its columns {taken[model]!r} and {given!r} would both become {model!r} by `columns:`"
            raise unreadable(file, why)
        taken[model] = given
    if needs_id and "clevertapId" not in taken:
        raise _without_id(file, declared, renamed)
    variants = {renamed[name]: further for name, further in batch.variants.items()}
    return RawBatch(batch.frame.rename(renamed), batch.unreadable, batch.origin, batch.numbers, variants)


def _without_id(file: str, declared: FilesSource, given: Iterable[str]) -> SourceUnreadable:
    """Names a column of the file only where it is close: the first line of a file without a header holds values."""
    wanted = declared.columns.get("clevertapId", "clevertapId")
    close = get_close_matches(wanted, list(given), n=1)
    named = close[0] if close else "its column"
    return SourceUnreadable(
        f"Reading {file}",
        f"it has no column {wanted!r} for the clevertapId" + (f"; did you mean {named!r}?" if close else ""),
        f"Write `clevertapId: {named}` under `columns:` of resources/{declared.name}.yaml.",
    )
