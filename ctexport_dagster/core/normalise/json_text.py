"""JSON text in one canonical spelling: keys sorted, no white space, every script as it is."""

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import polars as pl

_JSON_SCALARS = {str, int, float, bool}
_ENCODER = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def canonical_json(value: object) -> str:
    """The text of a value: equal values have equal texts, whatever order their keys came in.

    Raises:
        UnicodeDecodeError: bytes within aren't UTF-8.
        ValueError: a number within is NaN or infinite.
    """
    return _ENCODER.encode(_plain(value))


def item_text(value: object) -> str | None:
    """An item of a list as text: strings as they are, null stays null, the rest as JSON."""
    if value is None or isinstance(value, str):
        return value
    plain = _plain(value)
    return plain if plain is None or isinstance(plain, str) else canonical_json(plain)


def quoted(texts: pl.Series) -> pl.Series:
    """Each text as a JSON string literal; null stays null. Spells each distinct text once."""
    distinct = texts.drop_nulls().unique()
    literals = pl.Series([json.dumps(text, ensure_ascii=False) for text in distinct], dtype=pl.String)
    return texts.replace_strict(distinct, literals, default=None, return_dtype=pl.String)


def _plain(value: object) -> object:
    if value is None or type(value) in _JSON_SCALARS:
        return value
    match value:
        case dict():
            return {str(_plain(key)): _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case bytes():
            return value.decode()
        case datetime():
            return (value.astimezone(UTC) if value.tzinfo else value).isoformat().replace("+00:00", "Z")
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Decimal():
            return str(value)
        case _:
            return value
