"""Delta tables as an opened source: profiles, events and datasets."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from ctexport_dagster.core.datasets.source import DatasetInput, Span
from ctexport_dagster.core.errors import ConfigurationError, SourceError, SourceMissing, SourceUnreadable
from ctexport_dagster.core.events.source import EventInput
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.source import ProfileInput, RawBatch
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.delta.changes import INSERTED, INSERTED_OR_UPDATED, changed_files
from ctexport_dagster.resources.delta.declaration import DeltaDataset, DeltaSource, EventRows, TableRows, table_url
from ctexport_dagster.resources.delta.log import BEFORE_ALL, DeltaLog
from ctexport_dagster.resources.delta.place import Place
from ctexport_dagster.resources.delta.predicate import Predicate
from ctexport_dagster.resources.delta.selection import CursorRows, Selection, cursor_rows, read_otherwise
from ctexport_dagster.resources.delta.store_options import store_options
from ctexport_dagster.resources.delta.table import DataFile, TableVersion
from ctexport_dagster.resources.files.event_model import event_batches
from ctexport_dagster.resources.model_columns import first_twice, model_names, renamed
from ctexport_dagster.resources.storage import is_url

_READING = 2
"""Raise it when the same rows come to be read differently: it stands in the fingerprint."""
_SHAPE = ("columns", "types", "timezone", "mode")


class VersionBound(BaseModel):
    """Where a partition by version ends, as it is remembered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    """The table's id: another table at the same place has another."""
    version: int


