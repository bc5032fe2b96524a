"""A delivered value as Python has it, whichever way its file writes it.

    column (its source)      in a row
    identity                 str, or a tuple of str where all values are exported
    all_identities           tuple of str
    clevertapId              str
    clevertapIds             tuple of str
    device                   str: the device token
    subscriptionGroups       dict: group → Subscribed | Unsubscribed
    anything else            by the manifest's type: str, bool, int, float, date, aware datetime, or tuple of str

A list that stands as `[a,b]` (XML, and ids, in the style `clevertap`) is split at its commas: a value that holds a
comma can't be told from two there. The style `typed` has no such lists.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime

from ctexport_dagster.core.manifest import ManifestColumn

Value = str | bool | int | float | date | datetime | tuple[str, ...] | dict[str, str]
Row = dict[str, Value]

Raw = object
"""A value as a parser of the file's format gives it: a text, or a JSON or Parquet value."""


def is_list(column: ManifestColumn) -> bool:
    return column.type == "strings"


def decoded(column: ManifestColumn, raw: Raw) -> Value:
    """The value of a column.

    Raises:
        ValueError: the raw value is none of the column's type.
    """
    if column.source == "device":
        return _text(raw)
    if column.source == "subscriptionGroups":
        return _groups(raw)
    if is_list(column):
        return _strings(raw)
    return _scalar(column.type, raw)


def from_json_text(text: str) -> Raw:
    return json.loads(text)


def split_brackets(text: str) -> list[str]:
    """`[a,b]` → a, b."""
    if not (text.startswith("[") and text.endswith("]")):
        raise ValueError("a list that doesn't stand in brackets")
    return text[1:-1].split(",") if len(text) > len("[]") else []


def _scalar(type_: str, raw: Raw) -> Value:
    match type_:
        case "boolean":
            return raw if isinstance(raw, bool) else _boolean(_text(raw))
        case "integer":
            return raw if isinstance(raw, int) else int(_text(raw))
        case "float64":
            return raw if isinstance(raw, float) else float(str(raw))
        case "float32":
            return _rounded_to_32_bits(raw if isinstance(raw, float) else float(str(raw)))
        case "date":
            return raw if isinstance(raw, date) else date.fromisoformat(_text(raw))
        case "timestamp":
            return (raw if isinstance(raw, datetime) else datetime.fromisoformat(_text(raw))).astimezone(UTC)
        case _:
            return _text(raw)


def _text(raw: Raw) -> str:
    if not isinstance(raw, str):
        raise ValueError("a value that should be text")
    return raw


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("a truth value that is neither true nor false")
    return text == "true"


def _rounded_to_32_bits(number: float) -> float:
    """Text has the shortest digits of the 32-bit number; as a 64-bit number they are another one."""
    return struct.unpack("<f", struct.pack("<f", number))[0]


def _groups(raw: Raw) -> dict[str, str]:
    """Parquet gives a map as a list of pairs, JSON as an object."""
    if isinstance(raw, Mapping):
        return {_text(group): _text(state) for group, state in raw.items()}
    if isinstance(raw, list):
        return {_text(group): _text(state) for group, state in raw}
    raise ValueError("subscription groups that are no mapping")


def _strings(raw: Raw) -> tuple[str, ...]:
    if isinstance(raw, str) or not isinstance(raw, Sequence):
        raise ValueError("a value that should be a list")
    return tuple(_text(item) for item in raw)
