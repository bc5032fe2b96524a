"""A destination's `prefix`, which stands before every key."""

from typing import Annotated

from pydantic import AfterValidator

from ctexport_dagster.resources.keys_as_paths import is_inside


def _clean(prefix: str) -> str:
    if prefix and not is_inside(prefix):
        raise ValueError("prefix is a folder such as exports/daily: no leading or trailing slash, no . or ..")
    return prefix


KeyPrefix = Annotated[str, AfterValidator(_clean)]


def prefixed(prefix: str, key: str) -> str:
    """The key as the destination sees it."""
    return f"{prefix}/{key}" if prefix else key
