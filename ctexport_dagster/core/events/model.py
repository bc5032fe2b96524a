"""The event model: an event as the lake keeps it and as an export sends it.

An event names what happened (`eventName`) and when (`ts`), whose it was, and four maps of any keys: `profile`,
`deviceInfo`, `eventProps`, `sessionProps`. The maps are kept as the JSON text of one object each, with every value as
the source gave it: mixed types under one key, nested lists, and numbers to the last digit survive, and 512 event names
with 256 properties each need no column of their own. Formats read them when they have to (core/events/maps.py).
"""

from typing import Literal, get_args

import polars as pl

from ctexport_dagster.core.schema import STRINGS

EventMap = Literal["profile", "deviceInfo", "eventProps", "sessionProps"]
MAPS: tuple[EventMap, ...] = get_args(EventMap)

EVENT_COLUMNS: dict[str, pl.DataType] = {
    "h": pl.UInt32(),
    "instance": pl.Int32(),
    "clevertapId": pl.String(),
    "identity": STRINGS,
    "eventName": pl.String(),
    "ts": pl.Datetime("us", "UTC"),
    "profile": pl.String(),
    "deviceInfo": pl.String(),
    "eventProps": pl.String(),
    "sessionProps": pl.String(),
    "controlGroupName": pl.String(),
    "seq": pl.UInt64(),
}
"""An *event frame*: rows of the lake, sorted by (h, clevertapId, ts, seq).

`h` is crc32(clevertapId), 0 without one; `instance` the shard, as of profiles; `identity` the identity values that the
event itself carries, null for none; the maps are compact JSON objects, null where absent or empty; `controlGroupName`
null for events that aren't a control group's; `seq` the event's number within its source partition, in source order.
"""

RESOLVED_EVENT_COLUMNS: dict[str, pl.DataType] = {
    "eventName": pl.String(),
    "day": pl.Date(),
    "ts": pl.Datetime("us", "UTC"),
    "clevertapId": pl.String(),
    "profile": pl.String(),
    "deviceInfo": pl.String(),
    "eventProps": pl.String(),
    "sessionProps": pl.String(),
    "controlGroupName": pl.String(),
}
"""The columns that every *resolved event frame* has, in the lake's order of rows.

`day` is the event's own day in the export's zone. Beside them stand the columns of the export's `ColumnPlan`
(core/columns.py) in its roles identity, all_identities, clevertapId, clevertapIds, preference and groups, under the
same keys and dtypes as in a resolved profile frame; `clevertapId` is there in any case.
"""
