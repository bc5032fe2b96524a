"""What each notice says: names of exports, partitions, destinations and keys, never a row, a value or a secret."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

from ctexport_dagster.core.entitlement import Usage, readable_size
from ctexport_dagster.core.history import Attempt
from ctexport_dagster.core.letter import Letter, Section
from ctexport_dagster.core.notices import MARKS, Ending, Notice, Trouble

LISTED = 20
_KINDS = {
    "transient": "the network or a service stumbled; it is tried again by itself",
    "input": "its source, an earlier partition or its declaration must change first",
    "ours": "an error that ctexport doesn't know, or a fault of its own",
    "customer": "its destination's owner has to mend it",
}


class Said(Protocol):
    """What a failed run says of itself, in sentences."""

    @property
    def happened(self) -> str: ...
    @property
    def cause(self) -> str: ...
    @property
    def fix(self) -> str: ...
    @property
    def attempted(self) -> str: ...


@dataclass(frozen=True)
class Place:
    """Where an export goes and what a message about it refers to."""

    export: str
    destination: str
    destination_kind: str
    zone: ZoneInfo
    """The export's time zone, in which people read times."""
    dagit_url: str | None = None


def failing(notice: Notice, place: Place, said: Said | None, *, next_attempt: datetime | None = None) -> Letter:
    """The first, second or third message to an owner; the first one's id makes them one thread."""
    incident = notice.incident
    last = incident.last
    facts = (
        ("Export", place.export),
        ("Partition", last.partition),
        ("Destination", f"{place.destination} ({place.destination_kind})"),
        *_words(said),
        ("Failing since", _clock(incident.began, place.zone)),
        ("Last attempt", _clock(last.ended or last.launched, place.zone)),
        ("Failed attempts", str(incident.failures)),
    )
    return Letter(
        id=_id(place.export, incident.first_run, str(notice.number)),
        subject=_subject(notice, place),
        opening=_opening(notice, place),
        sections=(Section("", facts),),
        next_steps=_next_steps(notice, place, next_attempt),
        link=_link(place.dagit_url, last),
        answers=_id(place.export, incident.first_run, "1") if notice.number > 1 else None,
    )


def ending(warning: Ending, place: Place) -> Letter:
    """The message that an export's end is near."""
    last_day = warning.end - timedelta(days=1)
    return Letter(
        id=_id(place.export, "ends", warning.end.isoformat()),
        subject=f"{place.export} ends on {warning.end}",
        opening=f"The export {place.export} to {place.destination} ({place.destination_kind}) is declared to end on"
        f" {warning.end}: its last day is {last_day}.",
        sections=(),
        next_steps=(
            "Until then, nothing changes. After its last partition it is Done and runs no more.",
            f"To let it go on, change schedule.end in assets/{place.export}.yaml, or take it out.",
        ),
    )


def troubles(
    open_ones: Sequence[Trouble], places: Mapping[str, Place], said: Mapping[str, Said | None], dagit_url: str | None
) -> Letter:
    """One message to operations for all exports that fail for reasons of ours, of a network, or of their sources.

    `said` is by run id.
    """
    listed = open_ones[:LISTED]
    names = ", ".join(trouble.export for trouble in listed[:3])
    more = len(open_ones) - len(listed)
    told = hashlib.sha256("\n".join(f"{t.export} {t.last.run_id}" for t in open_ones).encode()).hexdigest()[:32]
    count = f"{len(open_ones)} exports fail" if len(open_ones) > 1 else "1 export fails"
    return Letter(
        id=_id("operations", told, "1"),
        subject=f"{count}: {names}" + (" and others" if len(open_ones) > 3 else ""),
        opening=f"{count} for reasons that aren't an owner's to mend; owners were not told of this."
        + (f" The first {LISTED} are listed, {more} more stand in Dagit." if more else ""),
        sections=tuple(
            Section(trouble.export, _trouble_facts(trouble, places[trouble.export], said.get(trouble.last.run_id)))
            for trouble in listed
        ),
        next_steps=(
            "Each is tried again by itself, oldest partition first; none is stopped.",
            "While they fail, this message comes once a day.",
        ),
        link=dagit_url or "",
    )


