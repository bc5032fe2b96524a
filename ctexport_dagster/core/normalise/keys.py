"""The key columns of the profile model out of whatever shape a source gives them in."""

from dataclasses import dataclass
from typing import Literal, assert_never, cast, get_args
from zoneinfo import ZoneInfo

import polars as pl

from ctexport_dagster.core.normalise.groups import groups_of, is_no_groups
from ctexport_dagster.core.normalise.lists import json_lists, lists_in_text, text_lists
from ctexport_dagster.core.normalise.times import from_epoch, from_text, in_utc
from ctexport_dagster.core.normalise.utf8 import as_utf8
from ctexport_dagster.core.normalise.values import Refusal, read_values, refused
from ctexport_dagster.core.profile import KEY_COLUMNS
from ctexport_dagster.core.quarantine import Reason
from ctexport_dagster.core.schema import STRINGS, ValueType

KeyName = Literal[
    "clevertapId",
    "clevertapIds",
    "identity",
    "device",
    "deviceToken",
    "subscriptionGroups",
    "instanceId",
    "updatedAt",
    "deleted",
]
KEY_NAMES: tuple[KeyName, ...] = get_args(KeyName)
"""The raw columns that aren't fields; all others are properties or preferences."""

INSTANCE_LIMIT = 1024
_FLAGS = {"true": True, "false": False, "1": True, "0": False}


@dataclass(frozen=True)
class KeyReading:
    """A key column's values in the model's dtype, null where refused."""

    values: pl.Series
    refusals: tuple[Refusal, ...] = ()


def read_key(name: KeyName, raw: pl.Series, zone: ZoneInfo) -> KeyReading:
    """One raw key column, of any polars type; values that can't be what the model says are refused.

    Ids may be text or integers. `identity` is a text, a JSON array of them (text that starts with `["`) or a list;
    `clevertapIds` may be `[a,b]` too; blank identities and ids are none. `device` is a struct, a map or JSON object
    text with a `token`, or the token itself. `deleted` is a boolean, 0 or 1, or those as text. `updatedAt` is read as
    `times` says. `instanceId` is an integer from 0 below 1024 (also as text), as given: not taken mod N.
    """
    text, broken = as_utf8(raw)
    given = text.cast(pl.String) if isinstance(text.dtype, (pl.Categorical, pl.Enum)) else text
    values, wrong = _read(name, given, zone)
    return KeyReading(values, (*refused(Reason.INVALID_TEXT, broken), *refused(Reason.CONTRADICTS_TYPE, wrong)))


def _read(name: KeyName, given: pl.Series, zone: ZoneInfo) -> tuple[pl.Series, pl.Series]:
    match name:
        case "clevertapId" | "deviceToken":
            return _lost(given, _id_text(given))
        case "clevertapIds" | "identity":
            return _id_lists(given, is_bracketed=name == "clevertapIds")
        case "device":
            return _device_tokens(given)
        case "subscriptionGroups":
            shaped = _array_text(given) if given.dtype == STRINGS else given
            groups = groups_of(shaped)
            return groups, is_no_groups(shaped, groups)
        case "instanceId":
            return _lost(given, _instances(given))
        case "updatedAt":
            return _lost(given, _instants(given, zone))
        case "deleted":
            return _lost(given, _flags(given))
        case _:
            assert_never(name)


