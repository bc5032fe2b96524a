"""One partition of a declared home taken through all its stages by hand, without Dagster."""

from ctexport_dagster.cli.lines import line_of
from ctexport_dagster.engine import InProcess
from ctexport_dagster.home import Home
from ctexport_dagster.stages.chunks import format_partition
from ctexport_dagster.stages.delivery import deliver_partition
from ctexport_dagster.stages.identity import resolve_partition
from ctexport_dagster.stages.profiles import ingest_partition


def deliver_by_hand(home: Home, export: str, partition: str) -> None:
    """Ingests, resolves, formats and delivers a partition whose source has the same cadence."""
    line = line_of(home, export)
    source = line.source.open(home.surroundings)
    ingest_partition(line.source, source, partition, folders=line.folders, run_id="run")
    resolve_partition(line, partition, engine=InProcess(), run_id="run")
    format_partition(line, partition, engine=InProcess(), run_id="run")
    destination = home.destinations[line.export.destination].open(home.surroundings)
    deliver_partition(line, partition, destination, run_id="run")
