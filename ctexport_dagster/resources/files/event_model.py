"""Rows of files as raw events: columns under the model's names, maps put together out of dotted columns."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import polars as pl

from ctexport_dagster.core.events.dimensions import DIMENSION_FIELDS, DIMENSIONS
from ctexport_dagster.core.events.model import MAPS
from ctexport_dagster.core.events.normalise_nested import (
    joined_object,
    nested_tokens,
    object_texts,
    value_tokens,
    with_entries,
)
from ctexport_dagster.core.events.normalise_objects import joined_maps
from ctexport_dagster.core.events.source import RawEvents
from ctexport_dagster.core.normalise.fields import read_field
from ctexport_dagster.core.normalise.refusals import Refusals
from ctexport_dagster.core.normalise.utf8 import as_utf8
from ctexport_dagster.core.normalise.values import refused
from ctexport_dagster.core.quarantine import Reason
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


_WIDE = (pl.UInt64, pl.Int128, pl.UInt128)
_DIMENSIONS_OF = f"{DIMENSIONS}."
_DIMENSIONS = frozenset(_DIMENSIONS_OF + field for field in DIMENSION_FIELDS)
"""Keys of a device that are fields of one object, as CSV files of the original have them."""
_NO_OBJECT = "?"
"""Stands for a value that can't be a map, so that its row is refused."""


@dataclass(frozen=True, eq=False)
class _Cells:
    """A dotted column: the key that it means, its name as given, and its values."""

    key: str
    given: str
    values: pl.Series


def model_name(given: str, columns: Mapping[str, str]) -> str | None:
    """The model's name of a file's column or key; `columns` has those that the source declares, by model name.

    None for what isn't part of the model, and for what has lost its name to a declared one.
    """
    declared = {column: name for name, column in columns.items()}
    if given in declared:
        return declared[given]
    whole, dot, key = given.partition(".")
    name = _SPELLINGS.get(whole, whole) + dot + key
    is_known = name in MODEL_NAMES or name.partition(".")[0] in MAPS
    return name if is_known and name not in columns else None


def in_event_model(batch: RawEvents, declaration: SourceDeclaration, event_name: str | None) -> RawEvents:
    """A batch of a table: renamed, dotted columns (`eventProps.Price`) made into the maps' texts, beside whole ones.

    `event_name` is that of all events which don't tell theirs. Rows with a dotted value that can't be used are refused.
    """
    refusals = Refusals(batch)
    columns: dict[str, pl.Series] = {}
    dotted: dict[str, list[_Cells]] = {}
    zone = ZoneInfo(declaration.timezone)
    for given in batch.frame.columns:
        name = model_name(given, declaration.columns)
        if name is None:
            continue
        map_name, dot, key = name.partition(".")
        if dot and map_name in MAPS:
            dotted.setdefault(map_name, []).append(_Cells(key, given, batch.frame[given]))
        elif name in columns:
            columns[name] = _both(name, columns[name], batch.frame[given], zone)
        else:
            columns[name] = batch.frame[given]
    for map_name, cells in dotted.items():
        told = _put_together(map_name, cells, declaration, refusals)
        columns[map_name] = _both(map_name, columns[map_name], told, zone) if map_name in columns else told
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


def _both(name: str, first: pl.Series, second: pl.Series, zone: ZoneInfo) -> pl.Series:
    """Two columns of one name: of maps the entries of both, else the first that has a value."""
    if name in MAPS:
        return joined_maps(_map_texts(first, zone), _map_texts(second, zone))
    if first.dtype == second.dtype or first.dtype.is_nested() or second.dtype.is_nested():
        return first.fill_null(second) if first.dtype == second.dtype else first
    return _spelt(first).fill_null(_spelt(second))


def _map_texts(given: pl.Series, zone: ZoneInfo) -> pl.Series:
    """A column that holds one of the maps as texts of JSON; what can't be one becomes what is refused later."""
    values, _ = as_utf8(with_entries(given))
    is_text = isinstance(values.dtype, (pl.String, pl.Categorical, pl.Enum))
    texts = values.cast(pl.String) if is_text else object_texts(values, zone, given.dtype)
    is_flawed = given.is_not_null() & texts.is_null()
    return texts.scatter(is_flawed.arg_true(), _NO_OBJECT) if is_flawed.any() else texts


def _spelt(given: pl.Series) -> pl.Series:
    """Values as text, times as ISO text."""
    if isinstance(given.dtype, pl.Datetime) and given.dtype.time_zone:
        return given.dt.convert_time_zone("UTC").dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
    return as_utf8(given)[0].cast(pl.String)


def _put_together(
    map_name: str, cells: Sequence[_Cells], declaration: SourceDeclaration, refusals: Refusals
) -> pl.Series:
    """One map's texts; a cell that is null is no entry, text stays text unless `types` says otherwise."""
    inner = [cell for cell in cells if map_name == "deviceInfo" and cell.key in _DIMENSIONS]
    plain = [cell for cell in cells if cell not in inner]
    keys = [cell.key for cell in plain]
    tokens = [_tokens_of(map_name, cell, declaration, refusals) for cell in plain]
    if inner:
        fields = [_tokens_of(map_name, cell, declaration, refusals) for cell in inner]
        objects = joined_object(fields, [cell.key.removeprefix(_DIMENSIONS_OF) for cell in inner])
        keys.append(DIMENSIONS)
        tokens.append(objects.to_frame("o").select(pl.when(pl.col("o") != "{}").then("o")).to_series())
    return joined_object(tokens, keys)


def _tokens_of(map_name: str, cell: _Cells, declaration: SourceDeclaration, refusals: Refusals) -> pl.Series:
    """A dotted column as JSON values; null where a cell holds nothing, or nothing that can be used."""
    field, zone = f"{map_name}.{cell.key}", ZoneInfo(declaration.timezone)
    declared = declaration.types.get(field)
    if declared is None and _is_kept_whole(cell.values.dtype):
        values, broken = as_utf8(with_entries(cell.values))
        refusals.take(field, refused(Reason.INVALID_TEXT, broken), cell.given)
        return nested_tokens(values, zone, cell.values.dtype)
    reading = read_field(cell.values, declared, zone)
    refusals.take(field, reading.refusals, cell.given)
    is_none = reading.type == ValueType.UNKNOWN
    return _nothing(len(cell.values)) if is_none else value_tokens(reading.type, reading.values)


def _is_kept_whole(dtype: pl.DataType) -> bool:
    """Whether the profile model has no type that holds such values as they are: nested ones, and all digits."""
    return dtype.is_nested() or isinstance(dtype, pl.Decimal) or dtype in _WIDE


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
