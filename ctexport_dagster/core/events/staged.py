"""What the identity stage of an events export leaves for the next one: resolved events in buckets, and their keys."""

from datetime import date

import polars as pl
from pydantic import BaseModel, ConfigDict

from ctexport_dagster.core.manifest import Mode
from ctexport_dagster.core.staging import StagedColumn, StagedCounts

KEYS_FILE = "keys.parquet"
KEYS_SCHEMA: dict[str, pl.DataType] = {"eventName": pl.String(), "map": pl.String(), "key": pl.String()}
"""Every key of every event's maps in the window: rows in the order in which files list them, none twice."""


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class EventGroup(_Document):
    """The events of one name and day: what one file, or several chunks, will hold."""

    event: str
    day: date
    rows: int


class EventBucket(_Document):
    """One file of resolved events: either a single group in order, or several small ones (32 MB at most together).

    The rows of several groups stand mixed, in the lake's order; sorted stably by (eventName, day), each is in order.
    """

    instance: int
    file: str
    groups: tuple[EventGroup, ...]


class ResolvedEvents(_Document):
    """What was staged for one partition. A group of an instance lies in one bucket; buckets come by instance.

    `folder` has each bucket's file (core/resolved_file.py's Arrow IPC form) and `keys.parquet`.
    """

    attempt: str
    mode: Mode
    content_version: str
    configuration_version: str
    columns: tuple[StagedColumn, ...]
    """The export's column plan: identity, all_identities, clevertapId, clevertapIds, preference, groups."""
    warnings: tuple[str, ...]
    zone: str
    """The export's time zone: that of `day`, and of `ts` in text formats."""
    buckets: tuple[EventBucket, ...]
    rows: StagedCounts
    late: int
    """How many of the events happened before the window in which they arrived."""
    lake_version: int
    lake_state: str
    upstream_runs: tuple[str, ...]
    run_id: str
