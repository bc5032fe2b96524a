"""What is asked of a delivery: the staged files of one partition, their names, and what its manifest says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ctexport_dagster.core.manifest import ManifestHead

OnRerun = Literal["overwrite", "new_names"]


@dataclass(frozen=True)
class StagedFile:
    """One staged chunk: where it lies, the key of its first generation, its rows, bytes and sha256 (hex)."""

    path: Path
    key: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how long a transient failure of one file is tried again: exponential backoff with jitter."""

    attempts: int = 8
    wait_initial_seconds: float = 0.5
    wait_max_seconds: float = 60.0
    wait_jitter_seconds: float = 1.0


@dataclass(frozen=True)
class Pace:
    """How hard a destination may be pressed: files sent at once, and how one is tried again."""

    parallel: int = 4
    retries: RetryPolicy = field(default_factory=RetryPolicy)


USUAL_PACE = Pace()


@dataclass(frozen=True, kw_only=True)
class DeliveryRequest:
    """One partition to deliver.

    `record` is the partition's own folder `<state>/deliveries/<export>/<partition>/`, of one dataset in it
    `…/<partition>/<dataset>/`, kept for ever.
    `files` stand in delivery order. `renamed` gives a file's key in a later generation, for `new_names`;
    `manifest_key` gives the manifest's from the files' keys and the generation.
    `empty_file` is a whole, valid file of the format without rows, for keys that are no longer used.
    `resend` puts every file again though nothing changed: for a destination that lost files.
    """

    record: Path
    attempt: str
    head: ManifestHead
    files: tuple[StagedFile, ...]
    manifest_key: Callable[[Sequence[str], int], str]
    renamed: Callable[[StagedFile, int], str]
    empty_file: bytes
    on_rerun: OnRerun = "overwrite"
    resend: bool = False
    parallel: int = 4
    retries: RetryPolicy = field(default_factory=RetryPolicy)

    @property
    def deliveries(self) -> Path:
        """The folder of all exports' records."""
        return self.record.parents[2 if self.head.dataset else 1]

    @property
    def claimant(self) -> tuple[str, str]:
        """The export and the partition, or dataset in it, whose own the addresses will be."""
        export, *partition = self.record.relative_to(self.deliveries).parts
        return export, "/".join(partition)
