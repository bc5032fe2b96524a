"""Sensors that keep a check of each delivery true between its runs: an evaluation where something changed."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dagster as dg

from ctexport_dagster.assets.delivery import delivery_key
from ctexport_dagster.line import Line

SECONDS = 300


@dataclass(frozen=True)
class Seen:
    """What a look at one export found: what is amiss in a word, empty where nothing is, and the check's result."""

    amiss: str
    result: dg.AssetCheckResult


def watching_sensor(
    name: str,
    lines: Sequence[Line],
    look: Callable[[dg.SensorEvaluationContext, Line], Seen],
    *,
    amiss: str,
    description: str,
) -> dg.SensorDefinition:
    """One sensor for all exports; `amiss` is what it calls those of which a look found something.

    A delivery evaluates the check itself; the sensor tells what no run would. An export that can't be looked at keeps
    what was told of it, and doesn't keep the others from being looked at.
    """

    @dg.sensor(
        name=name,
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=description,
    )
    def watching(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        before: dict[str, str] = json.loads(context.cursor) if context.cursor else {}
        now, changed, problems = dict[str, str](), list[dg.AssetCheckEvaluation](), list[Exception]()
        for line in lines:
            try:
                seen = look(context, line)
            except Exception as problem:
                context.log.error(f"{type(problem).__name__} was raised while looking at {line.name}")
                problems.append(problem)
                now |= {line.name: before[line.name]} if line.name in before else {}
                continue
            now |= {line.name: seen.amiss} if seen.amiss else {}
            if seen.amiss != before.get(line.name, ""):
                changed.append(_evaluation(line, seen.result))
        if problems and len(problems) == len(lines):
            raise problems[0]
        return dg.SensorResult(
            asset_events=changed,
            cursor=json.dumps(now, sort_keys=True),
            skip_reason=f"{amiss}: {len(now)} of {len(lines)} exports; changed since the last look: {len(changed)}",
        )

    return watching


def _evaluation(line: Line, result: dg.AssetCheckResult) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=delivery_key(line.name),
        check_name=result.check_name or "",
        passed=result.passed,
        severity=result.severity,
        metadata=result.metadata,
        description=result.description,
    )
