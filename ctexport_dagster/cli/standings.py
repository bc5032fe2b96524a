"""How exports stand, for commands: Dagster is imported only where it has ever run for this home."""

import os
from collections.abc import Mapping, Sequence
from datetime import datetime

from ctexport_dagster.core.status import Standing, standing
from ctexport_dagster.home import Home
from ctexport_dagster.line import Line


def standings_of(home: Home, lines: Sequence[Line], now: datetime) -> Mapping[str, Standing]:
    """The status of each export, by name."""
    if not has_dagster(home):
        return {line.name: _before_any_run(line, now) for line in lines}
    from ctexport_dagster.instance import dagster_home, open_instance  # Dagster takes seconds to import
    from ctexport_dagster.running.standings import standings

    with open_instance(dagster_home(home.state, os.environ), os.environ) as instance:
        return standings(instance, lines, now)


def has_dagster(home: Home) -> bool:
    """Whether the home has a Dagster instance by now."""
    return bool(os.environ.get("DAGSTER_HOME")) or (home.state / "dagster").is_dir()


def _before_any_run(line: Line, now: datetime) -> Standing:
    due = frozenset(line.cadence.key_of(window) for window in line.due.until(now))
    is_over = line.due.next_due(now) is None
    return standing([], undelivered=due, is_over=is_over, is_on=True, is_running=False, refusal=line.refusal)
