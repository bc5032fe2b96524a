"""A database as an opened source: one connection, one query and one transaction for each partition."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

import polars as pl
from sqlalchemy import TextClause, text

from ctexport_dagster.core.datasets.source import DatasetInput, Span
from ctexport_dagster.core.errors import ConfigurationError, SourceMissing, SourceUnreadable
from ctexport_dagster.core.events.source import EventInput
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.source import ProfileInput, RawBatch
from ctexport_dagster.resources.files.event_model import event_batches
from ctexport_dagster.resources.model_columns import first_twice, model_names, renamed
from ctexport_dagster.resources.sql.connection import Access, quoted
from ctexport_dagster.resources.sql.cursors import CursorQuery
from ctexport_dagster.resources.sql.declaration import SqlDataset, SqlSource
from ctexport_dagster.resources.sql.extract import Extract, extracted

_READING = 1
"""Raise it when the same rows come to be read differently: it stands in the fingerprint."""
_SHAPE = {"columns", "types", "timezone", "mode"}


@dataclass(frozen=True)
class Database:
    """The database of one declaration; its repr shows no secret."""

    declaration: SqlSource
    environment: Mapping[str, str] = field(repr=False)

    def profiles(self, partition: str, window: Interval) -> ProfileInput:
        """The answer to the query for one partition, read now and in order of the clevertapId.

        Raises:
            SourceUnreadable: the database can't be reached, refuses the query, or gives no column for the clevertapId.
            SourceMissing: no query of profiles is declared.
        """
        declared = self.declaration
        attempted = f"Querying the profiles of {declared.name} for {partition}"
        query = _declared(declared.profiles, "profiles", attempted)
        id_column = declared.columns.get("clevertapId", "clevertapId")
        with self._access.connected(attempted) as connection:
            order = quoted(connection, id_column)
            ordered = text(f"SELECT * FROM (\n{query}\n) AS given ORDER BY {order}")  # noqa: S608 (declared)
            bound = _bound(ordered, partition, window)
            extract = extracted(connection, bound, declared.fetch_rows, "the query", attempted)
        if id_column not in extract.names:  # SQLite orders by a text of that name without a word
            what = f"the query gives no column {id_column!r} for the clevertapId"
            raise SourceUnreadable(attempted, what, "Select it, or name the right one under `columns:`.")
        columns = dict(declared.columns)
        names = model_names(extract.names, columns)
        _refuse_clashes(names, attempted)
        return ProfileInput(
            fingerprint=self._fingerprint(extract),
            places=(f"the query of {declared.name}",),
            batches=lambda: (renamed(batch, columns) for batch in extract.batches()),
            row_estimate=extract.row_count,
            present=names,
        )

    def events(self, partition: str, window: Interval) -> EventInput:
        """The answer to the query of events for one partition, read now.

        Raises:
            SourceUnreadable: as `profiles`.
            SourceMissing: no query of events is declared.
        """
        declared = self.declaration
        attempted = f"Querying the events of {declared.name} for {partition}"
        query = text(_declared(declared.events, "events", attempted))
        with self._access.connected(attempted, exactly=True) as connection:
            bound = _bound(query, partition, window)
            extract = extracted(
                connection, bound, declared.fetch_rows, "the query of events", attempted, tells_unread=True
            )
        return EventInput(
            fingerprint=self._fingerprint(extract),
            places=(f"the query of events of {declared.name}",),
            batches=lambda: event_batches(map(_in_one_type, extract.batches()), declared, None),
            row_estimate=extract.row_count,
        )

    def dataset(self, name: str, span: Span) -> DatasetInput:
        """One partition of a dataset: the answer to its query, or the rows of it that came since the one before.

        Raises:
            SourceUnreadable: as `profiles`; or the cursor can't tell what is new.
            SourceMissing: no such dataset is declared.
        """
        attempted = f"Querying {name} of {self.declaration.name} for {span.partition}"
        declared = self.declaration.dataset(name, attempted)
        extract, upto = self._dataset_rows(declared, name, span, attempted)
        return DatasetInput(
            fingerprint=self._fingerprint(extract, json.dumps([span.since, upto])),
            places=(f"the query of {name}",),
            batches=extract.batches,
            row_estimate=extract.row_count,
            upto=upto,
        )

    def check(self) -> tuple[str, ...]:
        """Why nothing could be read now, in sentences; none where the database answers."""
        try:
            with self._access.connected("Connecting") as connection:
                connection.execute(text("SELECT 1"))
        except (SourceUnreadable, ConfigurationError) as problem:
            return (str(problem),)
        return ()

    def _dataset_rows(self, declared: SqlDataset, name: str, span: Span, attempted: str) -> tuple[Extract, str | None]:
        fetch_rows, origin = self.declaration.fetch_rows, f"the query of {name}"
        with self._access.connected(attempted, exactly=True) as connection:
            if declared.cursor is None:
                query = _bound(text(declared.query), span.partition, span.window)
                return extracted(connection, query, fetch_rows, origin, attempted, typed=True, tells_unread=True), None
            zone = ZoneInfo(self.declaration.timezone)
            given = _given(span.partition, span.window)
            asked = CursorQuery(declared.query, declared.cursor, given, zone, attempted)
            bounds, is_naive = asked.captured(connection, span)
            query = asked.rows(connection, bounds, is_naive=is_naive)
            extract = extracted(connection, query, fetch_rows, origin, attempted, typed=True, tells_unread=True)
        return extract, bounds.upto.model_dump_json()

    @property
    def _access(self) -> Access:
        return Access(self.declaration.name, self.declaration.url, self.environment)

    def _fingerprint(self, extract: Extract, *further: str) -> str:
        shape = self.declaration.model_dump(mode="json", include=_SHAPE)
        told = [_READING, extract.fingerprint, shape, *further]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _declared(query: str | None, content: str, attempted: str) -> str:
    if query is None:
        raise SourceMissing(attempted, "its declaration has no query of them", f"Add `{content}:` to it.")
    return query


def _given(partition: str, window: Interval) -> dict[str, str | datetime]:
    return {"start": window.start, "end": window.end, "partition": partition}


def _bound(query: TextClause, partition: str, window: Interval) -> TextClause:
    given = _given(partition, window)
    return query.bindparams(**{name: given[name] for name in query.compile().params})


def _in_one_type(batch: RawBatch) -> RawBatch:
    """A batch of events: a column with values of several types (SQLite) becomes text, each value spelt out."""
    texts = [_spelt_out(batch.frame, name, further) for name, further in batch.variants.items()]
    further = [name for names in batch.variants.values() for name in names]
    return replace(batch, frame=batch.frame.with_columns(texts).drop(further), variants={})


def _spelt_out(frame: pl.DataFrame, name: str, further: tuple[str, ...]) -> pl.Series:
    texts = pl.DataFrame({str(place): frame[column].cast(pl.String) for place, column in enumerate((name, *further))})
    return texts.select(pl.coalesce(pl.all()).alias(name)).to_series()


def _refuse_clashes(names: tuple[str, ...], attempted: str) -> None:
    """Two columns that get one name by `columns:` would lose one of them."""
    twice = first_twice(names)
    if twice:
        what = f"two columns of the query are called {twice}"
        raise SourceUnreadable(attempted, what, "Give one of them another name with AS, or mend `columns:`.")
