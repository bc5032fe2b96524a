"""How declared values are written: sizes as `100 MB`, cadences as `24h`, times of day as `"02:00"`, IANA zones."""

import re
from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal, get_args
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema

Hours = Literal[3, 4, 6, 8, 12, 24]

_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE = r"\s*(\d+(?:\.\d+)?)\s*(B|KB|MB|GB|TB)\s*"
_HOLD = r"(\d{1,4})([hm])"
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"
CADENCES = [f"{hours}h" for hours in get_args(Hours)]


class Declared(BaseModel):
    """The base of everything declared: closed (an unknown key is a mistake) and immutable.

    The text under a field is its description in the JSON Schema. No error shows a declared value: it may be a secret
    that somebody wrote in the wrong place.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )


def parse_size(value: object) -> object:
    """`100 MB` → 100000000 (decimal units); an integer is bytes."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(_SIZE, value)
    if match is None:
        raise ValueError(f"{value!r} is no size; write it as 100 MB")
    return int(float(match[1]) * _BYTES[match[2]])


def parse_cadence(value: object) -> object:
    """`24h` → 24."""
    hours = int(value[:-1]) if isinstance(value, str) and re.fullmatch(r"[0-9]+h", value) else value
    if hours not in get_args(Hours) or isinstance(hours, bool):
        raise ValueError(f"write one of {', '.join(CADENCES)}")
    return hours


def parse_clock(value: object) -> object:
    """`"02:00"` → 02:00; YAML reads an unquoted 02:00 as a number of minutes, which is refused."""
    if isinstance(value, str) and re.fullmatch(_CLOCK, value):
        return time.fromisoformat(value)
    if isinstance(value, time):
        return value
    raise ValueError('write a time of day in quotes, as "02:00"')


def parse_day(value: object) -> object:
    """`2026-11-01` → that day; a number, which would count as seconds since 1970, is refused."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return date.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise ValueError("write a day as 2026-11-01")


def parse_hold(value: object) -> object:
    """`2h` or `30m` → that long."""
    if isinstance(value, timedelta):
        return value
    match = re.fullmatch(_HOLD, value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("write how long as 2h or 30m")
    return timedelta(hours=int(match[1])) if match[2] == "h" else timedelta(minutes=int(match[1]))


def written_hold(hold: timedelta) -> str:
    """Two hours → `2h`."""
    minutes = int(hold.total_seconds()) // 60
    return f"{minutes}m" if minutes % 60 else f"{minutes // 60}h"


def known_zone(value: str) -> str:
    """An IANA time zone that this machine knows."""
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError, TypeError, AttributeError):
        raise ValueError(f"{value!r} is no time zone; write an IANA name such as UTC or Asia/Kolkata") from None
    return value


def written_size(count: int) -> str:
    """100000000 → `100 MB`: the largest unit of which it is a whole number."""
    unit = next(unit for unit, factor in reversed(_BYTES.items()) if count % factor == 0)
    return f"{count // _BYTES[unit]} {unit}"


ByteCount = Annotated[
    int,
    BeforeValidator(parse_size),
    Field(gt=0),
    PlainSerializer(written_size, when_used="json"),
    WithJsonSchema({"anyOf": [{"type": "string", "pattern": f"^{_SIZE}$"}, {"type": "integer", "minimum": 1}]}),
]
EveryHours = Annotated[
    Hours,
    BeforeValidator(parse_cadence),
    PlainSerializer(lambda hours: f"{hours}h", when_used="json"),
    WithJsonSchema({"enum": [*CADENCES, *get_args(Hours)]}),
]
ClockTime = Annotated[
    time,
    BeforeValidator(parse_clock),
    PlainSerializer(lambda at: f"{at:%H:%M}", when_used="json"),
    WithJsonSchema({"type": "string", "pattern": f"^{_CLOCK}$"}),
]
Hold = Annotated[
    timedelta,
    BeforeValidator(parse_hold),
    PlainSerializer(written_hold, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": f"^{_HOLD}$"}),
]
Day = Annotated[date, BeforeValidator(parse_day), WithJsonSchema({"type": "string", "format": "date"})]
ZoneName = Annotated[
    str,
    BeforeValidator(known_zone),
    WithJsonSchema({"type": "string", "examples": ["UTC", "Asia/Kolkata"]}),
]
