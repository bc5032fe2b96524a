"""The preview of events: the first ones as a Markdown table, every value masked, properties by their names alone."""

import msgspec
import polars as pl

from ctexport_dagster.core.columns import ColumnPlan
from ctexport_dagster.core.masking import mask_value
from ctexport_dagster.core.preview import PREVIEW_ROWS, markdown_table

_SHOWN_KEYS = 8
_MAPS = ("profile", "deviceInfo", "eventProps", "sessionProps")


def event_preview(resolved: pl.DataFrame, plan: ColumnPlan, identifiers: tuple[str, ...] = ()) -> str:
    """A Markdown table of the first ten events of a resolved event frame; empty where there are none."""
    rows = masked_events(resolved.head(PREVIEW_ROWS), plan, identifiers)
    return markdown_table(event_headers(plan), rows) if rows else ""


def event_headers(plan: ColumnPlan) -> tuple[str, ...]:
    """The headers of the preview's columns."""
    return ("eventName", "ts", *plan.headers, *_MAPS)


def masked_events(resolved: pl.DataFrame, plan: ColumnPlan, identifiers: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Each event's name, instant, masked person and the names of its properties."""
    persons = resolved.select(column.key for column in plan.columns).rows()
    own = resolved.select("eventName", "ts", *_MAPS).rows()
    return [
        (
            event,
            f"{instant:%Y-%m-%dT%H:%M:%SZ}",
            *(mask_value(column, value, identifiers) for column, value in zip(plan.columns, person, strict=True)),
            *map(_keys, maps),
        )
        for person, (event, instant, *maps) in zip(persons, own, strict=True)
    ]


def _keys(properties: str | None) -> str:
    keys = list(msgspec.json.decode(properties)) if properties else []
    more = len(keys) - _SHOWN_KEYS
    return ", ".join([*keys[:_SHOWN_KEYS], *([f"… {more} more"] if more > 0 else [])])
