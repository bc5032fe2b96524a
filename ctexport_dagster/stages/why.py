"""Why a profile is in a partition of an export, or isn't: the names of the fields that changed, never their values."""

from dataclasses import dataclass
from typing import Literal

from ctexport_dagster.core.changes import changed_fields
from ctexport_dagster.core.manifest import Mode
from ctexport_dagster.core.versions import mode_of
from ctexport_dagster.line import ProfileLine

Verdict = Literal["created", "updated", "unchanged", "deleted", "unknown"]


@dataclass(frozen=True)
class Reasons:
    """`verdict` is what the window did to the profile; `fields` are those that differ between its start and its end."""

    partition: str
    mode: Mode
    verdict: Verdict
    fields: tuple[str, ...]

    @property
    def is_exported(self) -> bool:
        return self.verdict in ("created", "updated") or (self.mode == "full" and self.verdict == "unchanged")


def why(line: ProfileLine, partition: str, clevertap_id: str) -> Reasons:
    """What the window of a partition did to one profile.

    Raises:
        PartitionMissing, PartitionStale: the source's partitions must be materialized first.
    """
    window = line.window(partition)
    source_partitions = line.source_partitions(window)
    view = line.lake.view()
    first = line.cadence.key_of(line.cadence.first)
    mode = mode_of(line.export, partition, first=first, versions=line.versions_with(partition), wants_full=False)
    start = line.source_partition_before(window)
    before = view.find(start, clevertap_id) if start and start in view.listing.history else None
    after = view.find(source_partitions[-1], clevertap_id)
    was, is_ = before is not None and before.height > 0, after.height > 0
    if was and is_ and before is not None:
        fields = changed_fields(before, after, view.schema_as_of(source_partitions[-1]))
        return Reasons(partition, mode, "updated" if fields else "unchanged", fields)
    verdict: Verdict = "created" if is_ else "deleted" if was else "unknown"
    return Reasons(partition, mode, verdict, ())
