"""What differs by the kind of an export where the stages of all kinds are the same: names, columns, empty files."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import polars as pl

from ctexport_dagster.core.chunking import empty_file, empty_file_of
from ctexport_dagster.core.columns import ColumnPlan, fingerprint, manifest_columns, plan_from_staged
from ctexport_dagster.core.datasets.chunking import empty_dataset_file
from ctexport_dagster.core.datasets.columns import dataset_columns, dataset_fingerprint
from ctexport_dagster.core.datasets.export import DatasetExport
from ctexport_dagster.core.datasets.naming import dataset_naming
from ctexport_dagster.core.datasets.schema_text import schema_from_text
from ctexport_dagster.core.datasets.staged import ChosenRows
from ctexport_dagster.core.events.export import EventExport
from ctexport_dagster.core.events.formats import EventFormats
from ctexport_dagster.core.events.model import RESOLVED_EVENT_COLUMNS
from ctexport_dagster.core.events.naming import event_naming, event_paths
from ctexport_dagster.core.export import DeclaredExport
from ctexport_dagster.core.manifest import ManifestColumn
from ctexport_dagster.core.naming import Naming
from ctexport_dagster.core.run_names import FileOfEvent
from ctexport_dagster.core.staging import ResolvedRows, StagedChunk

_UTC = ZoneInfo("UTC")


def naming_of(export: DeclaredExport) -> Naming:
    """The naming that an export declares.

    Raises:
        NamingMistake: a template can't be used.
    """
    if isinstance(export, DatasetExport):
        return dataset_naming(export)
    return event_naming(export) if isinstance(export, EventExport) else Naming.of(export)


def files_of_events(chunks: Iterable[StagedChunk]) -> Mapping[str, FileOfEvent]:
    """What each chunk of events holds, by its file; nothing for chunks of other kinds."""
    held = [chunk for chunk in chunks if chunk.event is not None and chunk.day is not None]
    paths = event_paths(chunk.event for chunk in held if chunk.event is not None).paths
    return {chunk.file: FileOfEvent(paths[chunk.event], chunk.day) for chunk in held if chunk.event and chunk.day}


@dataclass(frozen=True)
class Shape:
    """What a reader of the files has to know, and a whole file without rows in their format."""

    columns: tuple[ManifestColumn, ...]
    fingerprint: str
    empty_file: bytes


def has_adobe_keys(export: DeclaredExport) -> bool:
    """Whether manifests have the keys of Adobe's too."""
    return isinstance(export, DatasetExport) and export.is_adobe


def shape_of(export: DeclaredExport, staged: ResolvedRows) -> Shape:
    """The shape of the files that were made of staged rows."""
    if isinstance(export, DatasetExport) and isinstance(staged, ChosenRows):
        schema = schema_from_text(staged.schema_text)
        return Shape(
            dataset_columns(schema), dataset_fingerprint(export.format, schema), empty_table_file(export, schema)
        )
    plan = plan_from_staged(staged.columns)
    return Shape(columns_of(export, plan), schema_fingerprint(export, plan), empty_file_for(export, plan))


def empty_table_file(export: DatasetExport, schema: pl.Schema) -> bytes:
    """A whole file without rows of a table."""
    return empty_dataset_file(export.format, schema)


def empty_file_for(export: DeclaredExport, plan: ColumnPlan) -> bytes:
    """A whole file without rows in the export's format: what keys that are no longer used are overwritten with."""
    if not isinstance(export, EventExport):
        return empty_file(export.format, plan)
    declared = export.format.model_copy(update={"header_line": False, "style": "clevertap"})
    return empty_file_of(EventFormats(declared, plan, _UTC, {}, {}).of(""), declared)


def columns_of(export: DeclaredExport, plan: ColumnPlan) -> tuple[ManifestColumn, ...]:
    """The columns as a manifest tells them: of events the person's, then the event's own, maps as JSON."""
    columns = manifest_columns(plan)
    if not isinstance(export, EventExport):
        return columns
    known = {column.name for column in columns}
    own = (name for name in RESOLVED_EVENT_COLUMNS if name not in known)
    return (*columns, *(ManifestColumn(name=name, type=_EVENT_TYPES.get(name, "json"), source=name) for name in own))


def schema_fingerprint(export: DeclaredExport, plan: ColumnPlan) -> str:
    """A hash of what a reader of the files has to know; it differs whenever a table built on them would have to."""
    if not isinstance(export, EventExport):
        return fingerprint(plan, export.format)
    columns = [(column.name, column.type) for column in columns_of(export, plan)]
    declared = export.format
    document = ["events", declared.type, declared.style, declared.as_string, declared.header_line, columns]
    return hashlib.sha256(json.dumps(document).encode()).hexdigest()[:16]


_EVENT_TYPES = {
    "eventName": "string",
    "day": "date",
    "ts": "timestamp",
    "clevertapId": "string",
    "controlGroupName": "string",
}
