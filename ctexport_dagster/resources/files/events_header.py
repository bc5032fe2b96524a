"""The first line of a file of events, where it is their name: bare, as the original writes it, or as a JSON string."""

import json

_MOST_BYTES = 1024


def event_name_in(line: bytes) -> str | None:
    """The name; None where the line is an event, or broken."""
    text = line.strip()
    if not text or len(text) > _MOST_BYTES or text.startswith(b"{") or text.endswith(b"}"):
        return None
    try:
        name = text.decode()
    except UnicodeDecodeError:
        return None
    if not name.startswith('"'):
        return name
    try:
        quoted = json.loads(name)
    except ValueError:
        return None
    return quoted if isinstance(quoted, str) and quoted.strip() else None
