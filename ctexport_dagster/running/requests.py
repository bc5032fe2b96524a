"""Launches as Dagster's run requests: which assets, which partition, and the tags by which history finds the run."""

import dagster as dg

from ctexport_dagster.assets.attempts import tags_of_assets
from ctexport_dagster.assets.chunks import chunks_key
from ctexport_dagster.assets.delivery import delivery_key
from ctexport_dagster.core.catch_up import IngestRun, Launch
from ctexport_dagster.line import Line
from ctexport_dagster.partitions import dagster_key

JOB = "__ASSET_JOB"
"""Dagster's own job of all assets, as which Dagit launches them too: a job for each export would be built, and loaded,
for nothing but its name."""


def export_keys(line: Line) -> list[dg.AssetKey]:
    """The assets of an export, in the order in which they are made."""
    return list(
        dict.fromkeys([dg.AssetKey([line.name, line.first_stage]), chunks_key(line.name), delivery_key(line.name)])
    )


def source_keys(line: Line) -> list[dg.AssetKey]:
    """The assets of its source that an export stands on."""
    return [dg.AssetKey([line.source.name, asset]) for asset in line.inputs]


def request_of(line: Line, launch: Launch) -> dg.RunRequest:
    """What Dagster is asked to run. A request of the same key is never run twice by the same sensor."""
    sources = source_keys(line)
    if isinstance(launch, IngestRun):
        keys, partition = sources, dagster_key(line.source.cadence, launch.partition)
        name = " ".join("/".join(key.path) for key in sources)
    else:
        keys = [*(sources if launch.with_source else []), *export_keys(line)]
        partition, name = dagster_key(line.cadence, launch.window), line.name
    return dg.RunRequest(
        run_key=f"{name} {partition} {launch.number}",
        partition_key=partition,
        asset_selection=keys,
        tags=tags_of_assets(keys),
    )
