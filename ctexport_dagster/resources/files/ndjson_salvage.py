"""The id of a profile out of a line that is no JSON, where it stands there beyond doubt."""

import json
import re

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^"{}\[\],:\s]+')


def id_in_broken(line: bytes, id_key: str) -> str | None:
    """The text under `id_key` in the line's outermost object, however the line goes on; None where that isn't sure.

    It isn't where the key's name stands in the line twice: two lines may have run into one, or it may be a value. Nor
    where anything before it isn't in its place, or the text isn't followed by a comma or the object's end.
    """
    key = json.dumps(id_key, ensure_ascii=False).encode()
    if line.count(key) != 1:
        return None
    tokens = [match[0] for match in _TOKEN.finditer(line)]
    at = tokens.index(key) if key in tokens else 0
    is_sure = (
        _leads_to_a_key(tokens[:at])
        and tokens[at + 1 : at + 2] == [b":"]
        and tokens[at + 3 : at + 4] in ([b","], [b"}"])
    )
    return _text(tokens[at + 2]) if is_sure else None


def _leads_to_a_key(tokens: list[bytes]) -> bool:
    """Whether a key of the outermost object comes next."""
    if tokens[:1] != [b"{"] or tokens[-1] not in (b"{", b","):
        return False
    depth = 0
    for token in tokens:
        depth += (token in (b"{", b"[")) - (token in (b"}", b"]"))
        if depth < 1:
            return False
    return depth == 1


def _text(token: bytes) -> str | None:
    try:
        text = json.loads(token.decode())
        text.encode()
    except (ValueError, AttributeError):
        return None
    return text if isinstance(text, str) and text.strip() else None
