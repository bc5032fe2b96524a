"""One round of telling: what is due over each way of telling goes out, and what stops is stopped."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg

from ctexport_dagster.assets.attempts import attempt_tag, ingest_tag
from ctexport_dagster.core import mails
from ctexport_dagster.core.catch_up import Tried, patience
from ctexport_dagster.core.entitlement import Usage, is_warning_due, warned
from ctexport_dagster.core.history import Attempt
from ctexport_dagster.core.interval import instant_of
from ctexport_dagster.core.letter import Letter
from ctexport_dagster.core.notices import (
    Due,
    Notice,
    Third,
    Watched,
    accepted,
    is_stop_due,
    stopped,
    what_is_due,
)
from ctexport_dagster.core.settings import Settings
from ctexport_dagster.core.surroundings import Surroundings
from ctexport_dagster.core.told import Cursor, Memory
from ctexport_dagster.line import Line
from ctexport_dagster.resources.mail import SmtpMailer
from ctexport_dagster.resources.telling import Channel, NotSent
from ctexport_dagster.resources.webhook import HttpWebhook
from ctexport_dagster.running import switch
from ctexport_dagster.running.history import attempts_at, ingests_at, problem_of

LOOK_BACK = timedelta(days=14)
"""How far back attempts are read; an older incident is remembered with its beginning."""
SECONDS = 10
"""After so long over one way of telling, the rest waits for the next tick: Dagster ends one that takes more than a
minute, and what it has sent would be forgotten."""


@dataclass(frozen=True)
class Post:
    """The ways of telling of one home, and who is told."""

    mail: Channel | None = None
    webhook: Channel | None = None
    operations: str | None = None
    dagit_url: str | None = None

    @property
    def tells_anybody(self) -> bool:
        return self.mail is not None or self.webhook is not None


def post_of(settings: Settings, surroundings: Surroundings) -> Post:
    """What `settings.yaml` declares; opens nothing, and takes no secret from the environment yet."""
    environment = surroundings.environment
    return Post(
        mail=SmtpMailer(settings.mail, environment) if settings.mail else None,
        webhook=HttpWebhook(settings.webhook, environment) if settings.webhook else None,
        operations=settings.operations,
        dagit_url=settings.dagit_url,
    )


@dataclass(frozen=True)
class Outcome:
    """What a round did, in numbers, and the cursor with what it remembers."""

    cursor: Cursor
    sent: int
    unsent: int
    """Sent again at the next tick; what was refused for good waits for the next check."""
    stopped: int

    def __str__(self) -> str:
        return f"{self.sent} sent, {self.unsent} to be sent again, {self.stopped} stopped"


@dataclass
class _Sending:
    """Hands letters to one channel until it is down or the time is over; the rest counts as unsent."""

    channel: Channel
    now: datetime
    deadline: float
    warn: Callable[[str], None]
    is_down: bool = False
    sent: int = 0
    unsent: int = 0

    def send(self, letter: Letter, to: str) -> bool:
        if self.is_down or time.monotonic() > self.deadline:
            self.unsent += 1
            return False
        try:
            self.channel.send(letter, to=to, now=self.now)
        except NotSent as problem:
            self.warn(str(problem))
            self.is_down = problem.obstacle != "refused"
            self.unsent += self.is_down
            return False
        self.sent += 1
        return True


@dataclass(frozen=True)
class Round:
    """One look at every export, at one instant."""

    instance: dg.DagsterInstance
    lines: Sequence[Line]
    kinds: Mapping[str, str]
    """The type of each destination, by its name."""
    post: Post
    now: datetime
    warn: Callable[[str], None]
    usage: Usage | None = None
    """The year's volume; None where no entitlement is declared."""

    def tell(self, cursor: Cursor) -> Outcome:
        """Tells what is due. The mail comes first, for the stop hangs on it; the webhook follows what was done."""
        watched = self._watched(cursor)
        mail, webhook = cursor.mail, cursor.webhook
        sent = unsent = 0
        if self.post.mail:
            mail, sending = self._tell_over(self.post.mail, mail, watched, "stops")
            sent, unsent = sending.sent, sending.unsent
        told = {name: entry for name, entry in mail.incidents.items() if is_stop_due(entry)}
        done = [name for name in told if self._stop(name)]
        for name in done:
            mail, webhook = (stopped(memory, name, told[name], self.now) for memory in (mail, webhook))
        if self.post.webhook:
            third: Third = "follows" if self.post.mail else "tells"
            webhook, sending = self._tell_over(self.post.webhook, webhook, watched, third)
            sent, unsent = sent + sending.sent, unsent + sending.unsent
        after = cursor.model_copy(update={"mail": mail, "webhook": webhook})
        return Outcome(after, sent, unsent + len(told) - len(done), len(done))

    def _tell_over(
        self, channel: Channel, memory: Memory, watched: Sequence[Watched], third: Third
    ) -> tuple[Memory, _Sending]:
        due = what_is_due(memory, watched, self.now, third)
        sending = _Sending(channel, self.now, time.monotonic() + SECONDS, self.warn)
        memory = due.memory
        for notice in due.notices:
            line = self._line(notice.export)
            said = problem_of(self.instance, notice.incident.last.run_id)
            letter = mails.failing(notice, self._place(line), said, next_attempt=self._next_attempt(notice, watched))
            if sending.send(letter, line.export.owner):
                memory = accepted(memory, notice, self.now)
        for warning in due.endings:
            line = self._line(warning.export)
            if sending.send(mails.ending(warning, self._place(line)), line.export.owner):
                memory = memory.warned_of_end(warning.export, warning.end)
        for letter, to in self._to_operations(due, channel):
            if sending.send(letter, to):
                memory = memory.with_troubles([trouble.export for trouble in due.troubles], self.now)
        return self._tell_of_volume(sending, memory), sending

    def _tell_of_volume(self, sending: _Sending, memory: Memory) -> Memory:
        usage = self.usage
        if usage is None or not is_warning_due(usage, memory.volume) or not self._reaches_operations(sending.channel):
            return memory
        letter = mails.volume(usage, self.post.dagit_url)
        return memory.warned_of_volume(warned(usage)) if sending.send(letter, self.post.operations or "") else memory

    def _reaches_operations(self, channel: Channel) -> bool:
        """A webhook has its readers; a mail needs an address."""
        return channel is not self.post.mail or self.post.operations is not None

    def _to_operations(self, due: Due, channel: Channel) -> Iterator[tuple[Letter, str]]:
        if not due.troubles or not self._reaches_operations(channel):
            return
        places = {trouble.export: self._place(self._line(trouble.export)) for trouble in due.troubles}
        said = {t.last.run_id: problem_of(self.instance, t.last.run_id) for t in due.troubles[: mails.LISTED]}
        yield mails.troubles(due.troubles, places, said, self.post.dagit_url), self.post.operations or ""

    def _watched(self, cursor: Cursor) -> list[Watched]:
        """The attempts of those exports alone that failed of late, or that something was told of: most have not."""
        failed = self._tags_of_failures()
        told = {name for m in (cursor.mail, cursor.webhook) for name in (*m.incidents, *m.troubles)}
        tried = {
            line.name: self._attempts(line, cursor)
            if line.name in told or {attempt_tag(line.name), ingest_tag(line.source.name)} & failed
            else []
            for line in self.lines
        }
        for_exports = {attempt.run_id for attempts in tried.values() for attempt in attempts}
        sources = {line.source.name: line for line in self.lines if ingest_tag(line.source.name) in failed}
        ingests = {name: self._ingests(line, for_exports) for name, line in sources.items()}
        return [self._seen(line, tried[line.name], ingests.get(line.source.name, [])) for line in self.lines]

    def _tags_of_failures(self) -> set[str]:
        """The tags of runs that failed of late: they name exports and sources."""
        failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=self.now - LOOK_BACK)
        return {tag for run in self.instance.get_runs(failed) for tag in run.tags}

    def _seen(self, line: Line, attempts: Sequence[Attempt], ingests: Sequence[Attempt]) -> Watched:
        at, schedule = switch.switch_of(self.instance, line.name), line.export.schedule
        end = None if schedule.is_once else schedule.end or line.source.end
        return Watched(
            line.name,
            attempts,
            is_on=at.is_on,
            started=at.started,
            ingests=ingests,
            ends=(end, instant_of(line.cadence.zone, end, datetime.min.time())) if end else None,
        )

    def _attempts(self, line: Line, cursor: Cursor) -> list[Attempt]:
        told = [m.incidents[line.name].began for m in (cursor.mail, cursor.webhook) if line.name in m.incidents]
        since = min([self.now - LOOK_BACK, *told])
        return attempts_at(self.instance, line.name, line.cadence, since=since)

    def _ingests(self, line: Line, for_exports: Collection[str]) -> list[Attempt]:
        """Of runs that were for an export too, only those that succeeded: others may have failed after the source."""
        name, cadence = line.source.name, line.source.cadence
        found = ingests_at(self.instance, name, cadence, since=self.now - LOOK_BACK)
        return [attempt for attempt in found if attempt.state != "failed" or attempt.run_id not in for_exports]

    def _next_attempt(self, notice: Notice, watched: Sequence[Watched]) -> datetime | None:
        """When the catch-up sensor tries again; None where that is past, and the next tick of the sensor will do it."""
        (one,) = (one for one in watched if one.export == notice.export)
        last = notice.incident.last
        at = [attempt for attempt in one.attempts if attempt.partition == last.partition]
        waits = patience(Tried(at, started=one.started), now=self.now)
        return waits.until if waits else None

    def _stop(self, export: str) -> bool:
        """A stop that fails is tried again at the next tick; this one must end well, or its mails would go out anew."""
        try:
            switch.stop(self.instance, export)
        except Exception as problem:
            self.warn(f"Stopping {export}: {type(problem).__name__}; it is tried again.")
            return False
        return True

    def _line(self, export: str) -> Line:
        return next(line for line in self.lines if line.name == export)

    def _place(self, line: Line) -> mails.Place:
        destination = line.export.destination
        return mails.Place(
            line.name, destination, self.kinds.get(destination, ""), line.cadence.zone, self.post.dagit_url
        )
