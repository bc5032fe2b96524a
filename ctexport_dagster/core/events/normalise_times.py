"""When an event happened, out of what sources write: the original's yyyymmddHHMMSS, epochs, ISO 8601, timestamps."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import polars as pl

from ctexport_dagster.core.normalise.times import from_text, in_utc
from ctexport_dagster.core.schema import TIMESTAMP

_STAMP = r"^\d{14}$"
_MILLIS = r"^-?\d{13}$"
_STRAY_ZERO = r"\.0+$"
_FIRST, _LAST = datetime(1000, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
"""The first instant that can be one of an event, and the first that can't: between them a day has four digits of its
year in every zone. Python and readers of files have none before year 1 or after 9999."""
_PER_SECOND = {"ms": 1_000, "us": 1_000_000}
"""The units of datetimes that reach beyond these; nanoseconds end in 2262."""


def event_instants(given: pl.Series, zone: ZoneInfo) -> pl.Series:
    """Datetime(us, UTC), from 1000-01-02 to 9999-12-29; null where it is none of these.

    14 digits: a wall clock of `zone` as yyyymmddHHMMSS (one that a clock change skips moves forward, of two the
    first counts); 13 digits: epoch milliseconds; fewer, or with a fraction: epoch seconds; else what
    `normalise.times.from_text` reads. Numbers count by their digits.
    """
    instants = _instants(given, zone)
    return _kept(instants, instants.is_between(_FIRST, _LAST, closed="left"))


def _instants(given: pl.Series, zone: ZoneInfo) -> pl.Series:
    if isinstance(given.dtype, pl.Datetime):
        return in_utc(_kept(given, _is_near(given, given.dtype)), zone)
    if given.dtype == pl.Date:
        return _instants(given.cast(pl.Datetime("ms")), zone)
    if not (given.dtype == pl.String or given.dtype.is_integer() or given.dtype.is_float()):
        return pl.Series(given.name, [None] * len(given), dtype=TIMESTAMP)
    texts = _spelt(given)
    is_stamp = texts.str.contains(_STAMP).fill_null(value=False)
    if is_stamp.all():
        return _stamps(texts, zone)
    is_millis = texts.str.contains(_MILLIS).fill_null(value=False)
    millis = (_only(texts, is_millis).cast(pl.Int64) * 1_000).cast(TIMESTAMP)
    others = from_text(_only(texts, ~is_stamp & ~is_millis), zone)
    return _stamps(_only(texts, is_stamp), zone).fill_null(millis).fill_null(others)


def _is_near(given: pl.Series, dtype: pl.Datetime) -> pl.Series:
    """Which times can be told in microseconds: others would wrap around when they are converted."""
    per_second = _PER_SECOND.get(dtype.time_unit)
    if per_second is None:
        return given.is_not_null()
    return given.to_physical().is_between(
        int(_FIRST.timestamp() - 86_400) * per_second, int(_LAST.timestamp() + 86_400) * per_second
    )


def _kept(times: pl.Series, where: pl.Series) -> pl.Series:
    return times.zip_with(where.fill_null(value=False), pl.Series([None], dtype=times.dtype))


def _spelt(given: pl.Series) -> pl.Series:
    if given.dtype.is_float():
        return given.cast(pl.Decimal(38, 6), strict=False).cast(pl.String).str.replace(_STRAY_ZERO, "")
    return given.cast(pl.String).str.strip_chars()


def _stamps(texts: pl.Series, zone: ZoneInfo) -> pl.Series:
    return in_utc(texts.str.to_datetime("%Y%m%d%H%M%S", time_unit="us", strict=False), zone)


def _only(texts: pl.Series, where: pl.Series) -> pl.Series:
    return texts.zip_with(where, pl.Series([None], dtype=pl.String))
