"""Which notices are due, given what was tried, what was told, and now.

    at once             notice 1 to the owner: the error, its fix, and what comes next
    after 24 hours      notice 2: it still fails
    after 72 hours      notice 3, when one more attempt has failed after that mark: the export is stopped

They are about failures that the customer has to mend. An *incident* begins with the first of them, and its marks count
from there, however late a notice could be sent. It ends with any success of the export, or when the export is stopped
or started, by us or by anybody. What else fails goes to operations: at once, then daily, until a success.
Source: REQUIREMENTS S11, A5.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from ctexport_dagster.core.history import Attempt, Whose, last_success
from ctexport_dagster.core.told import Memory, Told

Number = Literal[1, 2, 3]
Third = Literal["stops", "follows", "tells"]
"""What a way of telling does with notice 3: it decides the stop; it waits for one; or, where nobody can be stopped
because nobody can be mailed, it says just that."""

MARKS = {1: timedelta(0), 2: timedelta(hours=24), 3: timedelta(hours=72)}
REST = timedelta(hours=12)
"""The least time between two notices: after a long silence of the mail server, nobody gets the warning and the stop in
one breath."""
OPERATIONS_EVERY = timedelta(hours=24)
WARN_BEFORE_END = timedelta(days=7)
LATE_THIRD = timedelta(hours=24)
"""For how long after a stop a way of telling that was down still says so."""


@dataclass(frozen=True)
class Watched:
    """What is known of one export at a check: its attempts, its switch, and its end if it has one."""

    export: str
    attempts: Sequence[Attempt]
    is_on: bool
    started: datetime | None = None
    """When somebody last started it by hand: what failed before is forgiven."""
    ingests: Sequence[Attempt] = ()
    """Attempts at its source alone."""
    ends: tuple[date, datetime] | None = None
    """The declared day, and the instant at which its last window closes."""


@dataclass(frozen=True)
class Incident:
    """Failures that the customer has to mend, with no success between or after them."""

    first_run: str
    began: datetime
    last: Attempt
    """The newest of the failures."""
    failures: int
    is_settled: bool
    """Whether the last failure is the last word: nothing else has ended since, and no attempt is open."""


@dataclass(frozen=True)
class Notice:
    """One notice that is due to an export's owner."""

    export: str
    number: Number
    incident: Incident
    can_stop: bool
    """Whether the third notice comes with the stop."""
    next_mark: datetime | None
    """When the next notice, or the stop, is due; None after the last."""

    @property
    def says_stopped(self) -> bool:
        return self.number == 3 and self.can_stop


@dataclass(frozen=True)
class Trouble:
    """An export that fails for a reason that isn't its destination's owner's to mend."""

    export: str
    whose: Whose
    began: datetime
    last: Attempt
    failures: int


@dataclass(frozen=True)
class Ending:
    """An export whose declared end is near."""

    export: str
    end: date


@dataclass(frozen=True)
class Due:
    """All that one way of telling should say now, and its memory, less what is over."""

    notices: tuple[Notice, ...]
    troubles: tuple[Trouble, ...]
    """Every open one, as soon as one of them is due: one message for them all."""
    endings: tuple[Ending, ...]
    memory: Memory


def what_is_due(memory: Memory, watched: Iterable[Watched], now: datetime, third: Third) -> Due:
    """What is to be told now of all exports."""
    notices: list[Notice] = []
    troubles: list[Trouble] = []
    endings: list[Ending] = []
    everything = list(watched)
    memory = memory.of_exports(one.export for one in everything)
    for one in everything:
        memory = _less_what_is_over(memory, one, now)
        told = memory.incidents.get(one.export)
        incident = incident_of(one.attempts, told, since=one.started)
        if incident is None:
            memory = memory.without_incident(one.export)
        elif (one.is_on or told) and (number := due_number(incident, told, now, third)):
            notices.append(_notice(one.export, number, incident, now, can_stop=third != "tells"))
        trouble = trouble_of(one.export, one.attempts) or trouble_of(one.export, one.ingests)
        if one.is_on and trouble:
            troubles.append(trouble)
        if one.is_on and one.ends and _ends_soon(one.ends, memory.ends.get(one.export), now):
            endings.append(Ending(one.export, one.ends[0]))
    any_due = any(_is_due_again(memory.troubles.get(trouble.export), now) for trouble in troubles)
    return Due(tuple(notices), tuple(troubles) if any_due else (), tuple(endings), memory)


