"""The names of assets below their source's or export's own, and which names are left for datasets."""

import re

PROFILES, EVENTS = "profiles", "events"
CHUNKS, DELIVERY = "formatted_chunks", "delivery"
_LONGEST = 64
RESOLVED = "identity_resolved_"
"""How the name of an export's first asset begins, if it has one of its own."""


def is_of_export(name: str) -> bool:
    """Whether an asset of this name is made for an export; the others are a source's."""
    return name in (CHUNKS, DELIVERY) or name.startswith(RESOLVED)


def why_no_dataset(name: str) -> str | None:
    """Why a dataset can't be called so; None where it can."""
    if re.fullmatch(r"[A-Za-z0-9_]+", name) is None:
        return f"{name!r} can't be the name of an asset; use letters, digits and _"
    if len(name) > _LONGEST:
        return f"{name} is longer than {_LONGEST} characters, and files and folders are called by it; shorten it"
    if name in (PROFILES, EVENTS) or is_of_export(name):
        return f"{name} is the name of another asset; call the dataset otherwise"
    return None
