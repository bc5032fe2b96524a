"""The versions of an export's declaration: from which partition on each one holds, and what that makes of a partition.

Every version of what shapes the rows (identity, columns, format) is anchored once and for ever: at the first partition
that comes after all those which ran with the version before. The anchor makes that partition full (`on_edit: full`)
and dates a locked schema. Because it never moves, a re-run of any partition has the mode and columns of its first run.
"""

from pydantic import BaseModel, ConfigDict

from ctexport_dagster.core.datasets.export import DatasetExport
from ctexport_dagster.core.export import Export
from ctexport_dagster.core.manifest import Mode


class Version(BaseModel):
    """One version of an export's content."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    content_version: str
    anchor: str
    """The first partition of this version: full, when an edit made it."""
    schema_of: str
    """The partition whose schema a lock holds on to: the anchor, or the newest one run when the edit was first seen."""


class Versions(BaseModel):
    """All versions of one export, oldest first, and the newest partition that any of them ran for.

    Partition keys of one export sort by time as text does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    versions: tuple[Version, ...] = ()
    newest: str | None = None

    def of(self, content_version: str) -> Version | None:
        """The latest version with this content; None for one that never ran."""
        return next((v for v in reversed(self.versions) if v.content_version == content_version), None)

    def after_run(self, content_version: str, partition: str, following: str) -> "Versions":
        """With a run of `partition` noted; `following` is the partition after the newest one noted before.

        A declaration edited back to an older content begins anew: what was sent in between had another shape.
        """
        newest = max(partition, self.newest or partition)
        if self.versions and self.versions[-1].content_version == content_version:
            return Versions(versions=self.versions, newest=newest)
        is_rerun = self.newest is not None and partition <= self.newest
        version = Version(
            content_version=content_version,
            anchor=following if is_rerun else partition,
            schema_of=self.newest if is_rerun and self.newest else partition,
        )
        return Versions(versions=(*self.versions, version), newest=newest)


def mode_of(
    export: Export | DatasetExport, partition: str, *, first: str, versions: Versions, wants_full: bool
) -> Mode:
    """Whether a partition carries everything or the changes of its window. Source: REQUIREMENTS P25, P26.

    `first` is the first partition key of the export, or of a dataset in its flow; `versions` already
    knows the export's present content.
    """
    if wants_full or export.schedule.mode == "full" or partition == first:
        return "full"
    version = versions.of(export.content_version)
    was_edited = len(versions.versions) > 1 and version is not None and version.anchor == partition
    return "full" if was_edited and export.on_edit == "full" else "incremental"
