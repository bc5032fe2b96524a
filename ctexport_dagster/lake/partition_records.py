"""The records of the partitions of one asset: found by partition, or missed with what to run."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, Protocol, TypeVar

from ctexport_dagster.core.errors import PartitionMissing


class Recorded(Protocol):
    """What is known of a partition."""

    @property
    def partition(self) -> str: ...

    @property
    def state(self) -> str: ...


R = TypeVar("R", bound=Recorded)


@dataclass(frozen=True)
class PartitionRecords(Generic[R]):
    """The records, oldest window first; `name` is the asset's."""

    name: str
    records: tuple[R, ...] = ()

    def find(self, partition: str) -> R | None:
        return self._by_partition.get(partition)

    def record(self, partition: str) -> R:
        """Raises: PartitionMissing: it isn't in the lake."""
        found = self.find(partition)
        if found is None:
            raise PartitionMissing(
                f"Reading {self.name} of {partition}",
                "the partition is not in the lake",
                f"Materialize {self.name} for {partition} first.",
            )
        return found

    def state_of(self, partitions: Iterable[str]) -> str:
        """A fingerprint of all that a read of these partitions gives. Raises: PartitionMissing."""
        return digest(*(f"{partition} {self.record(partition).state}" for partition in partitions))

    @cached_property
    def _by_partition(self) -> dict[str, R]:
        return {record.partition: record for record in self.records}


def digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