@dataclass(frozen=True)
class DeltaTables:
    """The tables of one declaration; its repr shows no secret."""

    declaration: DeltaSource
    surroundings: Surroundings

    def profiles(self, partition: str, window: Interval) -> ProfileInput:
        """The table as it stood at the window's end, or of a changes source the rows that came within the window.

        The first partition of a changes source has everything so far. A row that was deleted is given once more,
        with `deleted`.

        Raises:
            SourceMissing: there is no such table yet, or its log or its files no longer reach back that far.
            SourceUnreadable: it can't be read, or what changed can't be told.
        """
        declared = self.declaration.profiles
        selection = self._selection("profiles", declared, partition, window)
        columns = self.declaration.columns
        names = model_names(selection.table.schema.names(), columns)
        _refuse_columns(names, selection.table, needs_id=True)
        id_column = columns.get("clevertapId", "clevertapId")
        return ProfileInput(
            fingerprint=self._fingerprint(selection, declared),
            places=(_told(selection),),
            batches=lambda: _profile_batches(selection, columns, id_column),
            row_estimate=selection.row_estimate,
            present=names,
        )

    def events(self, partition: str, window: Interval) -> EventInput:
        """The events that were added within the window; those of the first partition are all so far.

        Raises:
            SourceMissing, SourceUnreadable: as `profiles`.
        """
        declared = self.declaration.events
        selection = self._selection("events", declared, partition, window)
        return EventInput(
            fingerprint=self._fingerprint(selection, declared),
            places=(_told(selection),),
            batches=lambda: event_batches(selection.batches(), self.declaration, None),
            row_estimate=selection.row_estimate,
        )

    def dataset(self, name: str, span: Span) -> DatasetInput:
        """One partition of a dataset: the rows that came since the one before, or the whole table.

        Raises:
            SourceMissing, SourceUnreadable: as `profiles`; also a table that was created anew since.
        """
        attempted = f"Reading {name} of {self.declaration.name} for {span.partition}"
        declared = self.declaration.dataset(name, attempted)
        place = self._place(declared.table, attempted, "another dataset" if declared.is_chained else None)
        selection, upto = self._dataset_rows(declared, place, span)
        return DatasetInput(
            fingerprint=self._fingerprint(selection, declared),
            places=(_told(selection),),
            batches=selection.batches,
            row_estimate=selection.row_estimate,
            upto=upto,
        )

    def check(self) -> tuple[str, ...]:
        """What stands in the way of reading the tables now, in sentences."""
        problems: list[str] = []
        for table in self.declaration.tables:
            try:
                place = self._place(table, f"Opening {table}")
                TableVersion.of(place, DeltaLog(place).newest)
            except ConfigurationError as problem:
                problems += [str(mistake) for mistake in problem.mistakes]
            except SourceError as problem:
                problems.append(str(problem))
        return tuple(dict.fromkeys(problems))

    def _selection(self, content: str, declared: TableRows | None, partition: str, window: Interval) -> Selection:
        attempted = f"Reading the {content} of {self.declaration.name} for {partition}"
        if declared is None:
            raise SourceMissing(attempted, "its declaration names no table of them", f"Add `{content}:` to it.")
        place = self._place(declared.table, attempted, "another source" if content == "profiles" else None)
        predicate = _predicate(declared.where, partition, window, attempted)
        if declared.by == "predicate":
            return _newest(place, predicate)
        if isinstance(declared, EventRows) and declared.cursor is not None:
            return self._arrived(place, declared.cursor, partition, window, predicate)
        log = DeltaLog(place)
        at = log.as_of(window.end)
        is_first = window == self.declaration.cadence.first
        if (content == "profiles" and self.declaration.mode == "snapshot") or is_first:
            return _as_of(log, at, predicate)
        change_types = INSERTED if content == "events" else INSERTED_OR_UPDATED
        return _since(log, log.as_of(window.start), at, predicate, change_types, with_deletions=content == "profiles")

    def _arrived(
        self, place: Place, column: str, partition: str, window: Interval, predicate: Predicate | None
    ) -> Selection:
        """The events of a window by a column of instants or days; of the first one, all until its end."""
        before = self.declaration.cadence.before(window)
        span = Span(partition, window, None)
        table = TableVersion.of(place, DeltaLog(place).newest)
        rows = cursor_rows(table, column, span, self._zone)
        kind = rows.span.upto.kind
        if kind not in ("instant", "day"):
            what = f"{column} holds a {kind}: which events arrived when can't be told by it"
            raise SourceUnreadable(place.attempted, what, "Name a column of instants or days, or read by version.")
        if before is not None:
            since = cursor_rows(table, column, replace(span, window=before), self._zone).span.upto
            rows = replace(rows, span=replace(rows.span, since=since))
        return _by_cursor(table, rows, predicate)

    def _dataset_rows(self, declared: DeltaDataset, place: Place, span: Span) -> tuple[Selection, str | None]:
        predicate = _predicate(declared.where, span.partition, span.window, place.attempted)
        if declared.by == "predicate":
            return _newest(place, predicate), None
        log = DeltaLog(place)
        if declared.cursor is not None:
            table = TableVersion.of(place, log.newest)
            rows = cursor_rows(table, declared.cursor, span, self._zone)
            return _by_cursor(table, rows, predicate), rows.span.upto.model_dump_json()
        if declared.holds == "all":
            return _as_of(log, log.as_of(span.window.end), predicate), None
        since, known = _version_bound(span.since, place), _version_bound(span.upto, place)
        at = known.version if known else log.as_of(span.window.end)
        if since is None:
            selection = _as_of(log, at, predicate)
        else:
            selection = _since(log, since.version, at, predicate, INSERTED_OR_UPDATED, with_deletions=False)
        if any(bound is not None and bound.table != selection.table.id for bound in (since, known)):
            what = f"the table {place.name} was created anew since the partition before"
            raise SourceUnreadable(
                place.attempted, what, "Declare it as another dataset, which begins with everything."
            )
        return selection, VersionBound(table=selection.table.id, version=selection.table.version).model_dump_json()

    def _place(self, table: str, attempted: str, begins_anew_as: str | None = None) -> Place:
        options = {}
        if is_url(table):
            options = store_options(table_url(table), self.declaration.storage, self.surroundings)
        return Place(table, self.surroundings.home, attempted, options, begins_anew_as)

    def _fingerprint(self, selection: Selection, declared: TableRows | None) -> str:
        shape = self.declaration.model_dump(mode="json", include={*_SHAPE})
        where = declared.where if declared is not None else None
        types = declared.types if isinstance(declared, DeltaDataset) else {}
        return selection.fingerprint({"reading": _READING, **shape, "where": where, "own_types": types})

    @property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.declaration.timezone)