def _lost(given: pl.Series, values: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The values, and the rows whose value got lost on the way; blank text is no value."""
    lost = given.is_not_null() & values.is_null()
    if given.dtype == pl.String and lost.any():
        lost &= given.str.strip_chars() != ""
    return values, lost


def _nothing(given: pl.Series, dtype: pl.DataType) -> pl.Series:
    return pl.Series([None] * len(given), dtype=dtype)


def _id_text(given: pl.Series) -> pl.Series:
    if given.dtype == pl.String:
        return given
    return given.cast(pl.String) if given.dtype.is_integer() else _nothing(given, pl.String())


def _id_lists(given: pl.Series, *, is_bracketed: bool) -> tuple[pl.Series, pl.Series]:
    if isinstance(given.dtype, pl.List):
        reading = read_values(given, ZoneInfo("UTC"))
        lists = reading.values if reading.type == ValueType.STRINGS else _nothing(given, STRINGS)
        return _without_blanks(lists), _any_row(reading.refusals, len(given))
    texts = _id_text(given)
    lists = lists_in_text(texts) if is_bracketed else _text_or_array(texts)
    return _without_blanks(lists), given.is_not_null() & texts.is_null()


def _text_or_array(texts: pl.Series) -> pl.Series:
    ones = text_lists(texts)
    arrays = texts.str.contains(r'^\s*\["').fill_null(value=False)
    if not arrays.any():
        return ones
    return json_lists(texts.zip_with(arrays, pl.Series([None], dtype=pl.String))).zip_with(arrays, ones)


def _without_blanks(lists: pl.Series) -> pl.Series:
    kept = lists.list.eval(pl.element().filter(pl.element().str.strip_chars() != ""))
    return kept.zip_with((kept.list.len() > 0).fill_null(value=False), pl.Series([None], dtype=STRINGS))


def _any_row(refusals: tuple[Refusal, ...], row_count: int) -> pl.Series:
    rows = pl.Series([False] * row_count, dtype=pl.Boolean)
    for refusal in refusals:
        rows |= refusal.rows
    return rows


def _device_tokens(given: pl.Series) -> tuple[pl.Series, pl.Series]:
    dtype = given.dtype
    none_wrong = pl.Series([False] * len(given), dtype=pl.Boolean)
    if isinstance(dtype, pl.Struct):
        names = {entry.name for entry in dtype.fields}
        return (
            _token_text(given.struct.field("token")) if "token" in names else _nothing(given, pl.String())
        ), none_wrong
    if isinstance(dtype, pl.Map):
        return _token_text(given.map.get("token")), none_wrong
    if dtype == pl.String:
        return _tokens_in_text(given)
    return _nothing(given, pl.String()), given.is_not_null()


def _token_text(tokens: pl.Series) -> pl.Series:
    return _nothing(tokens, pl.String()) if tokens.dtype.is_nested() else tokens.cast(pl.String)


def _tokens_in_text(given: pl.Series) -> tuple[pl.Series, pl.Series]:
    """JSON object text gives its token, as our own CSV exports write it; any other text is the token."""
    objects = given.str.contains(r"^\s*\{").fill_null(value=False)
    if not objects.any():
        return given, objects
    inside = given.zip_with(objects, pl.Series([None], dtype=pl.String))
    tokens = inside.str.json_path_match("$.token")
    wrong = inside.is_not_null() & tokens.is_null()
    if wrong.any():
        wrong &= is_no_groups(inside, tokens)
    return tokens.zip_with(objects, given), wrong


def _array_text(items: pl.Series) -> pl.Series:
    """Lists of JSON texts, as the reader of NDJSON gives lists of objects, as the text of one JSON array."""
    return "[" + items.list.join(",") + "]"


def _instances(given: pl.Series) -> pl.Series:
    dtype = cast("pl.DataType", KEY_COLUMNS["instance"])
    if not (given.dtype.is_integer() or given.dtype == pl.String):
        return _nothing(given, dtype)
    numbers = (given.str.strip_chars() if given.dtype == pl.String else given).cast(pl.Int64, strict=False)
    inside = numbers.is_between(0, INSTANCE_LIMIT, closed="left").fill_null(value=False)
    return numbers.zip_with(inside, pl.Series([None], dtype=pl.Int64)).cast(dtype)


def _instants(given: pl.Series, zone: ZoneInfo) -> pl.Series:
    if given.dtype == pl.String:
        return from_text(given, zone)
    if isinstance(given.dtype, pl.Datetime):
        return in_utc(given, zone)
    if given.dtype == pl.Date:
        return from_text(given.cast(pl.String), zone)
    return from_epoch(given) if given.dtype.is_numeric() else _nothing(given, KEY_COLUMNS["updatedAt"])


def _flags(given: pl.Series) -> pl.Series:
    if given.dtype == pl.Boolean:
        return given
    if not (given.dtype.is_integer() or given.dtype == pl.String):
        return _nothing(given, pl.Boolean())
    spelt = given.cast(pl.String).str.strip_chars().str.to_lowercase()
    return spelt.replace_strict(_FLAGS, default=None, return_dtype=pl.Boolean)
