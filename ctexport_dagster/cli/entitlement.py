"""What commands tell of the year's volume: how much of the entitlement that settings.yaml declares is used."""

from collections.abc import Mapping
from datetime import datetime

from ctexport_dagster.core.entitlement import Usage, readable_size
from ctexport_dagster.home import Home
from ctexport_dagster.state import StateFolders
from ctexport_dagster.volumes import usage_of


def usage_here(home: Home, now: datetime) -> Usage | None:
    """The year's volume; None where the home declares no entitlement."""
    return usage_of(StateFolders(home.state), home.settings.entitlement)(now)


def usage_json(usage: Usage | None) -> Mapping[str, object] | None:
    """The same for machines, volumes in bytes; `level` is near from 80 % on, and over beyond 100 %.

    `uncounted_manifests`: how many couldn't be read, so that the figures lack what they tell.
    """
    if usage is None:
        return None
    return {
        "year": usage.year,
        "allowed_bytes": usage.allowed_bytes,
        "used_bytes": usage.used_bytes,
        "percent": usage.percent,
        "level": usage.level,
        "by_export": dict(usage.largest_first),
        "uncounted_manifests": usage.uncounted,
    }


def usage_lines(usage: Usage | None) -> tuple[str, ...]:
    """One line for all exports together, as a warning where it is one."""
    if usage is None:
        return ()
    return (f"warning: {usage.warning}" if usage.warning else str(usage),)


def share_line(usage: Usage, export: str) -> str:
    """What one export has used."""
    used = readable_size(usage.by_export.get(export, 0))
    return f"{used} exported by {export} in {usage.year} ({usage.percent_of(export)} % of the entitlement)"
