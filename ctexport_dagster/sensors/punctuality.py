"""The sensor `punctuality`: shows on the check of each delivery when the newest partition that is due doesn't come.

Dagster's own freshness policies go by when an asset was last materialized, so an old day that is run again would make
today's look fresh; and its check of time partitions is superseded. Ours asks which windows are due and delivered.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

import dagster as dg

from ctexport_dagster.assets.checks import of_standing
from ctexport_dagster.assets.delivery import delivery_key
from ctexport_dagster.clock import Clock
from ctexport_dagster.core.lateness import Standing
from ctexport_dagster.line import Line
from ctexport_dagster.running.switch import is_on

SECONDS = 300


def punctuality_sensor(lines: Sequence[Line], clock: Clock) -> dg.SensorDefinition:
    """One sensor for all exports; it writes an evaluation only where something has changed.

    A delivery evaluates the check itself; the sensor tells what no run would: that one is missing, or came after all.
    """

    @dg.sensor(
        name="punctuality",
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Marks the delivery of an export whose newest partition is late, and again once it has come.",
    )
    def punctuality(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        before, now = _told(context.cursor), clock()
        standings = {line.name: _standing(context.instance, line, now) for line in lines}
        late = {line.name: how for line in lines if (how := _lateness(line, standings[line.name]))}
        changed = [line for line in lines if late.get(line.name) != before.get(line.name)]
        return dg.SensorResult(
            asset_events=[_evaluation(line, standings[line.name]) for line in changed],
            cursor=json.dumps(late, sort_keys=True),
            skip_reason=f"late: {len(late)} of {len(lines)} exports; changed since the last look: {len(changed)}",
        )

    return punctuality


def _told(cursor: str | None) -> Mapping[str, str]:
    """The exports that were late at the last look, and how late."""
    return json.loads(cursor) if cursor else {}


def _standing(instance: dg.DagsterInstance, line: Line, now: datetime) -> Standing | None:
    """None for an export that somebody stopped: nobody waits for it."""
    found = line.standing(now)
    return None if found.is_late and not is_on(instance, line.name) else found


def _lateness(line: Line, found: Standing | None) -> str:
    """How late an export is, as `late 2026-11-18`; empty where it isn't."""
    if found is None or found.newest is None or not found.is_late:
        return ""
    return f"{found.punctuality} {line.cadence.key_of(found.newest)}"


def _evaluation(line: Line, found: Standing | None) -> dg.AssetCheckEvaluation:
    result = of_standing(found, line.cadence)
    return dg.AssetCheckEvaluation(
        asset_key=delivery_key(line.name),
        check_name=result.check_name or "",
        passed=result.passed,
        severity=result.severity,
        metadata=result.metadata,
        description=result.description,
    )
