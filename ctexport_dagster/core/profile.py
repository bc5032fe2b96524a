"""The profile model: the columns that every source's profiles are brought to before anything else sees them.

A *profile frame* (polars) has these columns, in this order, then the value columns of its fields (`Field.column`):

    h                   UInt32   crc32(clevertapId); rows of a frame are sorted by (h, clevertapId) once in the lake
    instance            Int32    the source's `instanceId`, else h mod N
    clevertapId         String   the key, never null or empty
    clevertapIds        List(String)   all ids of the profile, in the source's order; null where the source has none
    identity            List(String)   account-defined Identity values, in order; null for none
    deviceToken         String   null or empty for none
    subscriptionGroups  String   canonical JSON object text with sorted keys: {"group1":"Subscribed"}; null for none
    updatedAt           Datetime(us, UTC)   null where the source gives none
    deleted             Boolean  never null
    mergedInto          String   on a tombstone that a merge implies: the id that lists this one; else null

A row that is deleted or merged away carries its key columns alone. Source: ARCHITECTURE on the profile model.
"""

import polars as pl

from ctexport_dagster.core.schema import STRINGS, TIMESTAMP

KEY_COLUMNS: dict[str, pl.DataType] = {
    "h": pl.UInt32(),
    "instance": pl.Int32(),
    "clevertapId": pl.String(),
    "clevertapIds": STRINGS,
    "identity": STRINGS,
    "deviceToken": pl.String(),
    "subscriptionGroups": pl.String(),
    "updatedAt": TIMESTAMP,
    "deleted": pl.Boolean(),
    "mergedInto": pl.String(),
}

SYSTEM_PROPERTIES = ("Name", "Gender", "DOB", "Email", "Phone", "Photo")
PREFERENCES = ("MSG-push", "MSG-push-all", "MSG-webpush", "MSG-email", "MSG-sms", "MSG-whatsapp")
"""The typed preferences, in the seed's order; `subscriptionGroups` stands beside them as JSON text."""
