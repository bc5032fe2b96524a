"""The sensor `catch_up`: runs what failed or was missed again, and one-time exports. Its rules: core/catch_up.py."""

from collections.abc import Collection, Sequence

import dagster as dg

from ctexport_dagster.clock import Clock
from ctexport_dagster.core.catch_up import Launch, Waits
from ctexport_dagster.line import Line
from ctexport_dagster.running.dead_runs import end_dead_runs
from ctexport_dagster.running.planning import Ledger, Planner, launches, oldest_first
from ctexport_dagster.running.pools import limit_pools
from ctexport_dagster.running.requests import JOB, request_of

SECONDS = 30
MOST_LAUNCHES = 10
"""In one tick: the queue stays short, so that what is launched by hand needn't wait long."""
_TOLD = 10


def catch_up_sensor(
    lines: Sequence[Line], ledger: Ledger, clock: Clock, *, pools: Collection[str] = ()
) -> dg.SensorDefinition:
    """One sensor for all exports: a look costs little where nothing is due. `pools` are those of all assets."""

    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        now = clock()
        limit_pools(context.instance, pools)
        for run_id in end_dead_runs(context.instance, lines, now=now):
            context.log.warning(f"run {run_id} had ended without a word; it counts as failed")
        planner = Planner(context.instance, now, ledger)
        found, problems = list[tuple[Line, Launch]](), list[Exception]()
        for question in launches(planner, lines):
            try:
                found += [answer] if (answer := question()) else []
            except Exception as problem:
                context.log.error(f"{type(problem).__name__} was raised while looking for what to launch")
                problems.append(problem)
        if problems and not found:
            raise problems[0]
        requests = [request_of(line, launch) for line, launch in oldest_first(found)[:MOST_LAUNCHES]]
        return dg.SensorResult(run_requests=requests) if requests else dg.SkipReason(_why(planner.waits))

    return dg.SensorDefinition(
        name="catch_up",
        job_name=JOB,
        evaluation_fn=look,
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Runs what is due and not delivered, the oldest partition first: what a schedule missed, what failed (after"
            " 5 minutes, then 10, 20, 40, then hourly), and one-time exports. Sources come before their exports."
        ),
    )


def _why(waits: Sequence[tuple[str, Waits]]) -> str:
    if not waits:
        return "everything that is due is delivered"
    told = [
        f"{export}: {wait.why}" + (f" at {wait.until:%Y-%m-%d %H:%M}Z" if wait.until else "") for export, wait in waits
    ]
    more = [f"and {len(told) - _TOLD} more"] if len(told) > _TOLD else []
    return "; ".join([*told[:_TOLD], *more])
