"""The schedule of each export: when its windows are due, as cron, and the toggle by which it is stopped.

A tick launches what core/catch_up.py says is next for the export. It needn't fall on the very instant at which a
window is due: where clocks change, Dagster's reading of cron and ours may differ by an hour. A tick that comes too
early launches nothing, and what it leaves behind the catch-up sensor finds within a minute.
"""

from datetime import UTC

import dagster as dg

from ctexport_dagster.core.catch_up import Waits
from ctexport_dagster.core.interval import DAILY_HOURS
from ctexport_dagster.line import Line
from ctexport_dagster.running.planning import Ledger, Planner
from ctexport_dagster.running.requests import JOB, request_of


def schedule_of(line: Line, ledger: Ledger) -> dg.ScheduleDefinition:
    """The schedule that bears the export's name, on unless somebody stops it."""

    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        now = context.scheduled_execution_time.astimezone(UTC)
        decision = Planner(context.instance, now, ledger).next(line)
        if decision is None:
            return dg.SkipReason("everything that is due is delivered")
        return dg.SkipReason(decision.why) if isinstance(decision, Waits) else request_of(line, decision)

    return dg.ScheduleDefinition(
        name=line.name,
        cron_schedule=cron_of(line),
        execution_timezone=line.cadence.zone.key,
        job_name=JOB,
        execution_fn=tick,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=_description(line),
        tags={"ctexport/export": line.name},
    )


def cron_of(line: Line) -> str:
    """The wall-clock times at which the export's runs are due, in its time zone; of a one-time export, its one day."""
    at, cadence = line.export.schedule.at, line.cadence
    if line.export.schedule.is_once:
        due = line.due.due(cadence.first).astimezone(cadence.zone)
        return f"{due.minute} {due.hour} {due.day} {due.month} *"
    hours = sorted({(start + at.hour) % DAILY_HOURS for start in range(0, DAILY_HOURS, cadence.hours)})
    return f"{at.minute} {','.join(map(str, hours))} * * *"


def _description(line: Line) -> str:
    if line.refusal:
        return f"Disabled: {line.refusal}"
    if line.export.schedule.is_once:
        return (
            f"Runs once, for {line.cadence.start}: then or as soon as it is due. Stopped, it waits. Once that is"
            " delivered it never runs again, though cron, which knows no years, names a next tick."
        )
    return f"Runs every {line.cadence.hours} hours. Stopped, it waits; started again, it catches up on what it missed."
