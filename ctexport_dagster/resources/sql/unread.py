"""Values that a driver can't read: texts of SQLite that aren't UTF-8, infinite times of PostgreSQL or beyond 1 to 9999.

By themselves they would end the whole answer, whatever row they stand in. So they come as values of their own types:
of profiles as bytes or text, which the model refuses where they don't fit; else their rows are told as unreadable.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import polars as pl
from sqlalchemy import Connection

from ctexport_dagster.core.normalise.json_text import item_text
from ctexport_dagster.core.normalise.refusals import Refusals
from ctexport_dagster.core.quarantine import Reason
from ctexport_dagster.core.source import RawBatch
from ctexport_dagster.resources.sql.columns import raw_batch

if TYPE_CHECKING:
    from psycopg.abc import AdaptContext, Buffer, Loader

Rows: TypeAlias = Sequence[Sequence[object]]
Batching: TypeAlias = Callable[[Sequence[str], Rows, int, str], RawBatch]
"""Makes a batch of some rows: their columns' names, the rows, the number of the first (from 1), where they stand."""
_TIMES = ("date", "time", "timetz", "timestamp", "timestamptz")


class UnreadText(bytes):
    """A text that isn't UTF-8."""

    reason = Reason.INVALID_TEXT


class UnreadTime(str):
    """An instant, a day or a time that Python has none for, as the database writes it."""

    __slots__ = ()
    reason = Reason.UNREADABLE


def read_on(connection: Connection) -> None:
    """Makes a driver give such values, rather than end the answer."""
    driven = connection.connection.driver_connection
    match (connection.dialect.name, connection.dialect.driver):
        case ("sqlite", "pysqlite"):
            driven.text_factory = _text  # pyright: ignore[reportOptionalMemberAccess]
        case ("postgresql", "psycopg"):
            adapters = driven.adapters  # pyright: ignore[reportOptionalMemberAccess]
            for name in _TIMES:
                adapters.register_loader(name, _lenient(name))
        case _:
            pass


def telling(batching: Batching) -> Batching:
    """The same batches without the rows that have such a value: those are told as unreadable."""

    def batch(names: Sequence[str], rows: Rows, first_row: int, origin: str) -> RawBatch:
        places = _suspects(rows)
        odd = [number for number, row in enumerate(rows) if any(_unread(row[place]) for place in places)]
        if not odd:
            return batching(names, rows, first_row, origin)
        whole = batching(names, [[_readable(value) for value in row] for row in rows], first_row, origin)
        told = _told(names, [rows[number] for number in odd], places, origin, [first_row + number for number in odd])
        assert whole.numbers is not None
        gone = whole.numbers.is_in([first_row + number for number in odd])
        return replace(
            whole,
            frame=whole.frame.filter(~gone),
            numbers=whole.numbers.filter(~gone),
            unreadable=pl.concat([whole.unreadable, told]),
        )

    return batch


def _suspects(rows: Rows) -> list[int]:
    """The places of columns that may hold such values."""
    kinds = (set(map(type, column)) for column in zip(*rows, strict=True))
    return [place for place, types in enumerate(kinds) if types & {UnreadText, UnreadTime, list}]


def _unread(value: object) -> UnreadText | UnreadTime | None:
    """The value where it is such a one, or the first in a list."""
    if isinstance(value, list):
        return next((found for item in value if (found := _unread(item)) is not None), None)
    return value if isinstance(value, UnreadText | UnreadTime) else None


def _readable(value: object) -> object:
    return None if _unread(value) is not None else value


def _told(names: Sequence[str], rows: Rows, places: Sequence[int], origin: str, numbers: Sequence[int]) -> pl.DataFrame:
    """Such rows as a quarantine frame; each for its first value of the kind."""
    spelt = [[_spelt(value) if place in places else value for place, value in enumerate(row)] for row in rows]
    shown = replace(raw_batch(names, spelt, 1, origin), numbers=pl.Series(numbers, dtype=pl.UInt64))
    refusals = Refusals(shown)
    for place in places:
        found = [_unread(row[place]) for row in rows]
        for reason in (UnreadText.reason, UnreadTime.reason):
            of_it = [one is not None and one.reason is reason for one in found]
            refusals.add(names[place], reason, pl.Series(of_it, dtype=pl.Boolean))
    return refusals.quarantined(pl.Series([None] * len(rows), dtype=pl.String))


def _spelt(value: object) -> str | None:
    match value:
        case None:
            return None
        case bytes():
            return value.decode(errors="backslashreplace")
        case list():
            return item_text([_spelt(item) for item in value])
        case _:
            return str(value)


def _text(given: bytes) -> str | UnreadText:
    try:
        return given.decode()
    except UnicodeDecodeError:
        return UnreadText(given)


def _lenient(name: str) -> "type[Loader]":
    """The driver's own loader of a type, but for what that can't read."""
    import psycopg
    from psycopg.adapt import Loader
    from psycopg.pq import Format

    own = psycopg.adapters.get_loader(psycopg.adapters.types[name].oid, Format.TEXT)
    assert own is not None

    class LenientLoader(Loader):
        def __init__(self, oid: int, context: "AdaptContext | None" = None) -> None:
            super().__init__(oid, context)
            self._load = own(oid, context).load

        def load(self, data: "Buffer") -> object:
            try:
                return self._load(data)
            except psycopg.DataError:
                return UnreadTime(bytes(data).decode())

    return LenientLoader
