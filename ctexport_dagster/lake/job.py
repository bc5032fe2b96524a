"""One ingest at work: what it is about, what stands in the lake already, and whether it may begin."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

from ctexport_dagster.core.errors import LakeError, PartitionMissing
from ctexport_dagster.core.interval import Interval
from ctexport_dagster.core.source import ProfileInput, SourceDeclaration
from ctexport_dagster.lake.lake import Lake
from ctexport_dagster.lake.record import History, PartitionRecord
from ctexport_dagster.lake.view import LakeView

RULES = 2
"""The version of the rules by which input becomes rows: raised with any change that makes old partitions differ."""


@dataclass(frozen=True)
class Job:
    """Everything that one ingest works on."""

    lake: Lake
    view: LakeView
    declaration: SourceDeclaration
    partition: str
    window: Interval
    input: ProfileInput
    run_id: str
    attempt: str
    earlier: History

    @property
    def standing(self) -> PartitionRecord | None:
        """The partition as it is in the lake now."""
        history = self.view.listing.history
        return history.record(self.partition) if self.partition in history else None

    @property
    def generation(self) -> int:
        return self.standing.generation + 1 if self.standing else 1

    @property
    def may_move(self) -> bool:
        """Whether profiles may stand in other instances than their hash's."""
        return self.earlier.names_instances

    @cached_property
    def known_instances(self) -> frozenset[int]:
        """The instances that hold a profile, or once held one, before the partition."""
        return frozenset(instance for record in self.earlier.records for instance in record.instances)

    @property
    def reach(self) -> frozenset[int]:
        """The instances in which rows of this partition may leave tombstones: the hash's, and those known before."""
        return self.known_instances | frozenset(range(self.declaration.instances))

    @property
    def is_snapshot(self) -> bool:
        return self.declaration.mode == "snapshot"


def check(lake: Lake, view: LakeView, declaration: SourceDeclaration, partition: str, previous: str | None) -> None:
    history = view.listing.history
    if previous is not None and previous not in history:
        raise PartitionMissing(
            f"Writing {lake.source}/profiles of {partition}",
            f"the partition before it, {previous}, is not in the lake",
            f"Materialize {lake.source}/profiles for {previous} first.",
        )
    others = history.without(partition).records
    if others and others[-1].instance_count != declaration.instances:
        raise LakeError(
            f"Writing {lake.source}/profiles of {partition}",
            f"the lake has {others[-1].instance_count} instances, the declaration {declaration.instances}",
            "The number is fixed once there is data: set it back, or give the source another name.",
        )


def stands(job: Job, record: PartitionRecord) -> bool:
    same = (record.input, record.shape, record.mode) == (job.input.fingerprint, shape(job), job.declaration.mode)
    return same and record.rests_on(job.earlier.state, job.known_instances)


def shape(job: Job) -> str:
    """A fingerprint of what, beside the input, makes the rows what they are."""
    named = {"mode", "timezone", "instances", "columns", "types", "rows_without_id"}
    shaping = job.declaration.model_dump(mode="json", include=named)
    return hashlib.sha256(json.dumps([RULES, shaping], sort_keys=True).encode()).hexdigest()[:16]