def _predicate(where: str | None, partition: str, window: Interval, attempted: str) -> Predicate | None:
    return None if where is None else Predicate(where, partition, window, attempted)


def _version_bound(upto: str | None, place: Place) -> VersionBound | None:
    try:
        return None if upto is None else VersionBound.model_validate_json(upto)
    except ValidationError:
        raise read_otherwise(place.attempted) from None


def _as_of(log: DeltaLog, version: int, predicate: Predicate | None) -> Selection:
    """The whole table as it stood at a version."""
    if version == BEFORE_ALL:
        what = f"the table {log.place.name} has no version before the window's end"
        raise SourceMissing(log.place.attempted, what, "Let `start:` of the source be the day of its first commit.")
    log.check_readable(version)
    table = TableVersion.of(log.place, version)
    return Selection(table, _may_hold(table, table.files(), predicate), ("as of", version), predicate)


def _since(
    log: DeltaLog,
    after: int,
    upto: int,
    predicate: Predicate | None,
    change_types: Sequence[str],
    *,
    with_deletions: bool,
) -> Selection:
    """What came after a version, up to another."""
    if upto == BEFORE_ALL:
        return _as_of(log, upto, predicate)
    upto = max(after, upto)
    log.check_readable(upto)
    table = TableVersion.of(log.place, upto)
    files = changed_files(log, table, after, change_types, with_deletions=with_deletions)
    return Selection(table, _may_hold(table, files, predicate), ("after", after, upto), predicate)


def _newest(place: Place, predicate: Predicate | None) -> Selection:
    """The rows for which a predicate holds now; known by the files that may have any."""
    table = TableVersion.of(place, DeltaLog(place).newest)
    files = _may_hold(table, table.files(), predicate)
    return Selection(table, files, ("files", *(file.fingerprint for file in files)), predicate)


def _by_cursor(table: TableVersion, rows: CursorRows, predicate: Predicate | None) -> Selection:
    files = _may_hold(table, table.files(rows.column), predicate)
    dtype = table.schema[rows.column]
    near = [file for file in files if rows.may_be_in(file, dtype)]
    bounds = [bound.model_dump_json() for bound in (rows.span.since, rows.span.upto) if bound is not None]
    known_by = ("cursor", rows.column, *bounds, *(file.fingerprint for file in near))
    return Selection(table, near, known_by, predicate, rows)


def _may_hold(table: TableVersion, files: Sequence[DataFile], predicate: Predicate | None) -> list[DataFile]:
    if predicate is None:
        return list(files)
    return [file for file in files if predicate.may_hold(file.values, table.schema)]


def _profile_batches(selection: Selection, columns: Mapping[str, str], id_column: str) -> Iterator[RawBatch]:
    for batch, file in selection.batches_with_files(id_column):
        named = renamed(batch, columns)
        if file is not None and file.is_deletion:
            gone = pl.Series("deleted", [True], dtype=pl.Boolean).new_from_index(0, named.frame.height)
            named = replace(named, frame=named.frame.with_columns(gone))
        yield named


def _refuse_columns(names: Sequence[str], table: TableVersion, *, needs_id: bool) -> None:
    twice = first_twice(names)
    if twice is not None:
        what = f"two columns of {table.place.name} would both become {twice!r} by `columns:`"
        raise SourceUnreadable(table.place.attempted, what, "Mend `columns:`.")
    if needs_id and "clevertapId" not in names:
        what = f"the table {table.place.name} has no column for the clevertapId"
        raise SourceUnreadable(table.place.attempted, what, "Name the right one under `columns:`.")


def _told(selection: Selection) -> str:
    return f"{selection.table.place.name} at version {selection.table.version}"
