"""The sensors that watch for failures: one marks each failed run where people look, one tells those who must know."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from ctexport_dagster.assets.attempts import LAST_STAGE
from ctexport_dagster.clock import Clock
from ctexport_dagster.core.told import Cursor
from ctexport_dagster.line import Line
from ctexport_dagster.running.history import PARTITION, Problem, problem_of
from ctexport_dagster.running.requests import export_keys, source_keys
from ctexport_dagster.sensors.telling import Post, Round
from ctexport_dagster.volumes import UsageAt, nothing_is_counted

CHECK_EVERY = timedelta(hours=1)
"""How often every export is looked at. Source: REQUIREMENTS S11."""
LOOK_SECONDS = 60
"""How often it is looked whether a run has failed, or a message waits to be sent again."""
OVERLAP = timedelta(minutes=2)
"""A run that failed just before a check may have been stored just after it."""
FAILURE = "ctexport/failure"
"""The tag of a failed run that says what happened, in the list of runs."""
_TAG_CHARACTERS = 200


def failure_sensors(
    lines: Sequence[Line],
    kinds: Mapping[str, str],
    post: Post,
    clock: Clock,
    usage_at: UsageAt = nothing_is_counted,
) -> list[dg.SensorDefinition]:
    """Both sensors, running by default; `kinds` is the type of each destination by its name."""
    return [flag_sensor(lines), notices_sensor(lines, kinds, post, clock, usage_at)]


def flag_sensor(lines: Sequence[Line]) -> dg.SensorDefinition:
    """Marks each failed run, `ctexport run`'s too: a tag on the run, an observation on its assets."""
    ours = {key for line in lines for key in _keys(line)}

    @dg.run_failure_sensor(
        name="failed_runs",
        description="Says what happened on each failed run, and on the asset and partition that it was about.",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        monitor_all_code_locations=True,
    )
    def failed_runs(context: dg.RunFailureSensorContext) -> None:
        flag(context.instance, context.dagster_run, ours)

    return failed_runs


def flag(instance: dg.DagsterInstance, run: dg.DagsterRun, ours: Collection[dg.AssetKey]) -> None:
    """Marks one failed run, on the asset that failed and on the deliveries that therefore didn't come about.

    Runs of other assets than ours are left alone.
    """
    assets = [key for key in sorted(run.asset_selection or ()) if key in ours]
    if not assets:
        return
    problem = problem_of(instance, run.run_id)
    said = f"{problem.attempted}: {problem.happened}" if problem else "the run ended without a word"
    instance.add_run_tags(run.run_id, {FAILURE: said[:_TAG_CHARACTERS]})
    for asset in assets:
        if asset.path[-1] == LAST_STAGE or (problem and asset.to_python_identifier() == problem.asset):
            instance.report_runless_asset_event(
                dg.AssetObservation(
                    asset, partition=run.tags.get(PARTITION), description=said, metadata=_words(run, problem)
                )
            )


def notices_sensor(
    lines: Sequence[Line],
    kinds: Mapping[str, str],
    post: Post,
    clock: Clock,
    usage_at: UsageAt = nothing_is_counted,
) -> dg.SensorDefinition:
    """Tells owners and operations, and stops an export on its third day of failing."""

    @dg.sensor(
        name="failure_notices",
        description=(
            "Looks at every export hourly, and at once when a run has failed. Tells owners of what they have to mend,"
            " after 24 hours again, and after 72 hours, when the export is stopped. Tells operations of all else, and"
            " when most of the year's entitlement is used."
        ),
        minimum_interval_seconds=LOOK_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def failure_notices(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now, cursor = clock().astimezone(UTC), Cursor.read(context.cursor)
        if not post.tells_anybody:
            return _skipped("settings.yaml declares neither mail nor webhook: nobody is told, nothing is stopped")
        if not is_check_due(context.instance, cursor.checked, now):
            return _skipped("no run has failed since the last check")
        outcome = Round(context.instance, lines, kinds, post, now, context.log.warning, usage_at(now)).tell(cursor)
        checked = None if outcome.unsent else now
        return dg.SensorResult(
            skip_reason=dg.SkipReason(
                f"{outcome.sent} sent, {outcome.unsent} to be sent again, {outcome.stopped} stopped"
            ),
            cursor=outcome.cursor.model_copy(update={"checked": checked}).write(),
        )

    return failure_notices


def is_check_due(instance: dg.DagsterInstance, checked: datetime | None, now: datetime) -> bool:
    """Whether an hour has passed, something waits to be sent again (`checked` is None), or a run failed meanwhile."""
    if checked is None or now >= checked + CHECK_EVERY:
        return True
    failed = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=checked - OVERLAP)
    return bool(instance.get_run_records(failed, limit=1))


def _skipped(why: str) -> dg.SensorResult:
    return dg.SensorResult(skip_reason=dg.SkipReason(why))


def _keys(line: Line) -> tuple[dg.AssetKey, ...]:
    return (*source_keys(line), *export_keys(line))


def _words(run: dg.DagsterRun, problem: Problem | None) -> dict[str, dg.MetadataValue]:
    words = {"cause": problem.cause, "fix": problem.fix, "code": problem.code} if problem else {}
    return {
        "run": dg.MetadataValue.dagster_run(run.run_id),
        **{name: dg.MetadataValue.text(text) for name, text in words.items() if text},
    }