def incident_of(attempts: Sequence[Attempt], told: Told | None, *, since: datetime | None = None) -> Incident | None:
    """The open incident; what ended by `since` doesn't count. One that was told of keeps its beginning.

    It does though its runs be deleted, or lie outside of the attempts that were read.
    """
    finished = sorted((a for a in attempts if a.state in ("succeeded", "failed")), key=_ended)
    success = last_success(finished)
    floor = max((instant for instant in (since, success and success.ended) if instant), default=None)
    failures = [a for a in finished if a.whose == "customer" and (floor is None or _ended(a)[0] > floor)]
    if not failures:
        return None
    begins_before = told is not None and (floor is None or told.began > floor)
    return Incident(
        first_run=told.first_run if told and begins_before else failures[0].run_id,
        began=told.began if told and begins_before else _ended(failures[0])[0],
        last=failures[-1],
        failures=len(failures),
        is_settled=finished[-1] == failures[-1] and not any(a.is_open for a in attempts),
    )


def due_number(incident: Incident, told: Told | None, now: datetime, third: Third) -> Number | None:
    """The number of the notice that is due, None for none. Never two at once; each only once its forerunner arrived."""
    if told is None or told.first_run != incident.first_run:
        return 1
    if told.stopped:
        return None if 3 in told.accepted else 3
    if 3 in told.accepted or now < max(told.accepted.values()) + REST:
        return None
    if 2 not in told.accepted:
        return 2 if now >= incident.began + MARKS[2] else None
    return 3 if third != "follows" and is_final(incident) else None


def is_final(incident: Incident) -> bool:
    """Whether the last attempt has failed: one that ended after the 72-hour mark, with no other result since."""
    return incident.is_settled and _ended(incident.last)[0] >= incident.began + MARKS[3]


def is_stop_due(told: Told | None) -> bool:
    """Whether the owner was told three times and the export still isn't stopped."""
    return told is not None and 3 in told.accepted and told.stopped is None


def trouble_of(export: str, attempts: Sequence[Attempt]) -> Trouble | None:
    """What has failed since the last success, if that isn't the customer's to mend."""
    finished = sorted((a for a in attempts if a.state in ("succeeded", "failed")), key=_ended)
    success = last_success(finished)
    since = [a for a in finished if success is None or _ended(a) > _ended(success)]
    failures = [a for a in since if a.whose not in (None, "customer")]
    if not failures or finished[-1] != failures[-1]:
        return None
    last = failures[-1]
    return Trouble(export, last.whose or "ours", _ended(failures[0])[0], last, len(failures))


def accepted(memory: Memory, notice: Notice, now: datetime) -> Memory:
    """The memory after a notice was accepted."""
    told, incident = memory.incidents.get(notice.export), notice.incident
    if told is None or told.first_run != incident.first_run:
        told = Told(first_run=incident.first_run, began=incident.began)
    return memory.with_incident(
        notice.export, told.model_copy(update={"accepted": {**told.accepted, notice.number: now}})
    )


def stopped(memory: Memory, export: str, reason: Told, now: datetime) -> Memory:
    """The memory, of any way of telling, after we have stopped an export for an incident that its owner was told of."""
    told = memory.incidents.get(export)
    if told is None or told.first_run != reason.first_run:
        told = Told(first_run=reason.first_run, began=reason.began)
    return memory.with_incident(export, told.model_copy(update={"stopped": now}))


def _less_what_is_over(memory: Memory, one: Watched, now: datetime) -> Memory:
    """Forgets the incident of an export that is off, and a trouble that a success has ended.

    A way of telling that was down when we stopped the export still owes the third notice.
    """
    told, success = memory.incidents.get(one.export), last_success(one.attempts)
    owes = told is not None and told.stopped is not None and 3 not in told.accepted and now < told.stopped + LATE_THIRD
    if not one.is_on and not owes:
        memory = memory.without_incident(one.export)
    trouble = memory.troubles.get(one.export)
    if trouble and success and success.ended and success.ended > trouble:
        memory = memory.without_trouble(one.export)
    return memory


def _notice(export: str, number: Number, incident: Incident, now: datetime, *, can_stop: bool) -> Notice:
    following = {1: MARKS[2], 2: MARKS[3]}.get(number)
    next_mark = max(incident.began + following, now + REST) if following else None
    return Notice(export, number, incident, can_stop, next_mark)


def _is_due_again(told: datetime | None, now: datetime) -> bool:
    return told is None or now >= told + OPERATIONS_EVERY


def _ends_soon(ends: tuple[date, datetime], warned: date | None, now: datetime) -> bool:
    day, instant = ends
    return warned != day and instant - WARN_BEFORE_END <= now < instant


def _ended(attempt: Attempt) -> tuple[datetime, str]:
    return attempt.ended or attempt.launched, attempt.run_id
