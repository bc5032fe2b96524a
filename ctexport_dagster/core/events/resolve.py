"""Resolved events: an event frame with its persons' identifiers and preferences, and the day it happened.

The profile's state at the exported partition's end counts; where it knows no such profile, the event's own `profile`
map does. Source: REQUIREMENTS L2, L14.
"""

from zoneinfo import ZoneInfo

import polars as pl

from ctexport_dagster.core.changes import rows_of
from ctexport_dagster.core.columns import ColumnPlan
from ctexport_dagster.core.events.export import EventExport
from ctexport_dagster.core.events.model import RESOLVED_EVENT_COLUMNS
from ctexport_dagster.core.events.own_profile import own_profiles
from ctexport_dagster.core.identity import resolve
from ctexport_dagster.core.schema import SourceSchema


def resolved_event_schema(plan: ColumnPlan) -> dict[str, pl.DataType]:
    """Name and dtype of every column of the resolved event frame: the plan's, then the events' own."""
    return {**plan.frame_schema, **RESOLVED_EVENT_COLUMNS}


def resolve_events(
    events: pl.DataFrame,
    profiles: pl.DataFrame | None,
    export: EventExport,
    plan: ColumnPlan,
    schema: SourceSchema,
    zone: ZoneInfo,
) -> pl.DataFrame:
    """The resolved event frame, rows in the order of `events`.

    `profiles`: the living profiles among which all those of these events are, a profile frame of `schema`; None where
    the source has none.
    """
    persons = _persons(events, profiles, export, plan, schema)
    day = events["ts"].dt.convert_time_zone(zone.key).dt.date().alias("day")
    own = events.with_columns(day).select(RESOLVED_EVENT_COLUMNS.keys())
    return pl.DataFrame([*(persons[name] for name in plan.frame_schema if name != "clevertapId"), *own]).select(
        resolved_event_schema(plan).keys()
    )


def _persons(
    events: pl.DataFrame, profiles: pl.DataFrame | None, export: EventExport, plan: ColumnPlan, schema: SourceSchema
) -> pl.DataFrame:
    """A resolved profile frame with a row for each event."""
    if profiles is None:
        own = own_profiles(events, export.identity.order, plan)
        return resolve(own.frame, export, plan, own.schema)
    places = rows_of(profiles, events["clevertapId"])
    known = resolve(profiles[places.drop_nulls()], export, plan, schema)
    if places.null_count() == 0:
        return known
    is_known = places.is_not_null()
    own = own_profiles(events.filter(~is_known), export.identity.order, plan)
    unknown = resolve(own.frame, export, plan, own.schema)
    order = pl.concat([is_known.arg_true(), (~is_known).arg_true()]).arg_sort()
    return pl.concat([known, unknown])[order]
