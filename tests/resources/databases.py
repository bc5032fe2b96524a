"""Databases of tests: statements run in one, sources opened on it."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.source import RawBatch
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.resources.sql.declaration import SqlSource
from ctexport_dagster.resources.sql.source import Database

DAYS = ("2026-11-18", "2026-11-19", "2026-11-20")


def window(day: str) -> Interval:
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return Interval(start, start + timedelta(days=1))


def execute(url: str, *statements: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def opened(url: str, **declared: object) -> Database:
    content: Mapping[str, object] = {"name": "crm", "url": {"env": "URL"}, "start": date(2026, 11, 18), **declared}
    return SqlSource.model_validate(content).open(Surroundings(Path(), {"URL": url}))


def rows_of(batches: list[RawBatch]) -> list[dict[str, object]]:
    return [row for batch in batches for row in batch.frame.to_dicts()]
