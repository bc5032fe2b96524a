"""Any JSON object, spelt in any way that a source may spell it, and what the formats must make of its values."""

import json
from collections.abc import Mapping

import polars as pl
from golden_events import IDENTITY_ALONE
from hypothesis import strategies as st

from ctexport_dagster.core.events.resolve import resolved_event_schema

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=15)
KEYS = st.text(st.sampled_from('ab"\\{}[],: \n\té😀\u0001'), max_size=4)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.sampled_from([2**31 - 1, 2**31, -(2**31) - 1, 2**63 - 1, 2**63])
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES: st.SearchStrategy[Json] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=12
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=5)
SPELLINGS = st.booleans()
"""Whether other characters than ASCII are escaped."""

Row = dict[str, dict[str, Json] | None]
ROWS = st.lists(
    st.fixed_dictionaries(
        {name: st.none() | OBJECTS for name in ("profile", "deviceInfo", "eventProps", "sessionProps")}
    ),
    min_size=1,
    max_size=5,
)


def compact(value: Json, *, escaped: bool = False) -> str:
    """The value as compact JSON."""
    return json.dumps(value, ensure_ascii=escaped, separators=(",", ":"))


def frame_of(rows: list[Row], *, escaped: bool) -> pl.DataFrame:
    """Events of one name with these maps; an empty map is null, as in the lake."""
    schema = resolved_event_schema(IDENTITY_ALONE)
    maps = [{name: compact(value, escaped=escaped) if value else None for name, value in row.items()} for row in rows]
    filled = [{"identity": f"user_{place}", "eventName": "Any", **row} for place, row in enumerate(maps)]
    frame = pl.DataFrame([{name: row.get(name) for name in schema} for row in filled], schema=schema, orient="row")
    return frame.with_columns(ts=pl.lit(1_793_577_600_000_000).cast(schema["ts"]), day=pl.lit(20_000).cast(pl.Date))


def text_of(value: Json) -> str | None:
    """A value as plain text: strings as they are, everything else as JSON; null for null."""
    return value if value is None or isinstance(value, str) else compact(value)


def own(profile: Mapping[str, Json] | None) -> dict[str, Json]:
    """What a profile map has beside identifiers."""
    identifiers = {"identity", "all_identities", "objectId", "clevertapId", "clevertapIds"}
    return {key: value for key, value in (profile or {}).items() if key not in identifiers}
