"""Ends runs whose process is gone: killed, or lost with its machine. Dagster's own launcher on one machine can't tell.

A run at work holds the lock of its export or of its source but for the moments between two assets. One that has said
nothing for a while and whose locks are all free is dead. Left alone it would count as at work for ever, and block its
export and its place in the pool.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
from filelock import FileLock, Timeout

from ctexport_dagster.assets.attempts import attempt_tag, ingest_tag, tags_of_assets
from ctexport_dagster.line import Line

SILENCE = timedelta(minutes=5)
_AT_WORK = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def end_dead_runs(instance: dg.DagsterInstance, lines: Iterable[Line], *, now: datetime) -> list[str]:
    """Marks the dead among the runs of these exports as failed, or canceled where that was asked; gives their ids."""
    ended: list[str] = []
    runs = instance.get_runs(dg.RunsFilter(statuses=_AT_WORK))
    for run in runs:
        locks = list(_locks(run, lines))
        if locks and _is_silent(instance, run.run_id, now) and all(map(_is_free, locks)):
            _end(instance, run)
            ended.append(run.run_id)
    return ended


def _end(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    said = "The run's process ended without a word: it was killed, or its machine went down."
    if run.status == dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run, said)
    else:
        instance.report_run_failed(run, said)


def _is_silent(instance: dg.DagsterInstance, run_id: str, now: datetime) -> bool:
    last = instance.get_records_for_run(run_id, limit=1, ascending=False).records
    return bool(last) and now - datetime.fromtimestamp(last[0].timestamp, UTC) > SILENCE


def _locks(run: dg.DagsterRun, lines: Iterable[Line]) -> Iterator[FileLock]:
    tags = {*run.tags, *tags_of_assets(run.asset_selection or ())}
    for line in lines:
        if attempt_tag(line.name) in tags:
            yield line.folders.lock("export", line.name)
        if ingest_tag(line.source.name) in tags:
            for content in line.source.contents:
                yield line.folders.ingest_lock(line.source.name, content)


def _is_free(lock: FileLock) -> bool:
    try:
        with lock:
            return True
    except Timeout:
        return False