def volume(found: Usage, dagit_url: str | None) -> Letter:
    """The message to operations that most of a year's entitlement is used, or more than all of it."""
    listed = found.largest_first[:LISTED]
    more = len(found.by_export) - len(listed)
    facts = [(name, f"{readable_size(used)}, {found.percent_of(name)} %") for name, used in listed]
    return Letter(
        id=_id("operations", f"volume.{found.year}.{found.allowed_bytes}", found.level),
        subject=f"{found.percent} % of the export volume of {found.year} is used",
        opening=f"All exports together: {found.warning or found}.",
        sections=(Section("By export", (*facts, *((("and others", str(more)),) if more else ()))),),
        next_steps=(
            "Nothing is stopped or held back.",
            "Full exports, and re-runs that deliver anew, count each time: see whether all of them are needed.",
            "The entitlement stands in settings.yaml; what is raised there counts from the next check on.",
            *(("One more message comes when all of it is used.",) if found.level == "near" else ()),
        ),
        link=dagit_url or "",
    )


def _trouble_facts(trouble: Trouble, place: Place, said: Said | None) -> tuple[tuple[str, str], ...]:
    link = _link(place.dagit_url, trouble.last)
    return (
        ("Kind", f"{trouble.whose}: {_KINDS[trouble.whose]}"),
        ("Partition", trouble.last.partition),
        *_words(said),
        ("Failing since", _clock(trouble.began, place.zone)),
        ("Failed attempts", str(trouble.failures)),
        *((("Run", link),) if link else ()),
    )


def _words(said: Said | None) -> tuple[tuple[str, str], ...]:
    if said is None:
        return (("What happened", "the run ended without a word: its process died or was killed"),)
    happened = said.happened.removesuffix(f": {said.cause}") if said.cause else said.happened
    facts = (
        ("What happened", ": ".join(part for part in (said.attempted, happened) if part)),
        ("Likely cause", said.cause),
        ("Fix", said.fix),
    )
    return tuple((label, value) for label, value in facts if value)


def _subject(notice: Notice, place: Place) -> str:
    what = (
        "was stopped" if notice.says_stopped else ("can't be delivered", "still can't be delivered")[notice.number > 1]
    )
    return f"{place.export} {what} ({notice.number} of 3)"


def _opening(notice: Notice, place: Place) -> str:
    partition, where = notice.incident.last.partition, f"{place.destination} ({place.destination_kind})"
    if notice.says_stopped:
        return f"The export {place.export} was stopped: for three days nothing could be delivered to {where}."
    if notice.number == 1:
        return f"The export {place.export} could not deliver its partition {partition} to {where}."
    days = "three days" if notice.number == 3 else "a day"
    return f"The export {place.export} still can't deliver to {where}: it has been failing for {days}."


def _next_steps(notice: Notice, place: Place, next_attempt: datetime | None) -> tuple[str, ...]:
    if notice.says_stopped:
        return (
            "It runs no more, until somebody starts it again. What was delivered stays as it is.",
            f"When the cause is mended, run `ctexport start {place.export}`, or turn its schedule on in Dagit: it then"
            " delivers every partition that it missed, oldest first.",
        )
    when = f", next at {_clock(next_attempt, place.zone)}" if next_attempt else ""
    again = f"It is tried again by itself{when}. Nothing is lost meanwhile: missed partitions follow, oldest first."
    return (again, *_warnings(notice, place), "With the first delivery that succeeds, this is over.")


def _warnings(notice: Notice, place: Place) -> tuple[str, ...]:
    if not notice.can_stop:
        if notice.number < 3:
            return ()
        return ("It is not stopped, for its owner can't be told: settings.yaml declares no mail. No message follows.",)
    if notice.next_mark is None:
        return ()
    stop = _clock(max(notice.next_mark, notice.incident.began + MARKS[3]), place.zone)
    stopped = f"on {stop}, after one last attempt, the export is stopped, and a last message says so."
    if notice.number == 2:
        return (f"Warning: if it still fails {stopped}",)
    return (f"If it still fails on {_clock(notice.next_mark, place.zone)}, a second message comes; {stopped}",)


def _id(export: str, occasion: str, number: str) -> str:
    return f"ctexport.{export}.{occasion}.{number}"


def _clock(instant: datetime, zone: ZoneInfo) -> str:
    """`2026-11-01 01:30 EDT (America/New_York)`: the short name tells the two hours apart where clocks go back."""
    local = instant.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M %Z} ({zone.key})" if zone.key != "UTC" else f"{local:%Y-%m-%d %H:%M} UTC"


def _link(dagit_url: str | None, attempt: Attempt) -> str:
    return f"{dagit_url.rstrip('/')}/runs/{attempt.run_id}" if dagit_url else ""
