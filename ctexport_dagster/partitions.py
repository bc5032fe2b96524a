"""Dagster's partitions for a cadence: the same windows that the core cuts, under keys that Dagster can parse back.

Daily keys, and all keys of UTC, are the core's own (`2026-11-01`, `2026-11-01T0600Z`); elsewhere Dagster writes the
local start with its offset (`2026-11-01T0100-0500`), which stays unique when clocks go back.
"""

from datetime import datetime, time
from functools import cache

import dagster as dg

from ctexport_dagster.core.interval import DAILY_HOURS, Cadence, Interval

DAILY = "%Y-%m-%d"


@cache
def partitions_of(cadence: Cadence) -> dg.TimeWindowPartitionsDefinition:
    """The partitions definition whose windows are the cadence's; the same one for all assets that have them."""
    hours = ",".join(str(hour) for hour in range(0, DAILY_HOURS, cadence.hours))
    zone = cadence.zone
    return dg.TimeWindowPartitionsDefinition(
        start=datetime.combine(cadence.start, time(0), tzinfo=zone),
        end=datetime.combine(cadence.end, time(0), tzinfo=zone) if cadence.end else None,
        fmt=_key_format(cadence),
        cron_schedule=f"0 {hours} * * *",
        timezone=zone.key,
    )


def window_of(context: dg.AssetExecutionContext) -> Interval:
    """The window of the run's one partition.

    Raises:
        dagster.Failure: the run covers several partitions at once, or none: nothing would be right for them all.
    """
    if not context.has_partition_key:
        raise dg.Failure(
            "This asset works on one partition at a time. Launch one run per partition: in Dagit, leave the backfill's"
            " default policy; on the command line, use `ctexport run EXPORT --from K --to K`.",
            allow_retries=False,
        )
    window = context.partition_time_window
    return Interval(window.start, window.end)


def dagster_key(cadence: Cadence, window: Interval) -> str:
    """The key under which Dagster knows a window.

    Asked of Dagster: where clocks skip midnight, it writes the hour that doesn't exist (`2026-09-06T0000-0400`).
    """
    return partitions_of(cadence).get_partition_key_for_timestamp(window.start.timestamp())


def window_of_key(cadence: Cadence, key: str) -> Interval:
    """The window that Dagster's key means.

    Raises:
        dagster.DagsterInvariantViolationError, ValueError: no window has this key.
    """
    window = partitions_of(cadence).time_window_for_partition_key(key)
    return Interval(window.start, window.end)


def _key_format(cadence: Cadence) -> str:
    if cadence.is_daily:
        return DAILY
    return "%Y-%m-%dT%H%MZ" if cadence.zone.key == "UTC" else "%Y-%m-%dT%H%M%z"
