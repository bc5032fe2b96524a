"""Rows of files as raw events: columns under the model's names, maps put together out of dotted columns."""

from collections.abc import Iterator, Mapping, Sequence
from zoneinfo import ZoneInfo

import polars as pl

from ctexport_dagster.core.events.model import MAPS
from ctexport_dagster.core.events.normalise_nested import joined_object, object_texts, value_tokens
from ctexport_dagster.core.events.source import RawEvents
from ctexport_dagster.core.normalise.fields import read_field
from ctexport_dagster.core.normalise.refusals import Refusals
from ctexport_dagster.core.schema import ValueType
from ctexport_dagster.core.source import SourceDeclaration

MODEL_NAMES = frozenset(
    {"eventName", "ts", "clevertapId", "objectId", "identity", "controlGroupName", "instanceId", *MAPS}
)
_SPELLINGS: Mapping[str, str] = {
    "event_name": "eventName",
    "event_props": "eventProps",
    "session_props": "sessionProps",
    "device_info": "deviceInfo",
    "eventTime": "ts",
}
"""Other spellings, of the original's API and of its Parquet files."""


def model_name(given: str, columns: Mapping[str, str]) -> str | None:
    """The model's name of a file's column or key; `columns` has those that the source declares, by model name.

    None for what isn't part of the model, and for what has lost its name to a declared one.
    """
    declared = {column: name for name, column in columns.items()}
    if given in declared:
        return declared[given]
    name = _SPELLINGS.get(given, given)
    is_known = name in MODEL_NAMES or name.partition(".")[0] in MAPS
    return name if is_known and name not in columns else None


def in_event_model(batch: RawEvents, declaration: SourceDeclaration, event_name: str | None) -> RawEvents:
    """A batch of a table: renamed, dotted columns (`eventProps.Price`) made into the maps' texts.

    `event_name` is that of all events which don't tell theirs. Rows with a dotted value that can't be used are refused.
    """
    refusals = Refusals(batch)
    columns: dict[str, pl.Series] = {}
    dotted: dict[str, dict[str, tuple[str, pl.Series]]] = {}
    for given in batch.frame.columns:
        name = model_name(given, declaration.columns)
        if name is None:
            continue
        map_name, dot, key = name.partition(".")
        if dot and map_name in MAPS:
            dotted.setdefault(map_name, {})[key] = (given, batch.frame[given])
        else:
            columns[name] = _first(columns.get(name), batch.frame[given])
    for map_name, cells in dotted.items():
        columns[map_name] = _put_together(map_name, cells, declaration, refusals)
    columns.setdefault("eventName", _nothing(batch.frame.height))
    frame = pl.DataFrame([column.alias(name) for name, column in _with_ids(columns, declaration).items()])
    if event_name is not None:
        frame = named(frame, batch.frame.height, event_name)
    return _without(batch, frame, refusals)


def named(frame: pl.DataFrame, rows: int, event_name: str) -> pl.DataFrame:
    """The frame with this `eventName` wherever it has none."""
    if frame.schema.get("eventName", pl.Null()) == pl.Null():
        return frame.with_columns(pl.Series("eventName", [event_name]).new_from_index(0, rows))
    return frame.with_columns(pl.col("eventName").fill_null(pl.lit(event_name).cast(frame.schema["eventName"])))


def event_batches(
    batches: Iterator[RawEvents], declaration: SourceDeclaration, event_name: str | None
) -> Iterator[RawEvents]:
    """A table's batches as raw events."""
    for batch in batches:
        yield in_event_model(batch, declaration, event_name)


def _first(before: pl.Series | None, given: pl.Series) -> pl.Series:
    """Of two columns for one name, the value of the first one that has any."""
    return given if before is None or before.dtype != given.dtype else before.fill_null(given)


def _put_together(
    map_name: str, cells: Mapping[str, tuple[str, pl.Series]], declaration: SourceDeclaration, refusals: Refusals
) -> pl.Series:
    """One map's texts; a cell that is null is no entry, text stays text unless `types` says otherwise."""
    tokens: list[pl.Series] = []
    for key, (given, values) in cells.items():
        field = f"{map_name}.{key}"
        declared = declaration.types.get(field)
        reading = read_field(values, declared, ZoneInfo(declaration.timezone))
        refusals.take(field, reading.refusals, given)
        is_none = reading.type == ValueType.UNKNOWN
        tokens.append(_nothing(len(values)) if is_none else value_tokens(reading.type, reading.values))
    return joined_object(tokens, list(cells))


def _nothing(rows: int) -> pl.Series:
    return pl.Series([None] * rows, dtype=pl.String)


def _with_ids(columns: dict[str, pl.Series], declaration: SourceDeclaration) -> dict[str, pl.Series]:
    """The columns; an `identity` that is a map, as in the original's Parquet files, tells the clevertapId too."""
    identity = columns.get("identity")
    if identity is None or not isinstance(identity.dtype, (pl.Map, pl.Struct)):
        return columns
    texts = object_texts(identity, ZoneInfo(declaration.timezone))
    found = {**columns, "identity": texts.str.json_path_match("$.identity")}
    if "clevertapId" not in found:
        found["clevertapId"] = texts.str.json_path_match("$.clevertapId")
    return found


def _without(batch: RawEvents, frame: pl.DataFrame, refusals: Refusals) -> RawEvents:
    if not refusals.any:
        return RawEvents(frame, batch.unreadable, batch.origin, batch.numbers)
    kept = ~refusals.rows
    identifier = _texts(batch.frame, _id_columns(batch.frame.columns))
    unreadable = pl.concat([batch.unreadable, refusals.quarantined(identifier)])
    numbers = None if batch.numbers is None else batch.numbers.filter(kept)
    return RawEvents(frame.filter(kept), unreadable, batch.origin, numbers)


def _id_columns(names: Sequence[str]) -> list[str]:
    return [name for name in ("clevertapId", "objectId") if name in names]


def _texts(frame: pl.DataFrame, names: Sequence[str]) -> pl.Series:
    if not names or frame[names[0]].dtype not in (pl.String, pl.Binary):
        return pl.Series([None] * frame.height, dtype=pl.String)
    return frame[names[0]].cast(pl.String, strict=False)
