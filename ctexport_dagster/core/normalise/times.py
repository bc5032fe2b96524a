"""Instants out of what sources write: naive wall clocks, RFC 3339 text, epoch seconds. All become Datetime(us, UTC)."""

from datetime import UTC
from zoneinfo import ZoneInfo

import polars as pl

from ctexport_dagster.core.schema import TIMESTAMP

_AWARE = "%Y-%m-%dT%H:%M:%S%.f%:z"
_NAIVE = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d")
_EPOCH_LIMIT = 10**11
"""Seconds from here on lie beyond the year 5138: milliseconds, or digits such as 20260101000000, are refused."""


def in_utc(times: pl.Series, zone: ZoneInfo) -> pl.Series:
    """Datetimes of any unit as UTC microseconds; naive ones are read as wall clocks of `zone`, cut to microseconds.

    A wall clock that a clock change skips moves forward, of two the first counts: `interval.instant_of`'s rule.
    """
    micros = times.dt.cast_time_unit("us")
    if isinstance(times.dtype, pl.Datetime) and times.dtype.time_zone:
        return micros.dt.convert_time_zone("UTC")
    aware = micros.dt.replace_time_zone(zone.key, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
    skipped = micros.filter(micros.is_not_null() & aware.is_null()).unique()
    if not len(skipped):
        return aware
    moved = pl.Series([clock.replace(tzinfo=zone).astimezone(UTC) for clock in skipped], dtype=TIMESTAMP)
    return aware.fill_null(micros.replace_strict(skipped, moved, default=None, return_dtype=TIMESTAMP))


def from_text(texts: pl.Series, zone: ZoneInfo) -> pl.Series:
    """RFC 3339 (a space may stand for the T), naive date and time, a bare day, or digits: epoch seconds.

    Null where a text is none of these.
    """
    clean = texts.str.strip_chars().str.replace(r"^(\d{4}-\d\d-\d\d)[ t]", "${1}T").str.replace(r"[zZ]$", "+00:00")
    instants = clean.str.to_datetime(_AWARE, time_unit="us", time_zone="UTC", strict=False)
    for layout in _NAIVE:
        if instants.null_count() == texts.null_count():
            return instants
        instants = instants.fill_null(in_utc(_naive(clean, layout), zone))
    digits = clean.str.extract(r"^(-?\d{1,12}(?:\.\d+)?)$").cast(pl.Float64, strict=False)
    return instants.fill_null(from_epoch(digits))


def from_epoch(seconds: pl.Series) -> pl.Series:
    """Epoch seconds, whole or with a fraction; null where the number can't be seconds."""
    inside = seconds.is_between(-_EPOCH_LIMIT, _EPOCH_LIMIT, closed="none").fill_null(value=False)
    real = seconds.zip_with(inside, pl.Series([None], dtype=seconds.dtype))
    micros = (real.cast(pl.Float64) * 1e6).round(0) if real.dtype.is_float() else real.cast(pl.Int64) * 10**6
    return micros.cast(pl.Int64).cast(TIMESTAMP)


def _naive(texts: pl.Series, layout: str) -> pl.Series:
    if layout == "%Y-%m-%d":
        return texts.str.to_date(layout, strict=False).cast(pl.Datetime("us"))
    return texts.str.to_datetime(layout, time_unit="us", strict=False)
