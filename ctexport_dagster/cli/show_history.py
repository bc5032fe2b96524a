"""What `ctexport show` tells of an export's past: how it stands, its runs, and what it delivered day by day."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ctexport_dagster.cli.refused import ShownRefused, shown_refused
from ctexport_dagster.cli.standings import has_dagster, standings_of
from ctexport_dagster.core.delivery.record import latest_manifest
from ctexport_dagster.findings.misnamed import misnamed
from ctexport_dagster.findings.outdated import FAR_BACK, Outdated, outdated_partitions
from ctexport_dagster.findings.refused import newest_refused
from ctexport_dagster.home import Home
from ctexport_dagster.line import Line

if TYPE_CHECKING:
    from ctexport_dagster.core.history import Attempt
    from ctexport_dagster.running.history import Problem

DAYS = 14
RUNS = 10
MENDED_BY = {"customer": "the owner", "input": "the source", "transient": "waiting", "ours": "operations"}
"""Whose a failure is, as people are told."""
_BAR_WIDTH = 40


@dataclass(frozen=True)
class ShownRun:
    """One attempt at a partition; instants in UTC, `whose` and `happened` empty unless it failed."""

    run_id: str
    partition: str
    state: str
    launched: str
    ended: str
    whose: str
    happened: str = ""


@dataclass(frozen=True)
class Volume:
    """What was delivered for the windows of one day, in the newest generation of each."""

    day: str
    partitions: int
    rows: int
    files: int
    bytes: int


@dataclass(frozen=True)
class ShownHistory:
    """How an export stands at an instant; `next_run` is empty after the last one, and while it is stopped."""

    status: str
    attention: str
    next_run: str
    edits: tuple[str, ...]
    runs: tuple[ShownRun, ...]
    volume: tuple[Volume, ...]
    outdated: tuple[Outdated, ...]
    refused: tuple[ShownRefused, ...]
    """The newest first."""
    misnamed: tuple[str, ...]
    """Declared names that nothing of the source has answered to."""


def shown_history(home: Home, line: Line, now: datetime) -> ShownHistory:
    """The last runs, newest first, and the last days on which anything was delivered, oldest first."""
    stands = standings_of(home, [line], now)[line.name]
    due = line.due.next_due(now) if stands.status != "Stopped" else None
    return ShownHistory(
        status=stands.status,
        attention=stands.attention,
        next_run=_instant(due),
        edits=tuple(map(str, line.edits)),
        runs=_runs(home, line, now),
        volume=_volume(line, now),
        outdated=tuple(outdated_partitions(line, now, most=FAR_BACK)),
        refused=shown_refused(newest_refused(line)[::-1]),
        misnamed=tuple(misnamed(line)),
    )


def bars(amounts: Iterable[int]) -> list[str]:
    """One bar for each amount, the largest of full width; an amount that isn't nothing is at least a dot."""
    known = list(amounts)
    largest = max(known, default=0) or 1
    return ["█" * (known_one * _BAR_WIDTH // largest) or ("·" if known_one else "") for known_one in known]


def _runs(home: Home, line: Line, now: datetime) -> tuple[ShownRun, ...]:
    if not has_dagster(home):
        return ()
    from ctexport_dagster.instance import dagster_home, open_instance
    from ctexport_dagster.running.history import attempts_at, problem_of, without_source  # takes seconds

    with open_instance(dagster_home(home.state, os.environ), os.environ) as instance:
        of_source = without_source(instance, line.name, line.cadence, line.undelivered(now))
        attempts = sorted([*attempts_at(instance, line.name, line.cadence), *of_source], key=lambda a: a.launched)
        newest = attempts[: -RUNS - 1 : -1]
        problems = {a.run_id: problem_of(instance, a.run_id) for a in newest if a.state == "failed"}
    return tuple(_shown_run(attempt, problems.get(attempt.run_id)) for attempt in newest)


def _shown_run(attempt: "Attempt", problem: "Problem | None") -> ShownRun:
    return ShownRun(
        run_id=attempt.run_id,
        partition=attempt.partition,
        state=attempt.state,
        launched=_instant(attempt.launched),
        ended=_instant(attempt.ended),
        whose=attempt.whose or "",
        happened=f"{problem.attempted}: {problem.happened}" if problem else "",
    )


def reasons(runs: Sequence[ShownRun]) -> list[str]:
    """Why the partitions failed whose newest run did, the newest run first."""
    newest: dict[str, ShownRun] = {}
    for run in runs:
        newest.setdefault(run.partition, run)
    return [f"! {run.partition}: {run.happened}" for run in newest.values() if run.happened]


def _volume(line: Line, now: datetime) -> tuple[Volume, ...]:
    """The newest days with a delivery, looked for from the newest window back."""
    by_day: dict[str, Volume] = {}
    for window in reversed(line.due.until(now)):
        day = window.start.astimezone(line.cadence.zone).date().isoformat()
        if day not in by_day and len(by_day) == DAYS:
            break
        manifest = latest_manifest(line.record(line.cadence.key_of(window)))
        if manifest is None:
            continue
        so_far = by_day.get(day, Volume(day, 0, 0, 0, 0))
        by_day[day] = Volume(
            day,
            so_far.partitions + 1,
            so_far.rows + manifest.rows.exported,
            so_far.files + len(manifest.files),
            so_far.bytes + manifest.bytes,
        )
    return tuple(sorted(by_day.values(), key=lambda volume: volume.day))


def printed_volume(volume: Sequence[Volume]) -> list[tuple[str, str, str, str]]:
    """Day, rows, bytes and bar of each day."""
    drawn = bars(one.rows for one in volume)
    return [(one.day, f"{one.rows:,}", f"{one.bytes:,}", bar) for one, bar in zip(volume, drawn, strict=True)]


def printed_outdated(outdated: Sequence[Outdated]) -> list[tuple[str, str, str]]:
    """Partition, what was read anew of it, and what to run."""
    return [(one.partition, ", ".join(one.inputs), one.command) for one in outdated]


def _instant(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}" if instant else ""
