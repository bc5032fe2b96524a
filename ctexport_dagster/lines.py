"""The line of an export by its kind."""

from collections.abc import Iterable
from datetime import timedelta

from ctexport_dagster.core.datasets.export import DatasetExport
from ctexport_dagster.core.events.export import EventExport
from ctexport_dagster.core.export import DeclaredExport
from ctexport_dagster.core.source import SourceDeclaration
from ctexport_dagster.dataset_line import DatasetLine
from ctexport_dagster.event_line import EventLine
from ctexport_dagster.line import Line
from ctexport_dagster.state import StateFolders


def open_line(
    export: DeclaredExport,
    source: SourceDeclaration,
    folders: StateFolders,
    *,
    is_final: bool = False,
    beside: Iterable[DeclaredExport] = (),
) -> Line:
    """The export's line: an `EventLine` for events, a `DatasetLine` for datasets, a plain one for profiles.

    `beside`: the home's exports; the line is due no earlier than those of them that need the same rows.
    """
    hold = longest_hold(export, beside)
    if isinstance(export, DatasetExport):
        return DatasetLine(export, source, folders, is_final, hold)
    if isinstance(export, EventExport):
        return EventLine(export, source, folders, is_final, hold)
    return Line(export, source, folders, is_final, hold)


def longest_hold(export: DeclaredExport, beside: Iterable[DeclaredExport]) -> timedelta:
    """The longest that an export, or one that needs the same events or datasets of its source, waits for late rows.

    A partition of the source is taken in once, for all of them: by the first one that is due. Rows that came after
    that would be in no partition of any.
    """
    needed = _awaited(export)
    return max([export.hold, *(other.hold for other in beside if needed & _awaited(other))])


def _awaited(export: DeclaredExport) -> set[tuple[str, str]]:
    """The assets of sources of which an export waits for late rows; a late profile comes with the next partition."""
    if isinstance(export, DatasetExport):
        return {(export.source, dataset) for dataset in export.datasets}
    return {(export.source, export.kind)} if isinstance(export, EventExport) else set()
