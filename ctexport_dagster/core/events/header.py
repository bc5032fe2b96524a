"""The first line of a JSON file of events, their name: bare, as the original writes it, or as a JSON string.

    Charged
    "[Promo] Sale"

What could be taken for something else, or would lose white space, is written as a JSON string; both are read.
"""

import json
import re

_MOST_BYTES = 1024
_OPENS_EVENT = re.compile(r"\{(?:[\s\"'}]|$)")
"""How an event begins, whole or broken; no name does, as long as it is bare."""
_LINE_BREAKS = str.maketrans("\r\n", "??")
_BARE = re.compile(r"[^\s{\[\"\ufeff](?:.*[^\s}])?", re.DOTALL)


def header_line(event: str) -> bytes:
    """The line that names these events, line feed included; a line break in the name is written as `?`."""
    name = event.translate(_LINE_BREAKS)
    is_bare = _BARE.fullmatch(name) is not None
    return f"{name if is_bare else json.dumps(name, ensure_ascii=False)}\n".encode()


def event_name_in(line: bytes) -> str | None:
    """The name that a line has; None where it is an event, broken or blank."""
    text = line.strip(b"\r\n")
    if not text.strip() or len(text) > _MOST_BYTES:
        return None
    try:
        name = text.decode()
        quoted = _quoted(name)
        (quoted or "").encode()
    except UnicodeError:
        return None
    if quoted is not None:
        return quoted if quoted.strip() else None
    is_event = _OPENS_EVENT.match(name.lstrip()) or name.rstrip().endswith("}")
    return None if is_event else name


def _quoted(text: str) -> str | None:
    """The text that a JSON string means; None for all else."""
    try:
        value = json.loads(text) if text.lstrip().startswith('"') else None
    except ValueError:
        return None
    return value if isinstance(value, str) else None
