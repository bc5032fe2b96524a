"""What the identity stage of an events export leaves for the next one: resolved events in buckets, and their keys."""

from datetime import date

import polars as pl
from pydantic import BaseModel, ConfigDict

from ctexport_dagster.core.staging import ResolvedRows, StagedChunks

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


class ResolvedEvents(ResolvedRows):
    """What was staged for one partition. A group of an instance lies in one bucket; buckets come by instance.

    The attempt's folder has each bucket's file (core/resolved_file.py) and `keys.parquet`. `columns` is the export's
    column plan: identity, all_identities, clevertapId, preference and groups.
    """

    zone: str
    """The export's time zone: that of `day`, and of `ts` in text formats."""
    buckets: tuple[EventBucket, ...]
    late: int
    """How many of the events happened before the window in which they arrived."""


class EventChunks(StagedChunks[ResolvedEvents]):
    """The chunks of events, by instance, event name and day, then index."""
