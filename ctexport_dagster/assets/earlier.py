"""What earlier partitions of an export said of themselves, read back from the events of their materializations."""

from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg

from ctexport_dagster.core.figures import Figures
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.manifest import Mode
from ctexport_dagster.line import Line
from ctexport_dagster.partitions import dagster_key

ROWS = "dagster/partition_row_count"
MODE = "mode"
BLANKS = "blank values"
LOOK_BACK = 30
"""How many partitions are looked at: enough for fourteen of one mode, as a rule, and as many as the plot shows."""
_PAGE = 100


@dataclass(frozen=True)
class PartitionFigures:
    """One partition, by the export's own key, with what its last materialization told."""

    partition: str
    mode: Mode
    figures: Figures


def earlier_partitions(
    instance: dg.DagsterInstance, asset: dg.AssetKey, line: Line, window: Interval
) -> list[PartitionFigures]:
    """Up to thirty partitions before a window, oldest first; those that were never materialized are left out."""
    keys = _keys_before(line, window)
    latest = _latest_metadata(instance, asset, list(keys.values()))
    found = ((partition, latest[key]) for partition, key in keys.items() if key in latest)
    return [told for partition, metadata in found if (told := _told(partition, metadata))]


def _keys_before(line: Line, window: Interval) -> dict[str, str]:
    """The export's key → Dagster's, of the partitions before a window, oldest first."""
    keys: list[tuple[str, str]] = []
    before = line.cadence.before(window)
    while before and len(keys) < LOOK_BACK:
        keys.append((line.cadence.key_of(before), dagster_key(line.cadence, before)))
        before = line.cadence.before(before)
    return dict(reversed(keys))


def _latest_metadata(
    instance: dg.DagsterInstance, asset: dg.AssetKey, keys: list[str]
) -> dict[str, Mapping[str, dg.MetadataValue]]:
    """Dagster's key → metadata of its newest materialization, among the newest hundred of all these keys."""
    if not keys:
        return {}
    latest: dict[str, Mapping[str, dg.MetadataValue]] = {}
    records = dg.AssetRecordsFilter(asset_key=asset, asset_partitions=keys)
    for record in instance.fetch_materializations(records, limit=_PAGE).records:
        if record.partition_key and record.asset_materialization:
            latest.setdefault(record.partition_key, record.asset_materialization.metadata)
    return latest


def _told(partition: str, metadata: Mapping[str, dg.MetadataValue]) -> PartitionFigures | None:
    """None where the materialization tells no figures: it was reported by hand, or by an older version."""
    rows, mode, blanks = metadata.get(ROWS), metadata.get(MODE), metadata.get(BLANKS)
    if not isinstance(rows, dg.IntMetadataValue) or rows.value is None or not isinstance(mode, dg.TextMetadataValue):
        return None
    counts = blanks.data if isinstance(blanks, dg.JsonMetadataValue) and isinstance(blanks.data, dict) else {}
    by_header = {str(header): blank for header, blank in counts.items() if isinstance(blank, int)}
    return PartitionFigures(
        partition, "full" if mode.value == "full" else "incremental", Figures(rows.value, by_header)
    )
