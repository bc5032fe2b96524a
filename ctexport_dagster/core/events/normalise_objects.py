"""The maps of events as JSON texts: made compact, proven sound, and their keys told.

Compact texts without a flaw, which are nearly all, are passed by two counts: a decoder in C takes each text and keeps
one value per key; and as many `":` as keys means that no key came twice, and none stood within.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NoReturn, cast

import msgspec
import polars as pl

from ctexport_dagster.core.normalise.values import Refusal
from ctexport_dagster.core.quarantine import Reason

_decode = msgspec.json.Decoder(dict[str, object]).decode
_NESTED = frozenset({dict, list})
_LOOSE = ["{ ", "[ ", ", ", ": ", " }", " ]", " ,", " :", "\n", "\r", "\t"]
"""One of these stands in every text with white space outside of strings, but at its ends (and in some others)."""


class _Flaw(ValueError):
    def __init__(self, reason: Reason) -> None:
        self.reason = reason


@dataclass(frozen=True)
class Objects:
    """A column of JSON objects: compact `texts` (String), null where absent, empty or refused, and each one's value."""

    texts: pl.Series
    values: Sequence[dict[str, object] | None]
    refusals: tuple[Refusal, ...] = ()


def read_objects(given: pl.Series) -> Objects:
    """A String column of JSON object texts; null, blank and `null` mean absent. Numbers keep their digits."""
    if given.null_count() == len(given):
        return Objects(given, [None] * len(given))
    texts = _compacted(_without_absent(given))
    values, found = _decoded(texts)
    found |= _flaws_within(texts, values, found)
    for place in found:
        values[place] = None
    is_kept = pl.Series([bool(value) for value in values], dtype=pl.Boolean)
    kept = texts if is_kept.all() else texts.zip_with(is_kept, pl.Series([None], dtype=pl.String))
    return Objects(kept, values, _refusals(found, len(texts)))


def joined_maps(first: pl.Series, second: pl.Series) -> pl.Series:
    """Two String columns of JSON object texts as one, which has the entries of both; null where both are absent.

    A key that both have stands there twice, and a text that is no object makes no object: both are refused later.
    """
    one, other = _without_absent(first).alias("one"), _without_absent(second).alias("other")
    is_both = pl.col("one").is_not_null() & pl.col("other").is_not_null()
    inner = {
        name: pl.col(name).str.strip_prefix("{").str.strip_suffix("}").str.strip_chars() for name in ("one", "other")
    }
    comma = pl.when((inner["one"] != "") & (inner["other"] != "")).then(pl.lit(",")).otherwise(pl.lit(""))
    are_objects = pl.all_horizontal(
        pl.col("one", "other").str.starts_with("{") & pl.col("one", "other").str.ends_with("}")
    )
    both = pl.when(are_objects).then(pl.concat_str(pl.lit("{"), inner["one"], comma, inner["other"], pl.lit("}")))
    flawed = pl.concat_str(pl.lit("?"), "one", "other")
    joined = pl.when(is_both).then(both.otherwise(flawed)).otherwise(pl.coalesce("one", "other"))
    return pl.DataFrame([one, other]).select(joined.alias(first.name)).to_series()


def flaw_of(text: str) -> Reason | None:
    """Why a text isn't a JSON object that can be kept as it is; None where it is one. Exact, and slow."""
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_not_finite, parse_float=_finite)
        json.dumps(value, ensure_ascii=False).encode()
    except _Flaw as flaw:
        return flaw.reason
    except UnicodeError:
        return Reason.INVALID_TEXT
    except (ValueError, RecursionError):
        return Reason.UNREADABLE
    return None if isinstance(value, dict) else Reason.CONTRADICTS_TYPE


def _without_absent(given: pl.Series) -> pl.Series:
    texts = given.str.strip_chars()
    absent = texts.is_in(["", "null"]).fill_null(value=False)
    return texts.zip_with(~absent, pl.Series([None], dtype=pl.String)) if absent.any() else texts


def _compacted(texts: pl.Series) -> pl.Series:
    loose = texts.str.contains_any(_LOOSE).fill_null(value=False)
    if not loose.any():
        return texts
    at = loose.arg_true()
    return texts.scatter(at, pl.Series([_compact(text) for text in texts.gather(at)], dtype=pl.String))


def _compact(text: str) -> str:
    try:
        return msgspec.json.format(text, indent=-1)
    except (msgspec.MsgspecError, RecursionError):
        return text


def _decoded(texts: pl.Series) -> tuple[list[dict[str, object] | None], dict[int, Reason]]:
    """Each text's value, and the flaws of those that have none; one by one where a text has a flaw."""
    given = cast("list[str | None]", texts.to_list())
    try:
        return [None if text is None else _decode(text) for text in given], {}
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        found: dict[int, Reason] = {}
        return [None if text is None else _value(text, place, found) for place, text in enumerate(given)], found


def _value(text: str, place: int, found: dict[int, Reason]) -> dict[str, object] | None:
    try:
        return _decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        found[place] = flaw_of(text) or Reason.UNREADABLE
        return None


def _flaws_within(
    texts: pl.Series, values: Sequence[dict[str, object] | None], known: dict[int, Reason]
) -> dict[int, Reason]:
    """The flaws of texts that hold more colons than keys: nested ones, those with `":` in a value, and twins."""
    keys = pl.Series([0 if value is None else len(value) for value in values], dtype=pl.UInt32)
    colons = texts.str.count_matches('":', literal=True).fill_null(0)
    differ = (colons != keys).arg_true()
    if not len(differ):
        return {}
    judged: dict[str, Reason | None] = {}
    found: dict[int, Reason] = {}
    for place, text, count in zip(differ.to_list(), texts.gather(differ), colons.gather(differ), strict=True):
        if place in known:
            continue
        if text not in judged:
            judged[text] = flaw_of(text) if _key_count(values[place]) != count else None
        if reason := judged[text]:
            found[place] = reason
    return found


def _key_count(value: object) -> int:
    """The keys of all objects in a value."""
    count, items = 0, cast("Iterable[object]", value)
    if type(value) is dict:
        count, items = len(value), value.values()
    for item in items:
        if type(item) in _NESTED:
            count += _key_count(item)
    return count


def _refusals(found: dict[int, Reason], rows: int) -> tuple[Refusal, ...]:
    refusals: list[Refusal] = []
    for reason in dict.fromkeys(found[place] for place in sorted(found)):
        at = [place for place, its in sorted(found.items()) if its == reason]
        nowhere = pl.Series([False], dtype=pl.Boolean).new_from_index(0, rows)
        refusals.append(Refusal(reason, nowhere.scatter(at, [True] * len(at))))
    return tuple(refusals)


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Flaw(Reason.DUPLICATE_KEY)
    return found


def _not_finite(_constant: str) -> NoReturn:
    raise _Flaw(Reason.NOT_FINITE)


def _finite(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise _Flaw(Reason.NOT_FINITE)
    return number
