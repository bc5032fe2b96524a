"""The age of a table's rows: which of them are too old to be exported. Source: REQUIREMENTS A9."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import polars.selectors as cs

from ctexport_dagster.core.counted import counted
from ctexport_dagster.core.datasets.declared import DeclaredDataset
from ctexport_dagster.core.datasets.export import DatasetExport

UNDECLARED = "no column is declared as its timestamp; declare `timestamp:`"


def oldest_exported(export: DatasetExport, window_end: datetime) -> datetime | None:
    """The instant before which rows of a partition are too old; None where age doesn't matter."""
    days = export.effective_max_age_days
    return None if days is None else window_end - timedelta(days=days)


def age_column(declared: DeclaredDataset, schema: pl.Schema) -> str | None:
    """The column that tells how old a row is: the timestamp, else the cursor; None where neither tells an instant."""
    name = declared.timestamp or declared.cursor
    dtype = schema.get(name) if name else None
    return name if dtype is not None and dtype.is_temporal() and dtype not in (pl.Time, pl.Duration) else None


def why_ageless(declared: DeclaredDataset, schema: pl.Schema) -> str | None:
    """Why nothing tells how old a row is, and what to declare; None where a column does."""
    name = declared.timestamp or declared.cursor
    if name is None:
        return UNDECLARED
    if age_column(declared, schema) or not schema:  # without columns there are no rows either
        return None
    key = "timestamp" if declared.timestamp else "cursor"
    if name not in schema:
        return f"{name}, declared as its {key}, is none of its columns; mend `{key}:`"
    cure = "declare its type under `types:`" if schema[name] == pl.String else "declare another one as `timestamp:`"
    return f"{name}, declared as its {key}, holds no instants; {cure}"


def is_too_old(column: str, dtype: pl.DataType, oldest: datetime, zone: ZoneInfo) -> pl.Expr:
    """Whether a row is older (Boolean, never null): one without an instant isn't. `zone` is that of naive instants."""
    bound: object = oldest.astimezone(zone).date()
    if isinstance(dtype, pl.Datetime):
        own = ZoneInfo(dtype.time_zone) if dtype.time_zone else None
        bound = oldest.astimezone(own or zone).replace(tzinfo=own)
    # By selector: pl.col reads `^at$` and `*` as patterns.
    return (cs.by_name(column).as_expr() < pl.lit(bound, dtype)).fill_null(value=False)


def ageless_warnings(export: DatasetExport, ageless: Mapping[str, str]) -> tuple[str, ...]:
    """What a plan says of datasets whose rows tell no age, though old ones are to be left out; with why they don't."""
    days = export.effective_max_age_days
    if days is None:
        return ()
    age = counted(days, "day")
    return tuple(
        f"{dataset} has no timestamp, so that none of its rows counts as older than {age}: {why}"
        for dataset, why in ageless.items()
    )
