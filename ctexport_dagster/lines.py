"""The line of an export by its kind."""

from ctexport_dagster.core.datasets.export import DatasetExport
from ctexport_dagster.core.events.export import EventExport
from ctexport_dagster.core.export import DeclaredExport
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.dataset_line import DatasetLine
from ctexport_dagster.event_line import EventLine
from ctexport_dagster.line import Line
from ctexport_dagster.state import StateFolders


def open_line(
    export: DeclaredExport, source: SourceDeclaration, folders: StateFolders, *, is_final: bool = False
) -> Line:
    """The export's line: an `EventLine` for events, a `DatasetLine` for datasets, a plain one for profiles."""
    if isinstance(export, DatasetExport):
        return DatasetLine(export, source, folders, is_final)
    if isinstance(export, EventExport):
        return EventLine(export, source, folders, is_final)
    return Line(export, source, folders, is_final)
