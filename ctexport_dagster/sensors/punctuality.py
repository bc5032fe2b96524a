"""The sensor `punctuality`: shows on the check of each delivery when the newest partition that is due doesn't come.

Dagster's own freshness policies go by when an asset was last materialized, so an old day that is run again would make
today's look fresh; and its check of time partitions is superseded. Ours asks which windows are due and delivered.
"""

from collections.abc import Sequence

import dagster as dg

from ctexport_dagster.assets.checks import of_standing
from ctexport_dagster.clock import Clock
from ctexport_dagster.core.lateness import Standing
from ctexport_dagster.line import Line
from ctexport_dagster.running.switch import is_on
from ctexport_dagster.sensors.watching import Seen, watching_sensor


def punctuality_sensor(lines: Sequence[Line], clock: Clock) -> dg.SensorDefinition:
    """Tells that a partition is missing, or came after all."""

    def look(context: dg.SensorEvaluationContext, line: Line) -> Seen:
        found = line.standing(clock())
        if found.is_late and not is_on(context.instance, line.name):
            return Seen("", of_standing(None, line.cadence))  # somebody stopped it: nobody waits for it
        return Seen(_lateness(line, found), of_standing(found, line.cadence))

    return watching_sensor(
        "punctuality",
        lines,
        look,
        amiss="late",
        description="Marks the delivery of an export whose newest partition is late, and again once it has come.",
    )


def _lateness(line: Line, found: Standing) -> str:
    """How late an export is, as `late 2026-11-18`; empty where it isn't."""
    if found.newest is None or not found.is_late:
        return ""
    return f"{found.punctuality} {line.cadence.key_of(found.newest)}"
