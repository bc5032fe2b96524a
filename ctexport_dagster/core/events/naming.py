"""The names of an events export's files: split by event and day, each event under a path of its own.

    preset of files.folder    template          preset of files.name          template
    data_type                 events            default, clevertap_legacy     <export-id>-<timestamp>-<event name>
    the others as for profiles                                                -<yyyymmdd>-<index>-<instance-id>

A name of the user's own gets what it lacks of Timestamp, Event-name, Event-day and Instance-id appended, in this order.
Source: REQUIREMENTS L6, L12, P8, P32.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ctexport_dagster.core.events.export import EventExport
from ctexport_dagster.core.naming import EVENT_VARIABLES, FOLDER_PRESETS, PROFILE_VARIABLES, Naming, NamingRules
from ctexport_dagster.core.templates import Variable, safe_in_path

_NAME = "-".join(
    variable.placeholder
    for variable in (
        Variable.EXPORT_ID,
        Variable.TIMESTAMP,
        Variable.EVENT_NAME,
        Variable.EVENT_DAY,
        Variable.INDEX,
        Variable.INSTANCE_ID,
    )
)
EVENT_RULES = NamingRules(
    folders={**FOLDER_PRESETS, "data_type": "events"},
    names={"default": _NAME, "clevertap_legacy": _NAME},
    variables=PROFILE_VARIABLES | EVENT_VARIABLES,
    appended=(Variable.TIMESTAMP, Variable.EVENT_NAME, Variable.EVENT_DAY, Variable.INSTANCE_ID),
    legacy_text_lead=".",
)

_PATH_BYTES = 120
"""Most file systems end a name at 255 bytes, and the rest of ours takes some 60."""
_MARK_DIGITS = 8


def event_naming(export: EventExport) -> Naming:
    """The naming that an events export declares.

    Raises:
        NamingMistake: a template can't be used.
    """
    return Naming.of(export, EVENT_RULES)


@dataclass(frozen=True)
class EventPaths:
    """What each event is called in paths: no two alike. `shared`: the events that would be called the same."""

    paths: Mapping[str, str]
    shared: tuple[tuple[str, ...], ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What people should know of events that are told apart by a mark."""
        return tuple(
            f"the events {', '.join(names)} have the same name in paths; they are kept apart as "
            + ", ".join(self.paths[name] for name in names)
            for names in self.shared
        )


def event_paths(events: Iterable[str]) -> EventPaths:
    """The paths of a partition's events: each made safe, long ones cut, and a hash where two would be alike.

    An event that is its own path keeps it; a path depends on the names that it meets, not on their order.
    """
    by_path: dict[str, list[str]] = {}
    for event in sorted(set(events)):
        by_path.setdefault(_path(event), []).append(event)
    paths: dict[str, str] = {}
    taken = set(by_path)
    for path, alike in by_path.items():
        for event in alike:
            paths[event] = path if len(alike) == 1 or event == path else _marked(path, event, taken)
            taken.add(paths[event])
    return EventPaths(paths, tuple(tuple(alike) for alike in by_path.values() if len(alike) > 1))


def _path(event: str) -> str:
    safe = safe_in_path(event)
    encoded = safe.encode()
    if len(encoded) <= _PATH_BYTES:
        return safe
    return _with_mark(encoded[:_PATH_BYTES].decode(errors="ignore"), event, _MARK_DIGITS)


def _marked(path: str, event: str, taken: set[str]) -> str:
    digits = _MARK_DIGITS
    while (marked := _with_mark(path, event, digits)) in taken:
        digits += 1
    return marked


def _with_mark(path: str, event: str, digits: int) -> str:
    return f"{path}-{hashlib.sha256(event.encode()).hexdigest()[:digits]}"
