"""Keys as paths of a file system: which ones stay inside the destination's folder, and their temporary names."""

import hashlib
import re

_LONGEST_STEM_BYTES = 150


def is_inside(path: str) -> bool:
    """Whether a path can't lead out of the folder that it starts in."""
    return "\0" not in path and all(segment not in ("", ".", "..") for segment in path.split("/"))


def part_name(name: str, attempt: str) -> str:
    """`.<name>.<attempt>.part`; a long name is shortened to a hash, for most disks allow 255 bytes."""
    stem = name if len(name.encode()) <= _LONGEST_STEM_BYTES else hashlib.sha256(name.encode()).hexdigest()
    return f".{stem}.{re.sub(r'[^A-Za-z0-9_-]', '-', attempt)[:64]}.part"
