"""Reads what was attempted for an export from Dagster's own runs: the one truth about them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from ctexport_dagster.assets.attempts import WHOSE, attempt_tag, ingest_tag, needed_by_tag, tags_of_assets
from ctexport_dagster.core.history import Attempt, AttemptState, Whose
from ctexport_dagster.core.interval import Cadence, Interval
from ctexport_dagster.partitions import dagster_key, window_of_key

PARTITION = "dagster/partition"

_STATES: dict[dg.DagsterRunStatus, AttemptState] = {
    dg.DagsterRunStatus.QUEUED: "waiting",
    dg.DagsterRunStatus.NOT_STARTED: "waiting",
    dg.DagsterRunStatus.MANAGED: "waiting",
    dg.DagsterRunStatus.STARTING: "running",
    dg.DagsterRunStatus.STARTED: "running",
    dg.DagsterRunStatus.CANCELING: "running",
    dg.DagsterRunStatus.SUCCESS: "succeeded",
    dg.DagsterRunStatus.FAILURE: "failed",
    dg.DagsterRunStatus.CANCELED: "canceled",
}
OPEN = [status for status, state in _STATES.items() if state in ("waiting", "running")]
_WHOSE: dict[str, Whose] = {"customer": "customer", "transient": "transient", "ours": "ours", "input": "input"}


def attempts_at(
    instance: dg.DagsterInstance,
    export: str,
    cadence: Cadence,
    *,
    since: datetime | None = None,
    window: Interval | None = None,
) -> list[Attempt]:
    """Every attempt at the export's partitions, or at that of one window, oldest first.

    `since` leaves out runs last touched before it. Runs whose partition isn't one of the cadence's (a range, or a key
    from before an edit) are left out.
    """
    return _attempts(instance, attempt_tag(export), cadence, since=since, window=window)


def ingests_at(
    instance: dg.DagsterInstance,
    source: str,
    cadence: Cadence,
    window: Interval | None = None,
    *,
    since: datetime | None = None,
) -> list[Attempt]:
    """Every run that was to write a source's partitions, or that of one window, oldest first, as `attempts_at`.

    One that was to deliver an export too may have failed later than that.
    """
    return _attempts(instance, ingest_tag(source), cadence, since=since, window=window)


def without_source(
    instance: dg.DagsterInstance, export: str, cadence: Cadence, windows: Iterable[Interval]
) -> list[Attempt]:
    """The failed attempts at these windows that ended at the source, before a run of the export began; oldest first."""
    tag, keys = needed_by_tag(export), {dagster_key(cadence, window): cadence.key_of(window) for window in windows}
    if not keys:
        return []
    filters = dg.RunsFilter(tags={tag: list(keys)}, statuses=[dg.DagsterRunStatus.FAILURE])
    records = instance.get_run_records(filters, ascending=True)
    return [_as_told(record, keys[record.dagster_run.tags[tag]]) for record in records]


@dataclass(frozen=True)
class OpenWork:
    """What runs are at work on, or wait to be: exports by name, and partitions of sources by Dagster's key."""

    exports: frozenset[str]
    ingests: frozenset[tuple[str, str]]
    running: frozenset[str]
    """Those of the exports whose run has begun."""


def open_work(instance: dg.DagsterInstance) -> OpenWork:
    """What is open now. Runs launched in Dagit carry no tag of ours before they begin: their assets tell."""
    exports, ingests, running = set[str](), set[tuple[str, str]](), set[str]()
    for run in instance.get_runs(dg.RunsFilter(statuses=OPEN)):
        for tag in (*tags_of_assets(run.asset_selection or ()), *run.tags):
            if tag.startswith(attempt_tag("")):
                exports.add(export := tag.removeprefix(attempt_tag("")))
                if _STATES[run.status] == "running":
                    running.add(export)
            elif tag.startswith(ingest_tag("")):
                ingests.add((tag.removeprefix(ingest_tag("")), run.tags.get(PARTITION, "")))
    return OpenWork(frozenset(exports), frozenset(ingests), frozenset(running))


def _attempts(
    instance: dg.DagsterInstance, tag: str, cadence: Cadence, *, since: datetime | None, window: Interval | None
) -> list[Attempt]:
    at = {PARTITION: dagster_key(cadence, window)} if window else {}
    filters = dg.RunsFilter(tags={tag: "yes", **at}, updated_after=since)
    found = (_attempt(record, cadence) for record in instance.get_run_records(filters, ascending=True))
    return [attempt for attempt in found if attempt is not None]


@dataclass(frozen=True)
class Problem:
    """What a failed run says of itself, for people: sentences without a value or a secret."""

    asset: str
    attempted: str
    happened: str
    cause: str
    fix: str
    code: str


def problem_of(instance: dg.DagsterInstance, run_id: str) -> Problem | None:
    """The first failed asset's own words; None where the run died without any."""
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE):
        event = entry.get_dagster_event()
        given = event.step_failure_data.user_failure_data
        if given is None:
            continue
        words = {name: str(value.value) for name, value in given.metadata.items()}
        return Problem(
            asset=event.step_key or "",
            attempted=words.get("attempted", ""),
            happened=words.get("happened", given.description or ""),
            cause=words.get("cause", ""),
            fix=words.get("next step", ""),
            code=words.get("code", words.get("kind", "")),
        )
    return None


def _attempt(record: dg.RunRecord, cadence: Cadence) -> Attempt | None:
    run = record.dagster_run
    try:
        window = window_of_key(cadence, run.tags[PARTITION])
        partition = cadence.key_of(window)
    except (KeyError, ValueError, dg.DagsterInvariantViolationError):
        return None
    return _as_told(record, partition)


def _as_told(record: dg.RunRecord, partition: str) -> Attempt:
    """What a run says of itself, as an attempt at a partition."""
    run = record.dagster_run
    state = _STATES[run.status]
    return Attempt(
        run_id=run.run_id,
        partition=partition,
        state=state,
        launched=record.create_timestamp.astimezone(UTC),
        ended=datetime.fromtimestamp(record.end_time, UTC) if record.end_time else None,
        whose=_WHOSE.get(run.tags.get(WHOSE, ""), "ours") if state == "failed" else None,
    )
