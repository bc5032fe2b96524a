"""The sensor `read_anew`: shows on the check of each delivery when its source isn't any more what was delivered."""

from collections.abc import Sequence

import dagster as dg

from ctexport_dagster.assets.checks import of_outdated
from ctexport_dagster.clock import Clock
from ctexport_dagster.findings.outdated import outdated_partitions
from ctexport_dagster.line import Line
from ctexport_dagster.sensors.watching import Seen, watching_sensor


def read_anew_sensor(lines: Sequence[Line], clock: Clock) -> dg.SensorDefinition:
    """Tells which partitions are outdated. It launches nothing: consumers have the files, and a person decides."""

    def look(_: dg.SensorEvaluationContext, line: Line) -> Seen:
        found = outdated_partitions(line, clock())
        return Seen("; ".join(f"{one.partition} {','.join(one.inputs)}" for one in found), of_outdated(found))

    return watching_sensor(
        "read_anew",
        lines,
        look,
        amiss="outdated",
        description="Marks the delivery of an export whose source was read anew since, and again once it is sent anew.",
    )
