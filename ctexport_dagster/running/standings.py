"""How exports stand, read from Dagster's runs and schedules, and from what was delivered."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import dagster as dg

from ctexport_dagster.core.history import Attempt
from ctexport_dagster.core.status import Standing, standing
from ctexport_dagster.line import Line
from ctexport_dagster.running.history import attempts_at, open_work, without_source
from ctexport_dagster.running.switch import Switch, switches


def standings(instance: dg.DagsterInstance, lines: Iterable[Line], now: datetime) -> Mapping[str, Standing]:
    """The status of each export, by name. Asks for the runs of those alone of which something is due."""
    running, known = open_work(instance).running, switches(instance)
    return {
        line.name: standing_of(
            line, now, _attempts(instance, line, now), known.get(line.name, Switch()), is_running=line.name in running
        )
        for line in lines
    }


def standing_of(
    line: Line, now: datetime, attempts: Iterable[Attempt], switch: Switch, *, is_running: bool
) -> Standing:
    """The status of one export."""
    return standing(
        attempts,
        undelivered=frozenset(line.cadence.key_of(window) for window in line.undelivered(now)),
        is_over=line.due.next_due(now) is None,
        is_running=is_running,
        is_on=switch.is_on,
        refusal=line.refusal,
    )


def _attempts(instance: dg.DagsterInstance, line: Line, now: datetime) -> list[Attempt]:
    undelivered = line.undelivered(now)
    if not undelivered:
        return []
    of_source = without_source(instance, line.name, line.cadence, undelivered)
    return [*attempts_at(instance, line.name, line.cadence), *of_source]
